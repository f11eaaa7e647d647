import { hash } from "node:crypto";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import {
  createZstdCompressor,
  createZstdDecompressor,
  HandleCompressor,
  HandleDecompressor,
  PlainCompressor,
  PlainDecompressor,
  type ZstdDecompressor,
  zstdLevelOf,
} from "../../../client/platform/zstd.ts";
import { handleIsUsable } from "../../../client/platform/zstd-handle.ts";
import { CofferError } from "../../../shared/errors.ts";
import { concatBytes, fromHex } from "../../../shared/format/bytes.ts";
import { truncations } from "../../support/mutations.ts";
import { xorshift32 } from "../../support/vector-inputs.ts";

/** A short name for content, so that failures stay readable. */
const nameOf = (data: Uint8Array): string => `${data.length} bytes, ${hash("sha256", data)}`;

/** The content's name, or the code of the typed error; anything else fails the test. */
function outcomeOf(decompressor: ZstdDecompressor, data: Uint8Array, limitBytes: number, expectedBytes = 0): string {
  try {
    return nameOf(decompressor.decompress(data, limitBytes, expectedBytes));
  } catch (error) {
    if (error instanceof CofferError) return error.code;
    throw error;
  }
}

const text = Buffer.from("it was the best of times, it was the worst of times\n".repeat(8000));
const sized = zstdCompressSync(text);
const unsized = zstdCompressSync(text, { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } });

describe("zstd of node", () => {
  it("uses the handle in this version of Node", () => {
    expect(handleIsUsable()).to.equal(true);
    expect(createZstdCompressor(3)).to.be.instanceOf(HandleCompressor);
    expect(createZstdDecompressor()).to.be.instanceOf(HandleDecompressor);
  });

  it("has a level for each mode", () => {
    const levels = (["fastest", "auto", "better", "max"] as const).map(zstdLevelOf);
    expect(levels).to.deep.equal([...levels].sort((a, b) => a - b));
    expect(zstdLevelOf("off")).to.equal(zstdLevelOf("auto"));
  });

  for (const [name, Compressor] of [
    ["by handle", HandleCompressor],
    ["by documented calls", PlainCompressor],
  ] as const) {
    describe(`compression ${name}`, () => {
      it("gives one frame with its content size, for any input one after the other", () => {
        const compressor = new Compressor(3);
        fc.assert(
          fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(300), (data, repeats) => {
            const source = concatBytes(...Array.from({ length: repeats }, () => data));
            const frame = compressor.compress(source);
            expect(Buffer.compare(zstdDecompressSync(frame), source)).to.equal(0);
            // Bits 7 and 6 or 5 of the descriptor: a content size is there.
            expect((frame[4] ?? 0) & 0xe0).to.not.equal(0);
          }),
          { numRuns: 60 },
        );
      });

      it("compresses incompressible and large data, at any address and in shared memory", () => {
        const compressor = new Compressor(1);
        const large = concatBytes(xorshift32(1, 9 << 20), text);
        const shared = new Uint8Array(new SharedArrayBuffer(large.length + 4096));
        for (const shift of [0, 1, 2048, 4095]) {
          shared.set(large, shift);
          const frame = compressor.compress(shared.subarray(shift, shift + large.length));
          expect(frame.length).to.be.lessThan(large.length);
          expect(Buffer.compare(zstdDecompressSync(frame), large)).to.equal(0);
        }
      });
    });
  }

  it("compresses alike both ways", () => {
    for (const level of [1, 3, 7]) {
      const byHandle = new HandleCompressor(level);
      const byCalls = new PlainCompressor(level);
      for (const data of [Buffer.alloc(0), text, xorshift32(5, 100_000), text.subarray(0, 100)]) {
        expect(Buffer.compare(byHandle.compress(data), byCalls.compress(data))).to.equal(0);
      }
    }
  });

  for (const [name, Decompressor] of [
    ["by handle", HandleDecompressor],
    ["by documented calls", PlainDecompressor],
  ] as const) {
    describe(`decompression ${name}`, () => {
      const decompressor = new Decompressor();

      it("takes frames with and without content size, whatever length is expected", () => {
        for (const frame of [sized, unsized]) {
          for (const expected of [0, 1, text.length - 1, text.length, text.length + 1, 5_000_000]) {
            expect(outcomeOf(decompressor, frame, text.length, expected)).to.equal(nameOf(text));
          }
        }
      });

      it("takes several frames, skippable ones, checksums and empty content", () => {
        const checked = zstdCompressSync(text, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
        const skippable = fromHex("502a4d1802000000ffff");
        const empty = zstdCompressSync(Buffer.alloc(0));
        const emptyUnsized = zstdCompressSync(Buffer.alloc(0), { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } });
        const data = concatBytes(skippable, sized, empty, checked, skippable, unsized, emptyUnsized, sized);
        expect(outcomeOf(decompressor, data, 10_000_000)).to.equal(nameOf(concatBytes(text, text, text, text)));
        expect(outcomeOf(decompressor, empty, 0)).to.equal(nameOf(Buffer.alloc(0)));
        expect(outcomeOf(decompressor, emptyUnsized, 0)).to.equal(nameOf(Buffer.alloc(0)));
      });

      it("takes windows of 128 MiB", () => {
        const wide = Buffer.from(unsized);
        expect(wide[4], "a frame with a window").to.equal(0);
        wide[5] = (27 - 10) << 3;
        expect(outcomeOf(decompressor, wide, text.length)).to.equal(nameOf(text));
      });

      it("reads views of shared memory", () => {
        const shared = new Uint8Array(new SharedArrayBuffer(unsized.length + 3)).subarray(3);
        shared.set(unsized);
        expect(outcomeOf(decompressor, shared, text.length)).to.equal(nameOf(text));
      });

      it("refuses more than the limit, said or found", () => {
        expect(outcomeOf(decompressor, sized, text.length - 1)).to.equal("limit-exceeded");
        expect(outcomeOf(decompressor, unsized, text.length - 1)).to.equal("limit-exceeded");
        expect(outcomeOf(decompressor, unsized, 0)).to.equal("limit-exceeded");
        expect(outcomeOf(decompressor, concatBytes(unsized, unsized), 2 * text.length - 1)).to.equal("limit-exceeded");
        expect(outcomeOf(decompressor, concatBytes(unsized, unsized), 2 * text.length)).to.not.equal("limit-exceeded");
        const params = { [constants.ZSTD_c_contentSizeFlag]: 0 };
        const zeros = zstdCompressSync(Buffer.alloc(60_000_000), { params });
        expect(outcomeOf(decompressor, zeros, 1_000_000)).to.equal("limit-exceeded");
        expect(outcomeOf(decompressor, sized, text.length)).to.equal(nameOf(text));
      });

      it("refuses truncations and trailing garbage", () => {
        for (const frame of [sized, unsized]) {
          for (const cut of truncations(frame)) expect(outcomeOf(decompressor, cut, 1 << 20)).to.equal("malformed");
          expect(outcomeOf(decompressor, concatBytes(frame, new Uint8Array(1)), 1 << 20)).to.equal("malformed");
        }
        expect(outcomeOf(decompressor, new Uint8Array(0), 100)).to.equal("malformed");
      });

      it("refuses damaged blocks and wrong checksums, and works again afterwards", () => {
        const checked = zstdCompressSync(text, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
        checked[checked.length - 1] = (checked.at(-1) ?? 0) ^ 1;
        expect(outcomeOf(decompressor, checked, 1 << 20)).to.equal("malformed");
        const damaged = Buffer.from(sized).fill(0xff, 12, 18);
        expect(outcomeOf(decompressor, damaged, 1 << 20)).to.equal("malformed");
        expect(outcomeOf(decompressor, sized, 1 << 20)).to.equal(nameOf(text));
      });

      it("keeps no large output buffer, and works again afterwards", () => {
        const large = zstdCompressSync(Buffer.alloc(30_000_000, 1));
        expect(decompressor.decompress(large, 30_000_000, 30_000_000).length).to.equal(30_000_000);
        expect(outcomeOf(decompressor, sized, 1 << 20)).to.equal(nameOf(text));
      });
    });
  }

  it("gives the same outcome both ways for damaged frames", () => {
    const [byHandle, byCalls] = [new HandleDecompressor(), new PlainDecompressor()];
    const short = text.subarray(0, 400);
    const sources = [
      zstdCompressSync(short),
      zstdCompressSync(short, { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } }),
      zstdCompressSync(xorshift32(3, 300)),
      zstdCompressSync(short, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
    ];
    const damage = fc.array(fc.tuple(fc.nat(1000), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...sources), damage, fc.nat(2000), (source, changes, limitBytes) => {
        const data = Uint8Array.from(source);
        for (const [place, change] of changes) data[place % data.length] = (data[place % data.length] ?? 0) ^ change;
        expect(outcomeOf(byHandle, data, limitBytes)).to.equal(outcomeOf(byCalls, data, limitBytes));
      }),
      { numRuns: 3000 },
    );
  });
});
