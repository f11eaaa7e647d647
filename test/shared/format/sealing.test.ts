import { expect } from "chai";
import { toHex } from "../../../shared/format/bytes.ts";
import { checkSealed, checkSealingKey, equalTags, maskMacR, parseSealingKey } from "../../../shared/format/sealing.ts";
import { xorshift32 } from "../../support/vector-inputs.ts";

describe("sealing", () => {
  it("splits 64 bytes into the parts of a key", () => {
    const bytes = Uint8Array.from({ length: 64 }, (_, index) => index + 1);
    const key = parseSealingKey(bytes);
    expect([key.encrypt[0], key.encrypt.length]).to.deep.equal([1, 32]);
    expect([key.mac.k[0], key.mac.k.length]).to.deep.equal([33, 16]);
    expect([key.mac.r[0], key.mac.r.length]).to.deep.equal([49, 16]);
    bytes.fill(0);
    expect(key.encrypt[0]).to.equal(1);
  });

  it("refuses other lengths", () => {
    for (const length of [0, 32, 63, 65, 128]) {
      expect(() => parseSealingKey(xorshift32(1, length)))
        .to.throw(`got ${length}`)
        .with.property("code", "malformed");
    }
    const short = { encrypt: xorshift32(1, 31), mac: { k: xorshift32(2, 16), r: xorshift32(3, 16) } };
    expect(() => checkSealingKey(short)).to.throw("encrypt expected 32 bytes, got 31");
  });

  it("masks exactly the bits that Poly1305 ignores", () => {
    expect(toHex(maskMacR(new Uint8Array(16).fill(255)))).to.equal("ffffff0ffcffff0ffcffff0ffcffff0f");
  });

  it("refuses an r that has only ignored bits", () => {
    const bytes = xorshift32(1, 64);
    bytes.set(
      maskMacR(new Uint8Array(16).fill(255)).map((byte) => ~byte),
      48,
    );
    expect(() => parseSealingKey(bytes))
      .to.throw("mac.r")
      .with.property("code", "malformed");
  });

  it("tells too short from never sealed", () => {
    expect(() => checkSealed(new Uint8Array(31)))
      .to.throw("at least 32")
      .with.property("code", "malformed");
    expect(() => checkSealed(new Uint8Array(32)))
      .to.throw("random IV")
      .with.property("code", "unauthenticated");
    const shortest = new Uint8Array(32);
    shortest[15] = 1;
    checkSealed(shortest);
  });

  it("compares tags where they lie", () => {
    const sealed = xorshift32(4, 50);
    expect(equalTags(sealed.subarray(34), sealed, 34)).to.equal(true);
    expect(equalTags(sealed.subarray(33), sealed, 34)).to.equal(false);
    expect(equalTags(sealed.subarray(34, 49), sealed, 34)).to.equal(false);
    expect(equalTags(sealed.subarray(35), sealed, 35)).to.equal(false);
  });
});
