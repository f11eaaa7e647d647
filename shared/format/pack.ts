/**
 * Pack files: sealed blobs, one after the other, then their sealed list (the header) and its length. This file codes the
 * plain header and checks every length that is read. Source: docs/format.md, sections 4.1, 4.2 and 4.4.
 */
import { CofferError } from "../errors.ts";
import { fromHex, readUint32LE, toHex, writeUint32LE } from "./bytes.ts";
import type { Id } from "./layout.ts";
import { eagerHeaderEntries, maxPackBytes, maxPackHeaderBytes, minPackBytes, packLengthFieldBytes } from "./limits.ts";
import { sealedOverheadBytes } from "./sealing.ts";

export type BlobType = "data" | "tree";

/** One blob of a pack. `lengthBytes` is the sealed length. */
export interface PackEntry {
  readonly type: BlobType;
  readonly id: Id;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** The length of the plaintext of a compressed blob; 0 = not compressed. */
  readonly uncompressedBytes: number;
}

const idBytes = 32;
const plainEntryBytes = 37;
const compressedEntryBytes = 41;

/** The bytes of one entry in the plain header. */
export function headerEntryBytes(compressed: boolean): number {
  return compressed ? compressedEntryBytes : plainEntryBytes;
}

/** What a pack has besides its sealed blobs and its header entries: the header's seal and the length field. */
export const packOverheadBytes: number = sealedOverheadBytes + packLengthFieldBytes;

/** The size of the pack that has exactly these blobs. */
export function packSizeOf(entries: Iterable<Pick<PackEntry, "lengthBytes" | "uncompressedBytes">>): number {
  let sizeBytes = packOverheadBytes;
  for (const entry of entries) sizeBytes += entry.lengthBytes + headerEntryBytes(entry.uncompressedBytes > 0);
  return sizeBytes;
}

/** True when a plain header of this length can take one more entry of either kind. */
export function hasRoomForEntry(plainHeaderBytes: number): boolean {
  return plainHeaderBytes + compressedEntryBytes + sealedOverheadBytes <= maxPackHeaderBytes;
}

/**
 * Writes one entry of a plain header and returns the bytes written, 37 or 41. For hot loops: `id` is 32 raw bytes, and
 * nothing is allocated. Throws `internal` when a number does not fit its field.
 */
export function writePackEntry(
  target: Uint8Array,
  offset: number,
  entry: { type: BlobType; lengthBytes: number; uncompressedBytes: number; id: Uint8Array },
): number {
  if (entry.id.length !== idBytes) {
    throw new CofferError("internal", `pack entry expected an id of ${idBytes} bytes, got ${entry.id.length}`);
  }
  const compressed = entry.uncompressedBytes !== 0;
  target[offset] = (entry.type === "tree" ? 1 : 0) + (compressed ? 2 : 0);
  writeUint32LE(target, offset + 1, entry.lengthBytes);
  if (compressed) writeUint32LE(target, offset + 5, entry.uncompressedBytes);
  target.set(entry.id, offset + (compressed ? 9 : 5));
  return headerEntryBytes(compressed);
}

/**
 * The plain header of a pack whose blobs are `entries`, in file order and without gaps. Throws `internal` when they are
 * none, out of order, or too many for one header.
 */
export function encodePackHeader(entries: readonly PackEntry[]): Uint8Array {
  if (entries.length === 0) throw new CofferError("internal", "pack expected at least one blob, got none");
  const headerBytes = entries.reduce((sum, entry) => sum + headerEntryBytes(entry.uncompressedBytes > 0), 0);
  if (headerBytes + sealedOverheadBytes > maxPackHeaderBytes) {
    throw new CofferError("internal", `pack header expected at most ${maxPackHeaderBytes} bytes, got ${headerBytes}`);
  }
  const header = new Uint8Array(headerBytes);
  let headerOffset = 0;
  let blobOffset = 0;
  for (const entry of entries) {
    if (entry.offsetBytes !== blobOffset) {
      throw new CofferError(
        "internal",
        `pack blob ${entry.id} expected offset ${blobOffset}, got ${entry.offsetBytes}`,
      );
    }
    headerOffset += writePackEntry(header, headerOffset, { ...entry, id: fromHex(entry.id) });
    blobOffset += entry.lengthBytes;
  }
  return header;
}

/**
 * The blobs that a plain header lists. Throws `malformed` unless they fill a pack of `packSizeBytes` exactly, header
 * included; `unsupported` on compressed entries in a repository of version 1.
 */
export function decodePackHeader(header: Uint8Array, packSizeBytes: number, version: 1 | 2 = 2): PackEntry[] {
  const entries: PackEntry[] = [];
  let offsetBytes = 0;
  for (let position = 0; position < header.length; ) {
    const entry = decodeEntry(header, position, offsetBytes);
    const compressed = entry.uncompressedBytes > 0;
    if (compressed && version === 1) {
      throw new CofferError("unsupported", `pack entry ${entry.id} is compressed, which version 1 does not know`);
    }
    entries.push(entry);
    position += headerEntryBytes(compressed);
    offsetBytes += entry.lengthBytes;
    if (offsetBytes > packSizeBytes) break;
  }
  const expectedBytes = offsetBytes + header.length + packOverheadBytes;
  if (entries.length === 0 || expectedBytes !== packSizeBytes) {
    throw new CofferError(
      "malformed",
      `pack header with ${entries.length} blobs expected a pack of ${expectedBytes} bytes, got ${packSizeBytes}`,
    );
  }
  return entries;
}

function decodeEntry(header: Uint8Array, position: number, offsetBytes: number): PackEntry {
  const typeByte = header[position];
  if (typeByte === undefined || typeByte > 3) {
    throw new CofferError("malformed", `pack entry at ${position} expected a type from 0 to 3, got ${typeByte}`);
  }
  const compressed = typeByte >= 2;
  const end = position + headerEntryBytes(compressed);
  if (end > header.length) {
    throw new CofferError(
      "malformed",
      `pack entry at ${position} expected to end at ${end}, got ${header.length} bytes`,
    );
  }
  const id = toHex(header.subarray(end - idBytes, end));
  const lengthBytes = readUint32LE(header, position + 1);
  if (lengthBytes < sealedOverheadBytes) {
    throw new CofferError(
      "malformed",
      `pack entry ${id} expected a length from ${sealedOverheadBytes}, got ${lengthBytes}`,
    );
  }
  const uncompressedBytes = compressed ? readUint32LE(header, position + 5) : 0;
  // 0 would say "not compressed" in the index; and nobody compresses an empty blob.
  if (compressed && uncompressedBytes === 0) {
    throw new CofferError("malformed", `pack entry ${id} is compressed: expected a plaintext length from 1, got 0`);
  }
  return { type: typeByte % 2 === 1 ? "tree" : "data", id, offsetBytes, lengthBytes, uncompressedBytes };
}

/**
 * How many bytes to fetch from the end of a pack first: enough for the header of a small pack. Throws `malformed` when
 * the file is too short for a pack, `limit-exceeded` when it is too long for 32-bit offsets.
 */
export function eagerTailBytes(packSizeBytes: number): number {
  checkPackSize(packSizeBytes);
  return Math.min(packSizeBytes, eagerHeaderEntries * compressedEntryBytes + packOverheadBytes);
}

/**
 * The length of the sealed header, from any tail of the pack (its last four bytes at least). Throws `malformed` when no
 * header of that length can be in a pack of this size, `limit-exceeded` above 16 MiB. The sealed header itself is
 * `tail.subarray(-length - 4, -4)` when the tail has that many bytes; otherwise fetch `length + 4` bytes from the end.
 */
export function readHeaderLength(tail: Uint8Array, packSizeBytes: number): number {
  checkPackSize(packSizeBytes);
  const lengthBytes = readUint32LE(tail, tail.length - packLengthFieldBytes);
  if (lengthBytes > maxPackHeaderBytes) {
    throw new CofferError(
      "limit-exceeded",
      `pack header expected at most ${maxPackHeaderBytes} bytes, got ${lengthBytes}`,
    );
  }
  const least = sealedOverheadBytes + plainEntryBytes;
  const most = packSizeBytes - packLengthFieldBytes;
  if (lengthBytes < least || lengthBytes > most) {
    throw new CofferError(
      "malformed",
      `pack header expected ${least} to ${most} bytes, got a length of ${lengthBytes}`,
    );
  }
  return lengthBytes;
}

/**
 * The sealed header out of a tail of the pack, or undefined when the tail is shorter than header and length field. Throws
 * as `readHeaderLength` does.
 */
export function sealedHeaderOf(tail: Uint8Array, packSizeBytes: number): Uint8Array | undefined {
  const end = tail.length - packLengthFieldBytes;
  const start = end - readHeaderLength(tail, packSizeBytes);
  return start < 0 ? undefined : tail.subarray(start, end);
}

function checkPackSize(packSizeBytes: number): void {
  if (packSizeBytes < minPackBytes) {
    throw new CofferError("malformed", `pack expected at least ${minPackBytes} bytes, got ${packSizeBytes}`);
  }
  if (packSizeBytes > maxPackBytes) {
    throw new CofferError("limit-exceeded", `pack expected at most ${maxPackBytes} bytes, got ${packSizeBytes}`);
  }
}
