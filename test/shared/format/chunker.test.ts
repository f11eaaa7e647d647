import { createHash } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { cutAll, findCut } from "../../../shared/format/chunker.ts";
import { parsePolynomial } from "../../../shared/format/polynomial.ts";
import { compileKernel } from "../../../shared/kernels/build-kernels.ts";
import {
  compileKernels,
  instantiateKernels,
  type Kernels,
  type KernelsModule,
} from "../../../shared/kernels/kernels.ts";
import { fingerprintOf, naiveCuts, resticOptions, tablesOf } from "../../support/naive-chunker.ts";
import { makeVectorInput, type VectorInput, xorshift32 } from "../../support/vector-inputs.ts";
import { readVectors } from "../../support/vectors.ts";

interface ChunkerVectors {
  readonly tables_for_3da3358b4dc173: {
    readonly out: Record<string, string>;
    readonly mod: Record<string, string>;
    readonly sha256_of_out_table_as_256_uint64_be: string;
    readonly sha256_of_mod_table_as_256_uint64_be: string;
  };
  readonly cases: readonly {
    readonly name: string;
    readonly polynomial: string;
    readonly options?: { readonly bits?: number; readonly min?: number; readonly max?: number };
    readonly input: VectorInput;
    readonly input_sha256: string;
    readonly chunks: readonly { readonly length: number; readonly sha256: string; readonly cut: string }[];
  }[];
}

const vectors = readVectors<ChunkerVectors>("chunker");
const standardPolynomial = 0x3da3358b4dc173n;
const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

/** One memory for all tests here: 40 MiB of data at most. */
const module = compileKernels();
const kernels = instantiateKernels(module, 41 << 20);

function place(target: Kernels, data: Uint8Array, polynomial: bigint): number {
  target.chunkerInit(polynomial);
  target.bytes.set(data, target.callerOffset);
  return target.callerOffset;
}

function kernelCuts(data: Uint8Array, polynomial = standardPolynomial): number[] {
  return cutAll(kernels, place(kernels, data, polynomial), data.length, true);
}

describe("chunker", () => {
  describe("vectors", () => {
    for (const vector of vectors.cases) {
      it(`cuts ${vector.name} as listed`, async () => {
        const data = makeVectorInput(vector.input);
        expect(sha256(data), "input").to.equal(vector.input_sha256);
        const { bits = 20, min = 524288, max = 8388608 } = vector.options ?? {};
        const polynomial = parsePolynomial(vector.polynomial);
        const kernel = bits === 20 ? kernels : await kernelsWithCutBits(bits);
        const from = place(kernel, data, polynomial);
        const lengths = cutAll(kernel, from, data.length, true, { minBytes: min, maxBytes: max });
        expect(lengths).to.deep.equal(vector.chunks.map((chunk) => chunk.length));
        let start = 0;
        for (const chunk of vector.chunks) {
          const bytes = data.subarray(start, start + chunk.length);
          expect(sha256(bytes)).to.equal(chunk.sha256);
          // The vectors give the fingerprint at every cut that was found by scanning.
          const found = fingerprintOf(bytes.subarray(-64), polynomial).toString(16);
          if (chunk.length >= 64 && chunk.cut !== undefined)
            expect(BigInt(`0x${found}`)).to.equal(BigInt(`0x${chunk.cut}`));
          start += chunk.length;
        }
      });
    }

    it("has the listed tables", () => {
      const { out, mod, ...hashes } = vectors.tables_for_3da3358b4dc173;
      const tables = tablesOf(standardPolynomial);
      for (const [byte, value] of Object.entries(out)) expect(tables.out[Number(byte)]).to.equal(BigInt(`0x${value}`));
      for (const [byte, value] of Object.entries(mod)) expect(tables.mod[Number(byte)]).to.equal(BigInt(`0x${value}`));
      const bigEndian = (table: bigint[]): Buffer => {
        const bytes = Buffer.alloc(2048);
        table.forEach((value, index) => {
          bytes.writeBigUInt64BE(value, 8 * index);
        });
        return bytes;
      };
      expect(sha256(bigEndian(tables.out))).to.equal(hashes.sha256_of_out_table_as_256_uint64_be);
      expect(sha256(bigEndian(tables.mod))).to.equal(hashes.sha256_of_mod_table_as_256_uint64_be);
    });
  });

  describe("against the naive twin", () => {
    it("gives the same cuts for the vectors' inputs", () => {
      for (const name of ["sha256ctr-16MiB", "random-zeros-random", "ff-9MiB", "period-1000"]) {
        const vector = vectors.cases.find((candidate) => candidate.name === name)!;
        const data = makeVectorInput(vector.input);
        expect(naiveCuts(data, standardPolynomial), name).to.deep.equal(kernelCuts(data));
      }
    });

    it("gives the same cuts for random data and random polynomials", () => {
      const polynomials = ["25b468838dcb75", "3ac0de918a7819", "3abc9bff07d9e5", "328ef4b0c792a9"].map(parsePolynomial);
      polynomials.forEach((polynomial, index) => {
        const data = xorshift32(1000 + index, 6_000_001 + index);
        expect(kernelCuts(data, polynomial)).to.deep.equal(naiveCuts(data, polynomial));
      });
    });

    it("finds every position that the definition allows, wherever the scan begins and ends", () => {
      // 12 cut bits make a position every 4 KiB, in all four lanes and in what follows them.
      const polynomial = standardPolynomial;
      const data = xorshift32(77, 200_000);
      const expected: number[] = [];
      const options = { ...resticOptions, minBytes: 64, cutBits: 12 };
      for (let start = 0; start + 64 <= data.length; ) {
        const length = naiveCuts(data.subarray(start), polynomial, options)[0]!;
        if (start + length === data.length && length !== 64) break;
        expected.push(start + length);
        start += length - 63;
      }
      return kernelsWithCutBits(12).then((narrow) => {
        const from = place(narrow, data, polynomial);
        const positions = fc.tuple(
          fc.integer({ min: 64, max: data.length }),
          fc.integer({ min: 64, max: data.length }),
        );
        fc.assert(
          fc.property(positions, ([a, b]) => {
            const [first, last] = [Math.min(a, b), Math.max(a, b)];
            const cut = expected.find((position) => position >= first && position <= last);
            expect(narrow.chunkerScan(from + first, from + last)).to.equal(cut === undefined ? 0 : from + cut);
          }),
          { numRuns: 400 },
        );
        expect(expected.length).to.be.greaterThan(30);
      });
    });
  });

  describe("slices", () => {
    const data = xorshift32(5, 12 << 20);
    const whole = naiveCuts(data, standardPolynomial);

    it("cuts alike when the bytes arrive in pieces", () => {
      // Not below 200 KB: each piece scans again what is not cut yet, so tiny ones take forever.
      const pieces = fc.array(fc.integer({ min: 200_000, max: 3 << 20 }), { minLength: 1, maxLength: 8 });
      fc.assert(
        fc.property(pieces, (sizes) => {
          expect(cutInPieces(data, sizes)).to.deep.equal(whole);
        }),
        { numRuns: 12 },
      );
    });

    it("cuts alike byte by byte around the first cut", () => {
      const first = whole[0]!;
      const from = place(kernels, data.subarray(0, first + 10), standardPolynomial);
      for (let available = first - 10; available < first; available++) {
        expect(findCut(kernels, from, available, false)).to.equal(0);
        expect(findCut(kernels, from, available, true)).to.equal(available);
      }
      for (let available = first; available < first + 10; available++) {
        expect(findCut(kernels, from, available, false)).to.equal(first);
      }
    });

    it("cuts alike wherever the bytes lie in the memory", () => {
      for (const shift of [1, 7, 4095, 65537]) {
        kernels.bytes.set(data, kernels.callerOffset + shift);
        expect(cutAll(kernels, kernels.callerOffset + shift, data.length, true)).to.deep.equal(whole);
      }
    });
  });

  describe("edges", () => {
    it("needs more bytes below the minimum, unless the file ends", () => {
      const from = place(kernels, new Uint8Array(524288), standardPolynomial);
      expect(findCut(kernels, from, 0, false)).to.equal(0);
      expect(findCut(kernels, from, 0, true)).to.equal(0);
      expect(findCut(kernels, from, 524287, false)).to.equal(0);
      expect(findCut(kernels, from, 524287, true)).to.equal(524287);
      expect(findCut(kernels, from, 524288, false)).to.equal(524288);
    });

    it("cuts at the maximum without knowing what follows", () => {
      const from = place(kernels, new Uint8Array(9 << 20).fill(1), standardPolynomial);
      expect(findCut(kernels, from, (8 << 20) - 1, false)).to.equal(0);
      expect(findCut(kernels, from, 8 << 20, false)).to.equal(8 << 20);
      expect(findCut(kernels, from, 9 << 20, true)).to.equal(8 << 20);
    });

    it("leaves the uncertain end when the file goes on", () => {
      const from = place(kernels, new Uint8Array(2_000_000), standardPolynomial);
      expect(cutAll(kernels, from, 2_000_000, false)).to.deep.equal([524288, 524288, 524288]);
      expect(cutAll(kernels, from, 2_000_000, true)).to.deep.equal([524288, 524288, 524288, 427136]);
    });

    it("refuses bytes outside the memory", () => {
      expect(() => findCut(kernels, kernels.bytes.length - 10, 11, true)).to.throw("inside its memory");
      expect(() => findCut(kernels, -1, 5, true)).to.throw("inside its memory");
      expect(() => findCut(kernels, kernels.callerOffset, -1, true)).to.throw("inside its memory");
    });
  });
});

const narrowModules = new Map<number, KernelsModule>();

/** The kernels, compiled with another number of zero bits at a cut. */
async function kernelsWithCutBits(bits: number): Promise<Kernels> {
  let narrow = narrowModules.get(bits);
  if (narrow === undefined) {
    const constant = "const CUT_MASK: u64 = 0xfffff;";
    let edits = 0;
    const wasm = await compileKernel({ source: "source/kernels.ts" }, (text) => {
      if (text.includes(constant)) edits += 1;
      return text.replace(constant, `const CUT_MASK: u64 = ${2 ** bits - 1};`);
    });
    expect(edits, "the constant in the source").to.equal(1);
    narrow = (await compileWasm(wasm)) as KernelsModule;
    narrowModules.set(bits, narrow);
  }
  return instantiateKernels(narrow, 17 << 20);
}

/** WebAssembly.compile, which the types of this project do not know. */
function compileWasm(wasm: Uint8Array): Promise<unknown> {
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: { compile(bytes: Uint8Array): Promise<unknown> };
  };
  return WebAssembly.compile(wasm);
}

/** Cuts as a reader does that gets pieces of the given sizes, over and over, and keeps what is not cut yet. */
function cutInPieces(data: Uint8Array, sizes: readonly number[]): number[] {
  const from = place(kernels, data, standardPolynomial);
  const lengths: number[] = [];
  let start = 0;
  let available = 0;
  for (let piece = 0; available < data.length; piece++) {
    available = Math.min(data.length, available + sizes[piece % sizes.length]!);
    const added = cutAll(kernels, from + start, available - start, available === data.length);
    lengths.push(...added);
    start += added.reduce((sum, length) => sum + length, 0);
  }
  return lengths;
}
