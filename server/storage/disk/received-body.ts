/** Writing an upload in large pieces, which go to the disk while the rest is received. */
import type { DiskTurn } from "./disk-turn.ts";
import { writeFully } from "./file-system.ts";
import { releaseChunk } from "./memory-release.ts";

/** One call writes a batch: more at a time gains nothing and costs memory. */
const batchBytes = 262_144;
/**
 * So much is brought to the disk at a time. Uploads that leave that to their end all wait for the disk at the same time, as they began
 * together: with this, five of them are a fifth faster.
 */
const flushBytes = 4_194_304;
/** Many may be waiting for the disk with the beginning of their bodies in memory. */
const beginningBytes = 65_536;
/** A client may send chunks of one byte, each of which costs far more than that. */
const batchChunks = 512;

/** Begins to bring to the disk what was written to a descriptor. Undefined when it does not: a later one does, or the final sync. */
type BeginFlush = (descriptor: number) => Promise<void> | undefined;

/** Gathers the chunks of a body into batches and writes them. */
export class ReceivedBody {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #beginFlush: BeginFlush | undefined;
  #batch: Uint8Array[] = [];
  #gatheredBytes = 0;
  #isComplete = false;
  #unflushedBytes = 0;
  #flushing: Promise<void> | undefined;
  #flushFailure: unknown;

  /** Without `beginFlush`, nothing needs to be on the disk. */
  constructor(body: AsyncIterable<Uint8Array>, beginFlush?: BeginFlush) {
    this.#source = body[Symbol.asyncIterator]();
    this.#beginFlush = beginFlush;
  }

  /** True when all has been gathered. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** What was gathered, when that is everything. */
  get whole(): readonly Uint8Array[] | undefined {
    return this.#isComplete ? this.#batch : undefined;
  }

  /** Waits for the beginning of the body: the whole, when it is small. Throws what the body throws. */
  async begin(): Promise<void> {
    await this.#gather(beginningBytes + 1);
  }

  /** Waits until there is so much or the body has ended. */
  async #gather(wantedBytes: number): Promise<void> {
    let bytes = 0;
    while (!this.#isComplete && bytes < wantedBytes && this.#batch.length < batchChunks) {
      const result = await this.#source.next();
      if (result.done === true) {
        this.#isComplete = true;
      } else {
        this.#batch.push(result.value);
        bytes += result.value.length;
      }
    }
    this.#gatheredBytes = bytes;
  }

  /**
   * Writes what was gathered and all that follows. The turn has been taken, and is again when all is written. What is not yet on the disk is
   * for the caller to sync; no flush is under way any more.
   */
  async writeTo(descriptor: number, turn: DiskTurn): Promise<void> {
    try {
      while (this.#batch.length > 0) {
        await writeFully(descriptor, this.#batch);
        this.#unflushedBytes += this.#gatheredBytes;
        for (const chunk of this.#batch) releaseChunk(chunk);
        this.#batch = [];
        if (this.#unflushedBytes >= flushBytes) this.#flush(descriptor);
        turn.lend();
        await this.#gather(batchBytes);
        await turn.take(this.#gatheredBytes);
      }
    } finally {
      // The descriptor is the caller's to close.
      await this.#flushing;
    }
    if (this.#flushFailure !== undefined) throw this.#flushFailure;
  }

  /** One at a time: while one is under way, there is more to come for the next. Throws what the one before has thrown. */
  #flush(descriptor: number): void {
    if (this.#flushFailure !== undefined) throw this.#flushFailure;
    if (this.#flushing !== undefined) return;
    const flushing = this.#beginFlush?.(descriptor);
    if (flushing === undefined) return;
    this.#unflushedBytes = 0;
    this.#flushing = flushing
      .catch((error: unknown) => {
        this.#flushFailure = error;
      })
      .finally(() => {
        this.#flushing = undefined;
      });
  }

  /** Tells the body that nobody will read its rest. */
  async abandon(): Promise<void> {
    if (!this.#isComplete) await this.#source.return?.();
  }
}
