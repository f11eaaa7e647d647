/** A stream as one file: gathered in shared memory, cut and stored by the same workers as files. */
import { CofferError } from "../../shared/errors.ts";
import { toHex } from "../../shared/format/bytes.ts";
import type { Id } from "../../shared/format/layout.ts";
import { segmentBytes } from "./content-reader.ts";
import type { TaskQueue } from "./file-reading.ts";
import type { Added, BatchReply, CutReply, SegmentReply } from "./messages.ts";
import { Wake } from "./wake.ts";

export interface StreamContent {
  readonly ids: readonly Id[];
  readonly sizeBytes: number;
  readonly added: Added;
}

const idBytes = 32;

export class StreamReading {
  readonly #tasks: TaskQueue;
  readonly #onBytes: (count: number) => void;
  readonly #checkFailure: () => void;
  /** One is filled while a worker copies the other. */
  #filling: Uint8Array = new Uint8Array(new SharedArrayBuffer(segmentBytes));
  #cutting: Uint8Array = new Uint8Array(new SharedArrayBuffer(segmentBytes));
  #filledBytes = 0;
  #sizeBytes = 0;
  readonly #parts: (readonly Id[])[] = [];
  #added: Added = { blobs: 0, bytes: 0, storedBytes: 0 };
  #answered = 0;
  #cutBytes: number | undefined;
  readonly #replied = new Wake();

  /** `checkFailure` throws when the backup has failed. */
  constructor(tasks: TaskQueue, onBytes: (count: number) => void, checkFailure: () => void) {
    this.#tasks = tasks;
    this.#onBytes = onBytes;
    this.#checkFailure = checkFailure;
  }

  /** Reads to the end. Rejects with the stream's error, or the backup's. */
  async read(stream: AsyncIterable<Uint8Array>): Promise<StreamContent> {
    for await (const bytes of stream) await this.#take(bytes);
    await this.#submit(true);
    while (this.#answered < this.#parts.length) await this.#wait();
    return { ids: this.#parts.flat(), sizeBytes: this.#sizeBytes, added: this.#added };
  }

  async #take(bytes: Uint8Array): Promise<void> {
    this.#checkFailure();
    this.#sizeBytes += bytes.length;
    this.#onBytes(bytes.length);
    for (let offset = 0; offset < bytes.length; ) {
      const count = Math.min(bytes.length - offset, segmentBytes - this.#filledBytes);
      this.#filling.set(bytes.subarray(offset, offset + count), this.#filledBytes);
      this.#filledBytes += count;
      offset += count;
      if (this.#filledBytes === segmentBytes) await this.#submit(false);
    }
  }

  /** Has what is gathered cut, and goes on with what is behind the last cut. */
  async #submit(isEnd: boolean): Promise<void> {
    const bytes = this.#filling.subarray(0, this.#filledBytes);
    this.#cutBytes = undefined;
    const task = this.#parts.push([]) - 1;
    this.#tasks.submit({ kind: "memory", task, bytes, isEnd });
    while (this.#cutBytes === undefined) await this.#wait();
    const rest = bytes.subarray(this.#cutBytes);
    this.#cutting.set(rest);
    this.#filledBytes = rest.length;
    [this.#filling, this.#cutting] = [this.#cutting, this.#filling];
  }

  async #wait(): Promise<void> {
    this.#checkFailure();
    await this.#replied.wait();
    this.#checkFailure();
  }

  batchDone(reply: BatchReply): void {
    throw new CofferError("internal", `stream expected no batches, got ${reply.task}`);
  }

  segmentCut(reply: CutReply): void {
    this.#cutBytes = reply.lengthBytes;
    this.#replied.raise();
  }

  segmentDone({ task, ids, added }: SegmentReply): void {
    this.#parts[task] = Array.from({ length: ids.length / idBytes }, (_, index) => {
      return toHex(ids.subarray(index * idBytes, (index + 1) * idBytes));
    });
    this.#added = {
      blobs: this.#added.blobs + added.blobs,
      bytes: this.#added.bytes + added.bytes,
      storedBytes: this.#added.storedBytes + added.storedBytes,
    };
    this.#answered++;
    this.#replied.raise();
  }
}
