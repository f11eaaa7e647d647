/**
 * zstd on the library inside Node, for threads that code many blobs: one context and one output buffer, used again and
 * again. docs/format.md, section 8.
 *
 * The documented calls of node:zlib make a context per call (13 us against 0.4 us for a small blob, and megabytes of
 * garbage for large ones). A stream's handle, which is not documented, can be driven directly: with all input in one call
 * and the flag "end", libzstd writes one complete frame with its content size and is ready for the next. So the handle is
 * used only in versions of Node where it was tried, and only after it has proved itself in this process; otherwise the
 * documented calls do the work.
 */
import zlib from "node:zlib";
import { CofferError } from "../../shared/errors.ts";
import { maxZstdWindowLog } from "../../shared/format/limits.ts";
import type { CompressionMode } from "../../shared/format/provider.ts";
import { boundContent, contentTooLong, scanZstdFrames, type ZstdFrame } from "../../shared/portable/zstd-frames.ts";
import { createHandle, handleIsUsable, type ZstdHandle } from "./zstd-handle.ts";

const { ZSTD_c_compressionLevel, ZSTD_d_windowLogMax } = zlib.constants;

/**
 * The level of libzstd for a mode of `--compression`: the cheapest that gives the repository size of restic 0.19.1 in that
 * mode. Measured over 325 MB of chunks (generated text, source code, JSON, server logs, programs); MB, and MB/s per core:
 *
 *              text        source code  JSON        logs        programs    sum     restic
 *   level 1    41.5, 210   13.7, 227    8.2, 318    9.4, 495    30.5, 334   103.2   100.9 (fastest)
 *   level 2    35.9, 152   13.6, 208    8.5, 201    9.4, 340    28.6, 267   95.9    95.7 (auto)
 *   level 3    36.1, 100   13.2, 170    8.4, 177    9.7, 314    27.2, 184   94.5
 *   level 5    36.2, 56    12.5, 80     8.6, 82     9.0, 99     26.4, 69    92.7    93.1 (better)
 *   level 6    35.5, 51    12.3, 56     8.3, 50     8.3, 72     25.8, 54    90.1
 *   level 11   35.3, 14    12.1, 17     7.6, 20     7.5, 21     25.3, 18    87.8    89.2 (max)
 *   level 13   34.8, 4     12.0, 9      7.4, 9      7.2, 14     25.1, 8     86.6
 *
 * Level 2 is as small as `auto` within 0.3 %, and saves a quarter to a third of the time of level 3. Where one more level
 * costs little and wins much (6 over 5, 11 over 8), the mode takes it: who asks for `better` or `max` wants the size.
 */
export function zstdLevelOf(mode: CompressionMode): number {
  return { fastest: 1, auto: 2, off: 2, better: 6, max: 11 }[mode];
}

export interface ZstdCompressor {
  /** One complete frame with its content size. The view is valid until the next call. */
  compress(source: Uint8Array): Uint8Array;
}

export interface ZstdDecompressor {
  /**
   * The content of all frames; a view that is valid until the next call. `expectedBytes` is where the output buffer
   * starts to grow, 0 when unknown. Throws `malformed` on anything that is not complete frames, `limit-exceeded` before
   * it would produce more than `limitBytes`.
   */
  decompress(source: Uint8Array, limitBytes: number, expectedBytes: number): Uint8Array;
}

/** Output buffers above this are not kept for the next call. A blob of data has at most 8 MiB. */
const keptOutputBytes = 10 * 1024 * 1024;

/** The longest frame that a source can give: libzstd's bound. */
function compressBound(lengthBytes: number): number {
  const smallMargin = lengthBytes < 131072 ? (131072 - lengthBytes) >>> 11 : 0;
  return lengthBytes + Math.floor(lengthBytes / 256) + smallMargin + 32;
}

/** A buffer for at least `lengthBytes`, grown in steps so that it seldom grows. Untouched pages cost nothing. */
function makeOutput(lengthBytes: number): Buffer {
  const step = 1024 * 1024;
  return Buffer.allocUnsafeSlow(Math.ceil((lengthBytes + 8192) / step) * step);
}

/** A compressor for one thread. */
export function createZstdCompressor(level: number): ZstdCompressor {
  return handleIsUsable() ? new HandleCompressor(level) : new PlainCompressor(level);
}

/** A decompressor for one thread. */
export function createZstdDecompressor(): ZstdDecompressor {
  return handleIsUsable() ? new HandleDecompressor() : new PlainDecompressor();
}

export class HandleCompressor implements ZstdCompressor {
  readonly #level: number;
  #handle: ZstdHandle | undefined;
  #output: Buffer = Buffer.alloc(0);

  constructor(level: number) {
    this.#level = level;
  }

  compress(source: Uint8Array): Uint8Array {
    const bound = compressBound(source.length);
    if (this.#output.length < bound + 4096) this.#output = makeOutput(bound);
    const output = this.#output;
    // libzstd copies incompressible blocks. When source and target have nearly the same address modulo 4096 that takes
    // more than twice as long (the processor confuses loads with earlier stores), so they are kept half a page apart.
    const shift = (source.byteOffset + 2048 - output.byteOffset) & 4095;
    this.#handle ??= createHandle(zlib.createZstdCompress({ params: { [ZSTD_c_compressionLevel]: this.#level } }));
    const { written, unread } = this.#handle.run(source, 0, source.length, output, shift, output.length - shift);
    if (unread !== 0 || written > bound || this.#handle.failure !== undefined) {
      const cause = this.#handle.failure;
      this.#handle = undefined;
      throw new CofferError("internal", `zstd expected to compress ${source.length} bytes, left ${unread}`, { cause });
    }
    if (output.length > keptOutputBytes) this.#output = Buffer.alloc(0);
    return asBytes(output, shift, written);
  }
}

export class PlainCompressor implements ZstdCompressor {
  readonly #level: number;

  constructor(level: number) {
    this.#level = level;
  }

  compress(source: Uint8Array): Uint8Array {
    // Without chunkSize the output grows in steps of 16 KiB, each of them copied at the end.
    const frame = zlib.zstdCompressSync(source, {
      params: { [ZSTD_c_compressionLevel]: this.#level },
      chunkSize: Math.max(64, compressBound(source.length)),
    });
    return asBytes(frame, 0, frame.length);
  }
}

export class HandleDecompressor implements ZstdDecompressor {
  #handle: ZstdHandle | undefined;
  #output: Buffer = Buffer.alloc(0);

  decompress(source: Uint8Array, limitBytes: number, expectedBytes: number): Uint8Array {
    const frames = scanZstdFrames(source);
    const bound = boundContent(frames, limitBytes);
    const isExact = frames.every((frame) => frame.contentBytes !== undefined);
    const wanted = isExact ? bound : Math.min(bound, Math.max(expectedBytes, 4 * source.length));
    // One byte more than the limit, to see that a frame without content size holds more than that.
    if (this.#output.length < wanted + 1) this.#output = makeOutput(wanted + 1);

    let produced = 0;
    for (const frame of frames) produced += this.#decodeFrame(source, frame, produced, limitBytes);
    const output = this.#output;
    if (output.length > keptOutputBytes) this.#output = Buffer.alloc(0);
    return asBytes(output, 0, produced);
  }

  /** Decodes one frame to `start` of the output, which grows as needed, and returns the length of its content. */
  #decodeFrame(source: Uint8Array, frame: ZstdFrame, start: number, limitBytes: number): number {
    this.#handle ??= createHandle(zlib.createZstdDecompress({ params: { [ZSTD_d_windowLogMax]: maxZstdWindowLog } }));
    const end = frame.offset + frame.lengthBytes;
    const most = start + frame.maxContentBytes;
    let position = frame.offset;
    let produced = start;
    for (;;) {
      const room = Math.min(this.#output.length, limitBytes + 1) - produced;
      const { written, unread } = this.#handle.run(source, position, end - position, this.#output, produced, room);
      if (this.#handle.failure !== undefined) throw this.#abandon(frame, this.#handle.failure);
      position = end - unread;
      produced += written;
      if (produced > limitBytes) {
        this.#handle = undefined;
        throw contentTooLong(limitBytes);
      }
      if (written < room || produced === most) break;
      this.#grow(produced, Math.min(most, limitBytes) + 1);
    }
    const contentBytes = produced - start;
    if (position !== end || (frame.contentBytes ?? contentBytes) !== contentBytes)
      throw this.#abandon(frame, undefined);
    return contentBytes;
  }

  /** Doubles the output, up to what can be needed, and keeps the first `keptBytes`. */
  #grow(keptBytes: number, mostBytes: number): void {
    const larger = makeOutput(Math.min(mostBytes, 2 * this.#output.length));
    this.#output.copy(larger, 0, 0, keptBytes);
    this.#output = larger;
  }

  /** The error for a frame that does not decode. The context may be in any state, so it is not used again. */
  #abandon(frame: ZstdFrame, cause: unknown): CofferError {
    this.#handle = undefined;
    return undecodable(frame, cause);
  }
}

export class PlainDecompressor implements ZstdDecompressor {
  decompress(source: Uint8Array, limitBytes: number, expectedBytes: number): Uint8Array {
    const frames = scanZstdFrames(source);
    boundContent(frames, limitBytes);
    const parts: Buffer[] = [];
    let left = limitBytes;
    for (const frame of frames) {
      const part = this.#decodeFrame(source, frame, left, expectedBytes);
      left -= part.length;
      if (left < 0) throw contentTooLong(limitBytes);
      parts.push(part);
    }
    const [only] = parts;
    const content = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
    return asBytes(content, 0, content.length);
  }

  #decodeFrame(source: Uint8Array, frame: ZstdFrame, limitBytes: number, expectedBytes: number): Buffer {
    const hint = frame.contentBytes ?? Math.min(expectedBytes, frame.maxContentBytes);
    let content: Buffer;
    try {
      content = zlib.zstdDecompressSync(source.subarray(frame.offset, frame.offset + frame.lengthBytes), {
        params: { [ZSTD_d_windowLogMax]: maxZstdWindowLog },
        maxOutputLength: Math.max(1, limitBytes),
        chunkSize: Math.max(64, hint),
      });
    } catch (cause) {
      const isTooLong = cause instanceof RangeError;
      throw isTooLong ? contentTooLong(limitBytes) : undecodable(frame, cause);
    }
    if (content.length !== (frame.contentBytes ?? content.length)) throw undecodable(frame, undefined);
    return content;
  }
}

function undecodable(frame: ZstdFrame, cause: unknown): CofferError {
  const message = `zstd frame of ${frame.lengthBytes} bytes expected to decode, got damaged blocks or a wrong length`;
  return new CofferError("malformed", message, { cause });
}

/** A plain Uint8Array over part of a buffer: Buffer's `slice` does not copy, and callers may rely on one that does. */
function asBytes(buffer: Buffer, offset: number, lengthBytes: number): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset + offset, lengthBytes);
}
