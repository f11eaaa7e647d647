/** A worker's reading: files into the kernels' memory, where they are cut, and the chunks handed on. */
import { closeSync, readSync } from "node:fs";
import { cutAll } from "../../shared/format/chunker.ts";
import { minChunkBytes } from "../../shared/format/limits.ts";
import type { SealEngine } from "../platform/seal-engine.ts";
import type { BlobStore } from "./blob-store.ts";
import { type ByteString, toBytes } from "./byte-paths.ts";
import { plainError } from "./failures.ts";
import {
  type BatchException,
  type BatchReply,
  type BatchTask,
  type CutReply,
  hasIdentity,
  type MemoryTask,
  type SegmentReply,
  type SegmentTask,
} from "./messages.ts";
import { openRegularFile } from "./source.ts";
import type { StageClock } from "./stage-clock.ts";

/** A segment must hold more than one chunk of the largest kind (8 MiB), so that it always has a cut. */
export const segmentBytes: number = 16 * 1024 * 1024;
/** Files up to this size are one chunk and need no scan. */
export const batchFileMaxBytes: number = minChunkBytes;
/** Larger reads fall out of the processor's cache before they are hashed. */
const readBytes = 1024 * 1024;
const idBytes = 32;

export class ContentReader {
  readonly #engine: SealEngine;
  readonly #store: BlobStore;
  readonly #clock: StageClock;
  readonly #peeked: Uint8Array = new Uint8Array(1);

  /** The engine's scratch memory must have `segmentBytes`, and its chunker be initialised. */
  constructor(engine: SealEngine, store: BlobStore, clock: StageClock) {
    this.#engine = engine;
    this.#store = store;
    this.#clock = clock;
  }

  /** Reads and stores small files. A file that fails, or has grown too large, is an exception in the reply. */
  readBatch(batch: BatchTask): BatchReply {
    const count = batch.paths.length;
    const ids = new Uint8Array(count * idBytes);
    const sizes = new Float64Array(count);
    const added = new Float64Array(count * 3);
    const exceptions: BatchException[] = [];
    for (const [index, path] of batch.paths.entries()) {
      const length = this.#readSmallFile(path, index, batch.identities, exceptions);
      if (length <= 0) continue;
      this.#store.store(this.#engine.scratch.subarray(0, length), ids, index * idBytes);
      sizes[index] = length;
      const { blobs, bytes, storedBytes } = this.#store.takeAdded();
      added.set([blobs, bytes, storedBytes], index * 3);
    }
    return { kind: "batch", task: batch.task, ids, sizes, added, exceptions };
  }

  /** The bytes now in the scratch memory; -1 when there is an exception instead. */
  #readSmallFile(path: ByteString, index: number, identities: BigUint64Array, exceptions: BatchException[]): number {
    this.#clock.begin();
    let call: "open" | "read" = "open";
    try {
      const { descriptor, status } = openRegularFile(toBytes(path));
      call = "read";
      try {
        const length = this.#readUpTo(descriptor, batchFileMaxBytes + 1, status.sizeBytes);
        if (length > batchFileMaxBytes) {
          exceptions.push({ index, kind: "grown" });
          return -1;
        }
        if (!hasIdentity(identities, index, status)) exceptions.push({ index, kind: "changed", status });
        return length;
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      exceptions.push({ index, kind: "failed", call, error: plainError(error) });
      return -1;
    } finally {
      this.#clock.end("read");
    }
  }

  /**
   * From the beginning. Files of /proc have no size and give fewer bytes than asked for, so only 0 means the end; but a read that ends
   * exactly where the file was just said to end has come to it.
   */
  #readUpTo(descriptor: number, maxBytes: number, expectedBytes: number): number {
    let length = 0;
    while (length < maxBytes) {
      const count = readSync(descriptor, this.#engine.scratch, length, maxBytes - length, null);
      length += count;
      if (count === 0 || length === expectedBytes) break;
    }
    return length;
  }

  /** Reads a part of a large file, tells where its last chunk ends, and only then stores the chunks. */
  readSegment(segment: SegmentTask, onCut: (cut: CutReply) => void): SegmentReply {
    this.#clock.begin();
    let part: { lengthBytes: number; isEnd: boolean };
    try {
      part = this.#readPart(segment);
    } catch (error) {
      const added = { blobs: 0, bytes: 0, storedBytes: 0 };
      return { kind: "segment", task: segment.task, ids: new Uint8Array(0), added, error: plainError(error) };
    } finally {
      this.#clock.end("read");
    }
    return this.#storePart(segment.task, part.lengthBytes, part.isEnd, onCut);
  }

  /** The same for a part of a stream. */
  readMemory(part: MemoryTask, onCut: (cut: CutReply) => void): SegmentReply {
    this.#engine.scratch.set(part.bytes);
    return this.#storePart(part.task, part.bytes.length, part.isEnd, onCut);
  }

  #readPart({ descriptor, offsetBytes, expectedBytes }: SegmentTask): { lengthBytes: number; isEnd: boolean } {
    const { scratch } = this.#engine;
    let lengthBytes = 0;
    while (lengthBytes < segmentBytes) {
      const wanted = Math.min(readBytes, segmentBytes - lengthBytes);
      const count = readSync(descriptor, scratch, lengthBytes, wanted, offsetBytes + lengthBytes);
      if (count === 0) return { lengthBytes, isEnd: true };
      lengthBytes += count;
    }
    // The segment is full. Whether the file ends with it is worth a look only where it is expected to.
    const position = offsetBytes + lengthBytes;
    const isEnd = position >= expectedBytes && readSync(descriptor, this.#peeked, 0, 1, position) === 0;
    return { lengthBytes, isEnd };
  }

  #storePart(task: number, availableBytes: number, isEnd: boolean, onCut: (cut: CutReply) => void): SegmentReply {
    this.#clock.begin();
    const { kernels, scratch, scratchOffset } = this.#engine;
    const lengths = cutAll(kernels, scratchOffset, availableBytes, isEnd);
    this.#clock.end("cut");
    const lengthBytes = lengths.reduce((sum, length) => sum + length, 0);
    onCut({ kind: "cut", task, lengthBytes, isEnd });

    const ids = new Uint8Array(lengths.length * idBytes);
    let position = 0;
    for (const [index, length] of lengths.entries()) {
      this.#store.store(scratch.subarray(position, position + length), ids, index * idBytes);
      position += length;
    }
    return { kind: "segment", task, ids, added: this.#store.takeAdded() };
  }
}
