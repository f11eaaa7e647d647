/** Writing an upload in large pieces. */
import { writeFully } from "./file-system.ts";
import { releaseChunk } from "./memory-release.ts";

/** One call writes a batch: more at a time gains nothing and costs memory. */
const batchBytes = 524_288;
/** A client may send chunks of one byte, each of which costs far more than that. */
const batchChunks = 512;

/** Gathers the chunks of a body into batches and writes them. */
export class ReceivedBody {
  readonly #source: AsyncIterator<Uint8Array>;
  #batch: Uint8Array[] = [];
  #isComplete = false;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#source = body[Symbol.asyncIterator]();
  }

  /** Waits until a batch is full or the body has ended. Throws what the body throws. */
  async gather(): Promise<void> {
    let bytes = 0;
    while (!this.#isComplete && bytes < batchBytes && this.#batch.length < batchChunks) {
      const result = await this.#source.next();
      if (result.done === true) {
        this.#isComplete = true;
      } else {
        this.#batch.push(result.value);
        bytes += result.value.length;
      }
    }
  }

  /** What was gathered, when that is everything. */
  get whole(): readonly Uint8Array[] | undefined {
    return this.#isComplete ? this.#batch : undefined;
  }

  /** Writes what was gathered and all that follows. */
  async writeTo(descriptor: number): Promise<void> {
    while (this.#batch.length > 0) {
      await writeFully(descriptor, this.#batch);
      for (const chunk of this.#batch) releaseChunk(chunk);
      this.#batch = [];
      await this.gather();
    }
  }

  /** Tells the body that nobody will read its rest. */
  async abandon(): Promise<void> {
    if (!this.#isComplete) await this.#source.return?.();
  }
}
