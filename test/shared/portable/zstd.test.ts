import { constants, zstdCompressSync } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import { CofferError } from "../../../shared/errors.ts";
import { concatBytes, fromHex, utf8Encode } from "../../../shared/format/bytes.ts";
import { compressZstd, decompressZstd } from "../../../shared/portable/zstd.ts";
import { boundContent, scanZstdFrames } from "../../../shared/portable/zstd-frames.ts";
import { truncations } from "../../support/mutations.ts";
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

const text = utf8Encode("one line of text that comes again\n".repeat(10_000));
const withoutSize = zstdCompressSync(text, { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } });
const withChecksum = zstdCompressSync(text, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
const skippable = concatBytes(fromHex("572a4d1803000000"), utf8Encode("abc"));

describe("zstd frames", () => {
  it("are found with their sizes", () => {
    const frames = scanZstdFrames(concatBytes(withChecksum, skippable, withoutSize));
    expect(frames).to.deep.equal([
      { offset: 0, lengthBytes: withChecksum.length, contentBytes: text.length, maxContentBytes: text.length },
      {
        offset: withChecksum.length + skippable.length,
        lengthBytes: withoutSize.length,
        contentBytes: undefined,
        maxContentBytes: Math.ceil(text.length / 131072) * 131072,
      },
    ]);
    expect(boundContent(frames, 10_000_000)).to.equal(text.length + 3 * 131072);
    expect(boundContent(frames, 400_000)).to.equal(400_000);
    expect(codeOf(() => boundContent(frames, text.length - 1))).to.equal("limit-exceeded");
  });

  it("are whole or malformed", () => {
    for (const data of [withoutSize, withChecksum, skippable, concatBytes(withoutSize, skippable)]) {
      for (const cut of truncations(data)) {
        if (cut.length !== withoutSize.length) expect(codeOf(() => scanZstdFrames(cut))).to.equal("malformed");
      }
    }
    expect(codeOf(() => scanZstdFrames(new Uint8Array(0)))).to.equal("malformed");
    expect(codeOf(() => scanZstdFrames(skippable))).to.equal("malformed");
    expect(codeOf(() => scanZstdFrames(concatBytes(withoutSize, Uint8Array.of(0x28))))).to.equal("malformed");
  });

  it("may ask for windows up to 128 MiB", () => {
    // Window descriptors: 2^27, 2^27 and an eighth, 2^41.
    const frameOf = (descriptor: string): Uint8Array => fromHex(`28b52ffd00${descriptor}010000`);
    expect(scanZstdFrames(frameOf("88"))).to.have.lengthOf(1);
    expect(codeOf(() => scanZstdFrames(frameOf("89")))).to.equal("limit-exceeded");
    expect(codeOf(() => scanZstdFrames(frameOf("ff")))).to.equal("limit-exceeded");
    // A single segment of 2^63 bytes.
    expect(codeOf(() => scanZstdFrames(fromHex("28b52ffde00000000000000080010000")))).to.equal("limit-exceeded");
  });

  it("may not need a dictionary, use reserved values, or claim more than their blocks hold", () => {
    expect(codeOf(() => scanZstdFrames(fromHex("28b52ffd015805010000")))).to.equal("unsupported");
    expect(codeOf(() => scanZstdFrames(fromHex("28b52ffd0858010000")))).to.equal("malformed");
    expect(codeOf(() => scanZstdFrames(fromHex("28b52ffd0058070000")))).to.equal("malformed");
    expect(codeOf(() => scanZstdFrames(fromHex("28b52ffd2005010000")))).to.equal("malformed");
    // A block of 128 KiB and one byte.
    expect(codeOf(() => scanZstdFrames(fromHex("28b52ffd00580b001000")))).to.equal("malformed");
  });
});

describe("portable zstd", () => {
  it("reads several frames, with and without sizes and checksums, and skips skippable ones", () => {
    const data = concatBytes(skippable, withChecksum, withoutSize, skippable, zstdCompressSync(Buffer.from("end")));
    const content = decompressZstd(data, 1_000_000);
    expect(Buffer.compare(content, concatBytes(text, text, utf8Encode("end")))).to.equal(0);
  });

  it("stops at the limit when no frame says its size", () => {
    const zeros = zstdCompressSync(Buffer.alloc(50_000_000), { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } });
    expect(codeOf(() => decompressZstd(zeros, 1_000_000))).to.equal("limit-exceeded");
    expect(codeOf(() => decompressZstd(withoutSize, text.length - 1))).to.equal("limit-exceeded");
    expect(decompressZstd(withoutSize, text.length).length).to.equal(text.length);
  });

  it("refuses a frame that holds less than it says", () => {
    const frame = Uint8Array.from(compressZstd(xorshift32(1, 1000)));
    // The content size is the four bytes at 6; the only block has 1000 bytes.
    frame[6] = (frame[6] ?? 0) - 1;
    expect(codeOf(() => decompressZstd(frame, 2000))).to.equal("malformed");
  });

  it("reads what libzstd wrote at all levels, and writes what it reads", () => {
    const samples = [text, xorshift32(2, 200_000), concatBytes(xorshift32(3, 1000), text, xorshift32(3, 1000))];
    for (const sample of samples) {
      for (const level of [-5, 1, 3, 9, 19]) {
        const frame = zstdCompressSync(sample, { params: { [constants.ZSTD_c_compressionLevel]: level } });
        expect(Buffer.compare(decompressZstd(frame, sample.length), sample), `level ${level}`).to.equal(0);
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(600), (data, repeats) => {
        const content = concatBytes(...Array.from({ length: repeats }, () => data));
        expect(Buffer.compare(decompressZstd(compressZstd(content), content.length), content)).to.equal(0);
        expect(Buffer.compare(decompressZstd(zstdCompressSync(content), content.length), content)).to.equal(0);
      }),
      { numRuns: 60 },
    );
  });

  it("stores runs of one byte as one byte", () => {
    expect(compressZstd(new Uint8Array(1_000_000)).length).to.be.lessThan(60);
    expect(compressZstd(xorshift32(1, 200_000)).length).to.equal(200_000 + 10 + 2 * 3);
  });
});
