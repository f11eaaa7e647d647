import { expect } from "chai";
import fc from "fast-check";
import { hasErrorCode } from "../../../shared/errors.ts";
import {
  compareBytes,
  concatBytes,
  copyBytes,
  equalBytes,
  fromBase64,
  fromHex,
  isAllZero,
  readUint32LE,
  toBase64,
  toHex,
  utf8Decode,
  utf8Encode,
  writeUint32LE,
} from "../../../shared/format/bytes.ts";

/** The code of the error that a call throws; undefined when it returns. */
function codeOf(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return hasErrorCode(error, "malformed") ? "malformed" : hasErrorCode(error, "internal") ? "internal" : `${error}`;
  }
}

const bytes = fc.uint8Array({ maxLength: 300 });

describe("bytes", () => {
  it("codes hex as Buffer does, and back", () => {
    fc.assert(
      fc.property(bytes, (data) => {
        expect(toHex(data)).to.equal(Buffer.from(data).toString("hex"));
        expect(fromHex(toHex(data))).to.deep.equal(data);
      }),
    );
  });

  it("refuses hex that would not encode to itself", () => {
    for (const text of ["a", "abc", "0g", "AB", "0x", " 0", "é0", "٠٠"])
      expect(codeOf(() => fromHex(text))).to.equal("malformed");
  });

  it("codes base64 as Buffer does, and back", () => {
    fc.assert(
      fc.property(bytes, (data) => {
        expect(toBase64(data)).to.equal(Buffer.from(data).toString("base64"));
        expect(fromBase64(toBase64(data))).to.deep.equal(data);
      }),
    );
    const long = new Uint8Array(100_001).fill(7);
    expect(fromBase64(toBase64(long))).to.deep.equal(long);
  });

  it("refuses base64 that would not encode to itself", () => {
    for (const text of ["a", "ab", "abc", "abcd=", "ab=c", "ab\ncd", " abcd", "ab-_", "abcdab", "ab==abcd", "===="]) {
      expect(
        codeOf(() => fromBase64(text)),
        text,
      ).to.equal("malformed");
    }
    // Unused bits that are not zero.
    expect(codeOf(() => fromBase64("AB=="))).to.equal("malformed");
    expect(codeOf(() => fromBase64("AAB="))).to.equal("malformed");
    expect(fromBase64("AA==")).to.deep.equal(new Uint8Array(1));
  });

  it("decodes base64 of many megabytes", () => {
    const data = new Uint8Array(20_000_000).fill(65);
    expect(fromBase64(Buffer.from(data).toString("base64")).length).to.equal(data.length);
  });

  it("accepts exactly the base64 texts that encode to themselves", () => {
    const text = fc.string({ unit: fc.constantFrom(..."ABab09+/="), maxLength: 12 });
    fc.assert(
      fc.property(text, (candidate) => {
        const isCanonical = Buffer.from(candidate, "base64").toString("base64") === candidate;
        expect(codeOf(() => fromBase64(candidate)) === undefined).to.equal(isCanonical);
      }),
      { numRuns: 2000 },
    );
  });

  it("decodes UTF-8 strictly and keeps a byte order mark", () => {
    expect(utf8Decode(utf8Encode("\ufeffäß漢🙂"))).to.equal("\ufeffäß漢🙂");
    for (const bad of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf4, 0x90, 0x80, 0x80]]) {
      expect(codeOf(() => utf8Decode(Uint8Array.from(bad)))).to.equal("malformed");
    }
    expect(codeOf(() => utf8Encode("a\ud800b"))).to.equal("malformed");
    expect(codeOf(() => utf8Encode("\udc00\ud800"))).to.equal("malformed");
  });

  it("compares as Buffer does", () => {
    fc.assert(
      fc.property(bytes, bytes, fc.nat(3), (a, b, common) => {
        const [left, right] = [concatBytes(a.subarray(0, common), a), concatBytes(a.subarray(0, common), b)];
        expect(Math.sign(compareBytes(left, right))).to.equal(Buffer.compare(left, right));
        expect(equalBytes(left, right)).to.equal(Buffer.compare(left, right) === 0);
        expect(equalBytes(left, left.slice())).to.equal(true);
      }),
    );
  });

  it("copies a Buffer, too, into memory of its own", () => {
    const buffer = Buffer.from("abc");
    const copy = copyBytes(buffer);
    buffer.fill(0);
    expect(Buffer.from(copy).toString()).to.equal("abc");
    expect(copy.slice(0, 1)).to.not.be.instanceOf(Buffer);
  });

  it("knows zeros", () => {
    expect(isAllZero(new Uint8Array(0))).to.equal(true);
    expect(isAllZero(new Uint8Array(9))).to.equal(true);
    expect(isAllZero(Uint8Array.of(0, 0, 1))).to.equal(false);
  });

  it("reads and writes 32-bit integers, and nothing beyond the end", () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.nat(5), (value, offset) => {
        const target = new Uint8Array(9);
        writeUint32LE(target, offset, value);
        expect(readUint32LE(target, offset)).to.equal(value);
        expect(Buffer.from(target).readUInt32LE(offset)).to.equal(value);
      }),
    );
    const four = new Uint8Array(4);
    for (const offset of [-1, 1, 4]) {
      expect(codeOf(() => readUint32LE(four, offset))).to.equal("malformed");
      expect(codeOf(() => writeUint32LE(four, offset, 0))).to.equal("internal");
    }
    for (const value of [-1, 2 ** 32, 0.5, Number.NaN])
      expect(codeOf(() => writeUint32LE(four, 0, value))).to.equal("internal");
  });
});
