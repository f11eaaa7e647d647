import { expect } from "chai";
import fc from "fast-check";
import { CofferError } from "../../../shared/errors.ts";
import { concatBytes, fromHex, toHex, writeUint32LE } from "../../../shared/format/bytes.ts";
import { maxPackHeaderBytes } from "../../../shared/format/limits.ts";
import {
  decodePackHeader,
  eagerTailBytes,
  encodePackHeader,
  hasRoomForEntry,
  headerEntryBytes,
  type PackEntry,
  packOverheadBytes,
  packSizeOf,
  readHeaderLength,
  sealedHeaderOf,
  writePackEntry,
} from "../../../shared/format/pack.ts";
import { parseSealingKey, sealedOverheadBytes } from "../../../shared/format/sealing.ts";
import { createPortableProvider } from "../../../shared/portable/provider.ts";
import { bitFlips, truncations } from "../../support/mutations.ts";
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

/** Entries without gaps, from their types and lengths. */
function entriesOf(blobs: readonly Omit<PackEntry, "offsetBytes">[]): PackEntry[] {
  let offsetBytes = 0;
  return blobs.map((blob) => {
    const entry = { ...blob, offsetBytes };
    offsetBytes += blob.lengthBytes;
    return entry;
  });
}

const arbitraryEntries = fc
  .array(
    fc.record({
      type: fc.constantFrom("data" as const, "tree" as const),
      id: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex),
      lengthBytes: fc.integer({ min: 32, max: 20_000_000 }),
      uncompressedBytes: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 0xffff_ffff })),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map(entriesOf);

const sample = entriesOf([
  { type: "data", id: "11".repeat(32), lengthBytes: 100, uncompressedBytes: 0 },
  { type: "tree", id: "22".repeat(32), lengthBytes: 32, uncompressedBytes: 0 },
  { type: "data", id: "33".repeat(32), lengthBytes: 65536, uncompressedBytes: 123456 },
  { type: "tree", id: "44".repeat(32), lengthBytes: 41, uncompressedBytes: 1 },
]);

describe("pack header", () => {
  it("has the documented bytes", () => {
    const header = encodePackHeader(sample);
    expect(toHex(header)).to.equal(
      [
        `0064000000${"11".repeat(32)}`,
        `0120000000${"22".repeat(32)}`,
        `020000010040e20100${"33".repeat(32)}`,
        `032900000001000000${"44".repeat(32)}`,
      ].join(""),
    );
    expect(header.length).to.equal(2 * headerEntryBytes(false) + 2 * headerEntryBytes(true));
    expect(decodePackHeader(header, packSizeOf(sample))).to.deep.equal(sample);
    expect(packSizeOf(sample)).to.equal(100 + 32 + 65536 + 41 + 156 + packOverheadBytes);
  });

  it("decodes what it encodes, and encodes what it decodes", () => {
    fc.assert(
      fc.property(arbitraryEntries, (entries) => {
        const header = encodePackHeader(entries);
        const decoded = decodePackHeader(header, packSizeOf(entries));
        expect(decoded).to.deep.equal(entries);
        expect(toHex(encodePackHeader(decoded))).to.equal(toHex(header));
      }),
    );
  });

  it("is written entry by entry alike, without allocating", () => {
    const target = new Uint8Array(500);
    let offset = 3;
    for (const entry of sample) offset += writePackEntry(target, offset, { ...entry, id: fromHex(entry.id) });
    expect(toHex(target.subarray(3, offset))).to.equal(toHex(encodePackHeader(sample)));
    const id = new Uint8Array(31);
    const short = { type: "data" as const, lengthBytes: 40, uncompressedBytes: 0, id };
    expect(codeOf(() => writePackEntry(target, 0, short))).to.equal("internal");
  });

  it("refuses to write packs with gaps, without blobs, or with too many", () => {
    expect(codeOf(() => encodePackHeader([]))).to.equal("internal");
    expect(codeOf(() => encodePackHeader(sample.slice(1)))).to.equal("internal");
    expect(hasRoomForEntry(maxPackHeaderBytes - sealedOverheadBytes - 41)).to.equal(true);
    expect(hasRoomForEntry(maxPackHeaderBytes - sealedOverheadBytes - 40)).to.equal(false);
    const one = { type: "data" as const, id: "00".repeat(32), lengthBytes: 40, uncompressedBytes: 8 };
    const tooMany = entriesOf(Array.from({ length: Math.ceil(maxPackHeaderBytes / 41) }, () => one));
    expect(codeOf(() => encodePackHeader(tooMany))).to.equal("internal");
  });

  it("refuses truncated headers, wrong types and lengths, and packs of another size", () => {
    const header = encodePackHeader(sample);
    const size = packSizeOf(sample);
    for (const cut of truncations(header)) expect(codeOf(() => decodePackHeader(cut, size))).to.equal("malformed");
    for (const wrong of [size - 1, size + 1, 0, 0xffff_ffff]) {
      expect(codeOf(() => decodePackHeader(header, wrong))).to.equal("malformed");
    }
    for (const type of [4, 5, 127, 255]) {
      expect(codeOf(() => decodePackHeader(Uint8Array.of(type, ...header.subarray(1)), size))).to.equal("malformed");
    }
    const tooShort = header.slice();
    writeUint32LE(tooShort, 1, 31);
    expect(codeOf(() => decodePackHeader(tooShort, size - 69))).to.equal("malformed");
    const emptyContent = encodePackHeader(sample);
    writeUint32LE(emptyContent, 37 + 37 + 5, 0);
    expect(codeOf(() => decodePackHeader(emptyContent, size))).to.equal("malformed");
  });

  it("refuses compressed blobs in version 1", () => {
    expect(codeOf(() => decodePackHeader(encodePackHeader(sample), packSizeOf(sample), 1))).to.equal("unsupported");
    const plain = sample.slice(0, 2);
    expect(decodePackHeader(encodePackHeader(plain), packSizeOf(plain), 1)).to.deep.equal(plain);
  });

  it("gives entries that fill the pack, or a typed error, for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(0xffff_ffff), (bytes, size) => {
        const code = codeOf(() => expect(packSizeOf(decodePackHeader(bytes, size))).to.equal(size));
        expect(code).to.be.oneOf(["malformed", "nothing thrown"]);
      }),
    );
  });
});

describe("tail of a pack", () => {
  const provider = createPortableProvider();
  const sealer = provider.sealer(parseSealingKey(xorshift32(9, 64)));
  const blobs = [xorshift32(1, 50), xorshift32(2, 10)].map((blob) => sealer.seal(blob, xorshift32(3, 16)));
  const entries = entriesOf(
    blobs.map((blob) => ({
      type: "data",
      id: toHex(provider.sha256(blob)),
      lengthBytes: blob.length,
      uncompressedBytes: 0,
    })),
  );
  const sealedHeader = sealer.seal(encodePackHeader(entries), xorshift32(4, 16));
  const lengthField = new Uint8Array(4);
  writeUint32LE(lengthField, 0, sealedHeader.length);
  const pack = concatBytes(...blobs, sealedHeader, lengthField);

  /** What a reader does: the entries of a whole pack file. */
  function readEntries(file: Uint8Array): PackEntry[] {
    const tail = file.subarray(file.length - eagerTailBytes(file.length));
    const header = sealedHeaderOf(tail, file.length) ?? sealedHeaderOf(file, file.length);
    if (header === undefined) throw new Error("a whole file holds its header");
    return decodePackHeader(sealer.open(header), file.length);
  }

  it("leads to the header", () => {
    expect(pack.length).to.equal(packSizeOf(entries));
    expect(readEntries(pack)).to.deep.equal(entries);
    expect(readHeaderLength(pack.subarray(-4), pack.length)).to.equal(sealedHeader.length);
  });

  it("is fetched at once for small packs, and says when it is too short for the header", () => {
    expect(eagerTailBytes(100)).to.equal(100);
    expect(eagerTailBytes(20_000_000)).to.equal(651);
    expect(sealedHeaderOf(pack.subarray(-sealedHeader.length - 3), pack.length)).to.equal(undefined);
    expect(sealedHeaderOf(pack.subarray(-sealedHeader.length - 4), pack.length)?.length).to.equal(sealedHeader.length);
  });

  it("refuses impossible lengths", () => {
    const fieldOf = (value: number): Uint8Array => {
      const field = new Uint8Array(4);
      writeUint32LE(field, 0, value);
      return field;
    };
    const size = 30_000_000;
    for (const value of [0, 1, 31, 32, 68])
      expect(codeOf(() => readHeaderLength(fieldOf(value), size))).to.equal("malformed");
    expect(readHeaderLength(fieldOf(69), size)).to.equal(69);
    expect(readHeaderLength(fieldOf(maxPackHeaderBytes), size)).to.equal(maxPackHeaderBytes);
    for (const value of [maxPackHeaderBytes + 1, 0xffff_ffff]) {
      expect(codeOf(() => readHeaderLength(fieldOf(value), size))).to.equal("limit-exceeded");
    }
    expect(codeOf(() => readHeaderLength(fieldOf(97), 100))).to.equal("malformed");
    expect(readHeaderLength(fieldOf(96), 100)).to.equal(96);
    expect(codeOf(() => readHeaderLength(new Uint8Array(3), 100))).to.equal("malformed");
    expect(codeOf(() => eagerTailBytes(72))).to.equal("malformed");
    expect(codeOf(() => eagerTailBytes(2 ** 32))).to.equal("limit-exceeded");
  });

  it("notices every flipped bit of header and length field, and every truncation", () => {
    const start = pack.length - sealedHeader.length - 4;
    const body = pack.subarray(0, start);
    for (const damagedEnd of bitFlips(pack.subarray(start))) {
      const damaged = concatBytes(body, damagedEnd);
      expect(codeOf(() => readEntries(damaged))).to.be.oneOf(["unauthenticated", "malformed", "limit-exceeded"]);
    }
    for (const cut of truncations(pack)) {
      expect(codeOf(() => readEntries(cut))).to.be.oneOf(["unauthenticated", "malformed", "limit-exceeded"]);
    }
    // A pack that grew in front keeps its header, which then no longer fits its size.
    expect(codeOf(() => readEntries(concatBytes(new Uint8Array(1), pack)))).to.equal("malformed");
  });
});
