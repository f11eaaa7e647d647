/** Writing an upload in large pieces. */
import type { DiskTurn } from "./disk-turn.ts";
import { writeFully } from "./file-system.ts";
import { releaseChunk } from "./memory-release.ts";

/** One call writes a batch: more at a time gains nothing and costs memory. */
const batchBytes = 262_144;
/** Many may be waiting for the disk with the beginning of their bodies in memory. */
const beginningBytes = 65_536;
/** A client may send chunks of one byte, each of which costs far more than that. */
const batchChunks = 512;

/** Gathers the chunks of a body into batches and writes them. */
export class ReceivedBody {
  readonly #source: AsyncIterator<Uint8Array>;
  #batch: Uint8Array[] = [];
  #gatheredBytes = 0;
  #isComplete = false;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#source = body[Symbol.asyncIterator]();
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

  /** Writes what was gathered and all that follows. The turn has been taken, and is again when all is written. */
  async writeTo(descriptor: number, turn: DiskTurn): Promise<void> {
    while (this.#batch.length > 0) {
      await writeFully(descriptor, this.#batch);
      for (const chunk of this.#batch) releaseChunk(chunk);
      this.#batch = [];
      turn.lend();
      await this.#gather(batchBytes);
      await turn.take(this.#gatheredBytes);
    }
  }

  /** Tells the body that nobody will read its rest. */
  async abandon(): Promise<void> {
    if (!this.#isComplete) await this.#source.return?.();
  }
}
