import { expect } from "chai";
import fc from "fast-check";
import { canUseOpenSsl } from "../../../client/platform/openssl-sealing.ts";
import { SealEngine, type SealingChoice } from "../../../client/platform/seal-engine.ts";
import { CofferError } from "../../../shared/errors.ts";
import { toHex } from "../../../shared/format/bytes.ts";
import { cutAll } from "../../../shared/format/chunker.ts";
import { parseSealingKey } from "../../../shared/format/sealing.ts";
import { compileKernels } from "../../../shared/kernels/kernels.ts";
import { createPortableProvider } from "../../../shared/portable/provider.ts";
import { bitFlips } from "../../support/mutations.ts";
import { naiveCuts } from "../../support/naive-chunker.ts";
import { xorshift32 } from "../../support/vector-inputs.ts";

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof CofferError) return error.code;
    throw error;
  }
  return "nothing thrown";
}

const module = compileKernels();
const key = parseSealingKey(xorshift32(41, 64));
const oracle = createPortableProvider().sealer(key);

function openEngine(choice: SealingChoice, scratchBytes = 0): SealEngine {
  const engine = new SealEngine(module, scratchBytes, choice);
  engine.open(key);
  return engine;
}

describe("seal engine", () => {
  it("calls OpenSSL directly in this build of Node", function () {
    if (!canUseOpenSsl()) this.skip();
    expect(canUseOpenSsl()).to.equal(true);
  });

  it("seals alike both ways", () => {
    const [direct, kernels] = [openEngine("fastest"), openEngine("kernels")];
    for (const length of [0, 1, 16, 2048, 131072, 131073, 1_000_000]) {
      const [plaintext, iv] = [xorshift32(length + 1, length), xorshift32(9, 16)];
      const [a, b] = [new Uint8Array(length + 32), new Uint8Array(length + 32)];
      direct.sealInto(plaintext, a, 0, iv);
      kernels.sealInto(plaintext, b, 0, iv);
      expect(Buffer.compare(a, b)).to.equal(0);
    }
  });
});

for (const choice of ["fastest", "kernels"] as const)
  describe(`seal engine (${choice})`, () => {
    const engine = openEngine(choice, 3 << 20);

    it("seals as the portable provider does, anywhere in the target, and opens again", () => {
      const shared = new Uint8Array(new SharedArrayBuffer(1 << 20));
      const lengths = fc.oneof(
        fc.nat(300),
        fc.integer({ min: 131_050, max: 131_100 }),
        fc.integer({ min: 262_100, max: 400_000 }),
      );
      fc.assert(
        fc.property(
          lengths,
          fc.nat(5000),
          fc.boolean(),
          fc.integer({ min: 1, max: 2 ** 31 }),
          (length, offset, inShared, seed) => {
            const target = inShared ? shared : new Uint8Array(length + offset + 100);
            target.fill(0xaa);
            const [plaintext, iv] = [xorshift32(seed, length), xorshift32(seed + 1, 16)];
            expect(engine.sealInto(plaintext, target, offset, iv)).to.equal(length + 32);
            const sealed = target.subarray(offset, offset + length + 32);
            expect(Buffer.compare(sealed, oracle.seal(plaintext, iv))).to.equal(0);
            expect(target[offset + length + 32], "the byte behind").to.equal(0xaa);
            if (offset > 0) expect(target[offset - 1], "the byte before").to.equal(0xaa);

            const opened = new Uint8Array(length + 1).fill(0xbb);
            expect(engine.openInto(sealed, opened)).to.equal(length);
            expect(Buffer.compare(opened.subarray(0, length), plaintext)).to.equal(0);
            expect(opened[length]).to.equal(0xbb);
          },
        ),
        { numRuns: 60 },
      );
    });

    it("draws a fresh IV for each seal", () => {
      const ivs = new Set<string>();
      const target = new Uint8Array(40);
      for (let round = 0; round < 600; round++) {
        engine.sealInto(new Uint8Array(8), target, 0);
        ivs.add(toHex(target.subarray(0, 16)));
        expect(oracle.open(target)).to.deep.equal(new Uint8Array(8));
      }
      expect(ivs.size).to.equal(600);
    });

    it("opens in place, exactly over the ciphertext", () => {
      const plaintext = xorshift32(3, 300_000);
      const shared = new Uint8Array(new SharedArrayBuffer(plaintext.length + 32));
      engine.sealInto(plaintext, shared, 0);
      expect(engine.openInto(shared, shared.subarray(16))).to.equal(plaintext.length);
      expect(Buffer.compare(shared.subarray(16, 16 + plaintext.length), plaintext)).to.equal(0);
    });

    it("seals from its scratch and opens out of it, which the chunker shares", () => {
      const data = xorshift32(21, 3 << 20);
      expect(engine.scratch.length).to.equal(data.length);
      engine.scratch.set(data);
      engine.kernels.chunkerInit(0x3da3358b4dc173n);
      const target = new Uint8Array(data.length + 32);
      const lengths: number[] = [];
      for (const length of cutAll(engine.kernels, engine.scratchOffset, data.length, true)) {
        const start = lengths.reduce((sum, earlier) => sum + earlier, 0);
        engine.sealInto(engine.scratch.subarray(start, start + length), target, 0);
        const opened = oracle.open(target.subarray(0, length + 32));
        expect(Buffer.compare(opened, data.subarray(start, start + length))).to.equal(0);
        lengths.push(length);
      }
      expect(lengths).to.deep.equal(naiveCuts(data, 0x3da3358b4dc173n));
      expect(Buffer.compare(engine.scratch, data), "the scratch is untouched").to.equal(0);

      const sealed = oracle.seal(data.subarray(0, 500_000), xorshift32(5, 16));
      engine.scratch.set(sealed, 1000);
      const opened = new Uint8Array(500_000);
      engine.openInto(engine.scratch.subarray(1000, 1000 + sealed.length), opened);
      expect(Buffer.compare(opened, data.subarray(0, 500_000))).to.equal(0);
    });

    it("writes nothing when the tag is wrong", () => {
      const sealed = new Uint8Array(200_000 + 32);
      engine.sealInto(xorshift32(6, 200_000), sealed, 0);
      const opened = new Uint8Array(200_000).fill(0xcc);
      for (const damaged of bitFlips(sealed, 50)) {
        expect(codeOf(() => engine.openInto(damaged, opened))).to.equal("unauthenticated");
      }
      expect(opened.every((byte) => byte === 0xcc)).to.equal(true);
    });

    it("refuses targets that are too small, bytes that are too short, and work without a key", () => {
      expect(codeOf(() => engine.sealInto(new Uint8Array(10), new Uint8Array(41), 0))).to.equal("internal");
      expect(codeOf(() => engine.sealInto(new Uint8Array(10), new Uint8Array(50), 9))).to.equal("internal");
      expect(codeOf(() => engine.sealInto(new Uint8Array(10), new Uint8Array(50), -1))).to.equal("internal");
      expect(codeOf(() => engine.sealInto(new Uint8Array(1), new Uint8Array(50), 0, new Uint8Array(16)))).to.equal(
        "internal",
      );
      const sealed = oracle.seal(new Uint8Array(10), xorshift32(5, 16));
      expect(codeOf(() => engine.openInto(sealed, new Uint8Array(9)))).to.equal("limit-exceeded");
      expect(codeOf(() => engine.openInto(sealed.subarray(0, 31), new Uint8Array(9)))).to.equal("malformed");
      const closed = new SealEngine(module, 0, choice);
      expect(codeOf(() => closed.openInto(sealed, new Uint8Array(10)))).to.equal("internal");
      expect(codeOf(() => closed.sealInto(new Uint8Array(1), new Uint8Array(50), 0))).to.equal("internal");
    });

    it("can change its key", () => {
      const other = new SealEngine(module, 0, choice);
      other.open(parseSealingKey(xorshift32(42, 64)));
      const sealed = oracle.seal(Uint8Array.of(1, 2, 3), xorshift32(5, 16));
      const opened = new Uint8Array(3);
      expect(codeOf(() => other.openInto(sealed, opened))).to.equal("unauthenticated");
      other.open(key);
      expect(other.openInto(sealed, opened)).to.equal(3);
      expect(opened).to.deep.equal(Uint8Array.of(1, 2, 3));
    });
  });
