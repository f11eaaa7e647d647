/**
 * zstd where no native library is at hand, as in browsers: reads everything, and writes frames that are valid but hardly
 * shorter than their content. Source: RFC 8878; docs/format.md, section 8.
 */
import { Decompress } from "fzstd";
import { CofferError } from "../errors.ts";
import { concatBytes, writeUint32LE } from "../format/bytes.ts";
import { maxBlobBytes } from "../format/limits.ts";
import { boundContent, contentTooLong, frameMagic, scanZstdFrames } from "./zstd-frames.ts";

const blockBytes = 128 * 1024;
/** A window of 128 KiB, one block, and a content size of four bytes. */
const windowDescriptor = (17 - 10) << 3;
const fourByteContentSize = 2 << 6;
const frameHeaderBytes = 10;
const blockHeaderBytes = 3;

/**
 * The content of all frames, in fresh memory. Throws `malformed` on anything that is not complete frames, `limit-exceeded`
 * before it would hold more than `limitBytes`. A checksum is not compared: blobs have their ID, documents their seal.
 */
export function decompressZstd(data: Uint8Array, limitBytes: number): Uint8Array {
  const frames = scanZstdFrames(data);
  boundContent(frames, limitBytes);
  const blocks: Uint8Array[] = [];
  let left = limitBytes;
  for (const frame of frames) {
    const added = decodeFrame(data.subarray(frame.offset, frame.offset + frame.lengthBytes), left, blocks);
    if (added !== (frame.contentBytes ?? added)) throw undecodable(frame.lengthBytes, undefined);
    left -= added;
  }
  return concatBytes(...blocks);
}

/** Appends the blocks of one frame and returns the sum of their lengths. */
function decodeFrame(frame: Uint8Array, limitBytes: number, blocks: Uint8Array[]): number {
  let total = 0;
  try {
    new Decompress((block) => {
      total += block.length;
      if (total > limitBytes) throw contentTooLong(limitBytes);
      blocks.push(block);
    }).push(frame, true);
  } catch (cause) {
    throw cause instanceof CofferError ? cause : undecodable(frame.length, cause);
  }
  return total;
}

function undecodable(lengthBytes: number, cause: unknown): CofferError {
  const message = `zstd frame of ${lengthBytes} bytes expected to decode, got damaged blocks or a wrong length`;
  return new CofferError("malformed", message, { cause });
}

/** One frame with its content size. Blocks of one repeated byte shrink to it, all others are stored as they are. */
export function compressZstd(data: Uint8Array): Uint8Array {
  if (data.length > maxBlobBytes) {
    throw new CofferError("limit-exceeded", `zstd content expected at most ${maxBlobBytes} bytes, got ${data.length}`);
  }
  const header = new Uint8Array(frameHeaderBytes);
  writeUint32LE(header, 0, frameMagic);
  header[4] = fourByteContentSize;
  header[5] = windowDescriptor;
  writeUint32LE(header, 6, data.length);
  const parts: Uint8Array[] = [header];
  let position = 0;
  do {
    const block = data.subarray(position, position + blockBytes);
    position += block.length;
    parts.push(...encodeBlock(block, position === data.length));
  } while (position < data.length);
  return concatBytes(...parts);
}

function encodeBlock(block: Uint8Array, isLast: boolean): Uint8Array[] {
  const isRun = block.length > 1 && block.every((byte) => byte === block[0]);
  const header = new Uint8Array(blockHeaderBytes);
  const value = (block.length << 3) | (isRun ? 2 : 0) | (isLast ? 1 : 0);
  header[0] = value;
  header[1] = value >>> 8;
  header[2] = value >>> 16;
  return [header, isRun ? block.subarray(0, 1) : block];
}
