import { createCipheriv, randomBytes } from "node:crypto";
import { poly1305 } from "@noble/ciphers/_poly1305.js";
import { expect } from "chai";
import fc from "fast-check";
import { fromHex, toHex } from "../../../shared/format/bytes.ts";
import { compileKernels, instantiateKernels } from "../../../shared/kernels/kernels.ts";
import { naivePoly1305 } from "../../support/poly1305-oracle.ts";
import { readVectors } from "../../support/vectors.ts";

interface CryptoVectors {
  readonly poly1305_aes: readonly ({ readonly note?: string } & Record<
    "k" | "r" | "nonce" | "message" | "s" | "tag",
    string
  >)[];
}

const kernels = instantiateKernels(compileKernels(), 1 << 20);

/** The tag of a message in pieces of the given sizes, each a multiple of 16, and a rest. */
function kernelTag(
  message: Uint8Array,
  r: Uint8Array,
  s: Uint8Array,
  pieces: readonly number[] = [],
  shift = 0,
): Uint8Array {
  const start = kernels.callerOffset + shift;
  kernels.bytes.set(message, start);
  kernels.setMacKey(r, s);
  kernels.polyBegin();
  let position = 0;
  for (const piece of pieces) {
    if (position + piece > message.length) break;
    kernels.polyUpdate(start + position, piece);
    position += piece;
  }
  kernels.polyFinish(start + position, message.length - position);
  const tag = new Uint8Array(18);
  kernels.readTag(tag, 1);
  expect([tag[0], tag[17]]).to.deep.equal([0, 0]);
  return tag.slice(1, 17);
}

describe("kernels", () => {
  it("keep the size of their memory, and leave the caller what was asked for", () => {
    const small = instantiateKernels(compileKernels(), 1);
    expect(small.bytes.length).to.equal(2 * 65536);
    expect(small.callerOffset).to.equal(65536);
    expect(instantiateKernels(compileKernels(), 0).bytes.length).to.equal(65536);
  });

  it("refuse more memory than 32-bit addresses reach", () => {
    expect(() => instantiateKernels(compileKernels(), 2 ** 32)).to.throw("0 to 4 GiB");
    expect(() => instantiateKernels(compileKernels(), -65537)).to.throw("0 to 4 GiB");
    expect(() => instantiateKernels(compileKernels(), Number.NaN)).to.throw("0 to 4 GiB");
  });

  it("import nothing but their memory", () => {
    const { WebAssembly } = globalThis as unknown as {
      WebAssembly: { Module: { imports(module: unknown): unknown[] } };
    };
    expect(WebAssembly.Module.imports(compileKernels())).to.deep.equal([
      { module: "env", name: "memory", kind: "memory" },
    ]);
  });

  describe("Poly1305", () => {
    const { poly1305_aes: vectors } = readVectors<CryptoVectors>("crypto");
    for (const vector of vectors) {
      it(`has the listed tag of ${vector.message.length / 2} bytes${vector.note === undefined ? "" : `: ${vector.note}`}`, () => {
        const [k, r, nonce, message] = [vector.k, vector.r, vector.nonce, vector.message].map(fromHex) as Uint8Array[];
        const s = createCipheriv("aes-128-ecb", k!, null).update(nonce!);
        expect(toHex(s)).to.equal(vector.s);
        expect(toHex(kernelTag(message!, r!, s))).to.equal(vector.tag);
        expect(toHex(naivePoly1305(message!, r!, s))).to.equal(vector.tag);
      });
    }

    it("has the tag of RFC 8439, section 2.5.2", () => {
      const r = fromHex("85d6be7857556d337f4452fe42d506a8");
      const s = fromHex("0103808afb0db2fd4abff6af4149f51b");
      const message = Buffer.from("Cryptographic Forum Research Group");
      expect(toHex(kernelTag(message, r, s))).to.equal("a8061dc1305136c6c22b8baf0c0127a9");
    });

    it("has the tags of RFC 8439, appendix A.3, where sums wrap around the prime", () => {
      const cases: [r: string, s: string, message: string, tag: string][] = [
        ["02", "", "ffffffffffffffffffffffffffffffff", "03000000000000000000000000000000"],
        [
          "02",
          "ffffffffffffffffffffffffffffffff",
          "02000000000000000000000000000000",
          "03000000000000000000000000000000",
        ],
        [
          "01",
          "",
          "fffffffffffffffffffffffffffffffff0ffffffffffffffffffffffffffffff11000000000000000000000000000000",
          "05000000000000000000000000000000",
        ],
        [
          "01",
          "",
          "fffffffffffffffffffffffffffffffffbfefefefefefefefefefefefefefefe01010101010101010101010101010101",
          "00000000000000000000000000000000",
        ],
        ["02", "", "fdffffffffffffffffffffffffffffff", "faffffffffffffffffffffffffffffff"],
        [
          "0100000000000000040000000000000000",
          "",
          "e33594d7505e43b900000000000000003394d7505e4379cd01000000000000000000000000000000000000000000000001000000000000000000000000000000",
          "14000000000000005500000000000000",
        ],
      ];
      for (const [r, s, message, tag] of cases) {
        const padded = (hex: string): Uint8Array => fromHex(hex.padEnd(32, "0").slice(0, 32));
        expect(toHex(kernelTag(fromHex(message), padded(r), padded(s)))).to.equal(tag);
      }
    });

    it("agrees with @noble/ciphers for every length up to 1,000 bytes", () => {
      const [r, s, data] = [randomBytes(16), randomBytes(16), randomBytes(1000)];
      for (let length = 0; length <= 1000; length++) {
        const message = data.subarray(0, length);
        const expected = poly1305(message, Buffer.concat([r, s]));
        expect(toHex(kernelTag(message, r, s)), `${length} bytes`).to.equal(toHex(expected));
      }
    });

    it("agrees with the naive twin on extreme keys and messages, in pieces of any size, at any address", () => {
      const extremes = fc.constantFrom(0, 1, 0x7f, 0x80, 0xfe, 0xff);
      const bytes = (constraints: fc.IntArrayConstraints): fc.Arbitrary<Uint8Array> =>
        fc.oneof(
          fc.uint8Array(constraints),
          fc.array(extremes, constraints).map((values) => Uint8Array.from(values)),
          fc
            .tuple(extremes, fc.integer({ min: constraints.minLength ?? 0, max: constraints.maxLength ?? 700 }))
            .map(([byte, length]) => new Uint8Array(length).fill(byte)),
        );
      const key = bytes({ minLength: 16, maxLength: 16 });
      const message = bytes({ minLength: 0, maxLength: 700 });
      const pieces = fc.array(
        fc.integer({ min: 0, max: 20 }).map((blocks) => 16 * blocks),
        { maxLength: 8 },
      );
      fc.assert(
        fc.property(key, key, message, pieces, fc.integer({ min: 0, max: 70 }), (r, s, data, sizes, shift) => {
          expect(toHex(kernelTag(data, r, s, sizes, shift))).to.equal(toHex(naivePoly1305(data, r, s)));
        }),
        { numRuns: 1500 },
      );
    });

    it("agrees with @noble/ciphers on half a MiB of ones under a key of ones", () => {
      const [r, s, data] = [
        new Uint8Array(16).fill(255),
        new Uint8Array(16).fill(255),
        new Uint8Array(524_289).fill(255),
      ];
      const expected = toHex(poly1305(data, Buffer.concat([r, s])));
      expect(toHex(kernelTag(data, r, s))).to.equal(expected);
      expect(toHex(kernelTag(data, r, s, [16, 128, 131072, 64, 32, 262144]))).to.equal(expected);
    });
  });
});
