/**
 * The outer structure of zstd data: frames and blocks, without decoding what is in them. It tells, before anything is
 * allocated or decoded, whether the data is whole, how large the content can get and which window it asks for.
 * Source: RFC 8878, sections 3.1.1 and 3.1.2; docs/format.md, section 8.
 */
import { CofferError } from "../errors.ts";
import { readUint32LE } from "../format/bytes.ts";
import { maxZstdWindowLog } from "../format/limits.ts";

export interface ZstdFrame {
  /** Where the frame begins in the data, and its length there. */
  readonly offset: number;
  readonly lengthBytes: number;
  /** The length of its content, where the frame says so. */
  readonly contentBytes: number | undefined;
  /** A length that its content cannot exceed: `contentBytes`, or what its blocks can hold at most. */
  readonly maxContentBytes: number;
}

/** The first four bytes of a frame, as a little-endian integer. */
export const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;
const maxBlockBytes = 128 * 1024;
const maxWindowBytes = 2 ** maxZstdWindowLog;
const blockTypes = { raw: 0, runLength: 1, compressed: 2 } as const;

/**
 * The frames of `data` in order; skippable frames, which have no content, are left out. Throws `malformed` unless the data
 * is whole frames and nothing else, with at least one that has content; `limit-exceeded` for a window above 128 MiB.
 */
export function scanZstdFrames(data: Uint8Array): ZstdFrame[] {
  const frames: ZstdFrame[] = [];
  for (let offset = 0; offset < data.length; ) {
    const magic = readUint32LE(data, offset);
    if ((magic & 0xfffffff0) >>> 0 === skippableMagic) {
      offset = endOf(data, offset + 8, readUint32LE(data, offset + 4));
    } else if (magic === frameMagic) {
      const frame = scanFrame(data, offset);
      frames.push(frame);
      offset += frame.lengthBytes;
    } else {
      throw malformed(`a frame's magic number at ${offset}`, magic.toString(16));
    }
  }
  if (frames.length === 0) throw malformed("at least one frame", `${data.length} bytes`);
  return frames;
}

/**
 * A bound of the content of all frames. Throws `limit-exceeded` when the frames' own figures say that it is more than
 * `limitBytes`; frames without figures may still turn out to hold more.
 */
export function boundContent(frames: readonly ZstdFrame[], limitBytes: number): number {
  let known = 0;
  let most = 0;
  for (const frame of frames) {
    known += frame.contentBytes ?? 0;
    most += frame.maxContentBytes;
  }
  if (known > limitBytes) throw contentTooLong(limitBytes, known);
  return Math.min(most, limitBytes);
}

/** The error for content above the caller's limit. */
export function contentTooLong(limitBytes: number, foundBytes?: number): CofferError {
  const found = foundBytes === undefined ? "more" : `${foundBytes}`;
  return new CofferError("limit-exceeded", `zstd data expected at most ${limitBytes} bytes of content, got ${found}`);
}

function scanFrame(data: Uint8Array, offset: number): ZstdFrame {
  const header = scanFrameHeader(data, offset + 4);
  const blockLimit = Math.min(header.windowBytes, maxBlockBytes);
  let position = header.end;
  let blockSum = 0;
  for (let isLast = false; !isLast; ) {
    const block = scanBlock(data, position, blockLimit);
    position = block.end;
    blockSum += block.maxContentBytes;
    isLast = block.isLast;
  }
  if (header.hasChecksum) position = endOf(data, position, 4);
  if (header.contentBytes !== undefined && header.contentBytes > blockSum) {
    throw malformed(`content of ${header.contentBytes} bytes`, `blocks for ${blockSum}`);
  }
  return {
    offset,
    lengthBytes: position - offset,
    contentBytes: header.contentBytes,
    maxContentBytes: header.contentBytes ?? blockSum,
  };
}

interface FrameHeader {
  readonly end: number;
  readonly contentBytes: number | undefined;
  readonly windowBytes: number;
  readonly hasChecksum: boolean;
}

/** `start` is the place of the frame header descriptor, behind the magic number. */
function scanFrameHeader(data: Uint8Array, start: number): FrameHeader {
  const descriptor = byteAt(data, start);
  if ((descriptor & 0x08) !== 0) throw malformed("a reserved bit of 0 in the frame header", "1");
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >>> 6;
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;

  let position = start + 1;
  let windowBytes = 0;
  if (!isSingleSegment) {
    const windowDescriptor = byteAt(data, position++);
    const base = 2 ** (10 + (windowDescriptor >>> 3));
    windowBytes = base + (base / 8) * (windowDescriptor & 7);
  }
  if (readSmallInteger(data, position, dictionaryIdBytes) !== 0) {
    throw new CofferError("unsupported", "zstd data expected no dictionary, got a frame that needs one");
  }
  position += dictionaryIdBytes;
  const sizeBytes = sizeFlag === 0 ? Number(isSingleSegment) : 2 ** sizeFlag;
  const contentBytes = sizeBytes === 0 ? undefined : readContentSize(data, position, sizeBytes);
  if (isSingleSegment) windowBytes = contentBytes ?? 0;
  if (windowBytes > maxWindowBytes) {
    throw new CofferError("limit-exceeded", `zstd window expected at most ${maxWindowBytes} bytes, got ${windowBytes}`);
  }
  return { end: position + sizeBytes, contentBytes, windowBytes, hasChecksum: (descriptor & 0x04) !== 0 };
}

function readContentSize(data: Uint8Array, position: number, sizeBytes: number): number {
  const value = readSmallInteger(data, position, sizeBytes);
  return sizeBytes === 2 ? value + 256 : value;
}

/** A little-endian integer of 0 to 8 bytes; above 2^53 not exact, but large. */
function readSmallInteger(data: Uint8Array, position: number, sizeBytes: number): number {
  let value = 0;
  for (let index = 0; index < sizeBytes; index++) value += byteAt(data, position + index) * 2 ** (8 * index);
  return value;
}

interface Block {
  readonly end: number;
  readonly isLast: boolean;
  readonly maxContentBytes: number;
}

function scanBlock(data: Uint8Array, position: number, blockLimit: number): Block {
  const header = readSmallInteger(data, position, 3);
  const type = (header >>> 1) & 3;
  const size = header >>> 3;
  if (type > blockTypes.compressed) throw malformed(`a block type from 0 to 2 at ${position}`, "3");
  if (size > blockLimit) throw malformed(`a block of at most ${blockLimit} bytes at ${position}`, `${size}`);
  return {
    end: endOf(data, position + 3, type === blockTypes.runLength ? 1 : size),
    isLast: (header & 1) === 1,
    maxContentBytes: type === blockTypes.compressed ? blockLimit : size,
  };
}

function byteAt(data: Uint8Array, position: number): number {
  const byte = data[position];
  if (byte === undefined) throw malformed(`a byte at ${position}`, `only ${data.length} bytes`);
  return byte;
}

/** `position + lengthBytes`, when the data reaches that far. */
function endOf(data: Uint8Array, position: number, lengthBytes: number): number {
  const end = position + lengthBytes;
  if (end > data.length) throw malformed(`${end} bytes`, `only ${data.length}`);
  return end;
}

function malformed(expected: string, found: string): CofferError {
  return new CofferError("malformed", `zstd data expected ${expected}, got ${found}`);
}
