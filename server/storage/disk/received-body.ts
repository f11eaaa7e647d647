/** Writing an upload in large pieces. */
import type { Gate } from "../../gate.ts";
import { writeFully } from "./file-system.ts";
import { releaseChunk } from "./memory-release.ts";

/** One call writes a batch: more at a time gains nothing and costs memory. */
const batchBytes = 524_288;
/** While all bodies together hold more than this, each gathers less: memory must not grow with the number of clients. */
const sharedBytes = 33_554_432;
const frugalBatchBytes = 65_536;
/** What all bodies hold at the moment. */
let heldBytes = 0;
/** A client may send chunks of one byte, each of which costs far more than that. */
const batchChunks = 512;

/** Gathers the chunks of a body into batches and writes them. */
export class ReceivedBody {
  readonly #source: AsyncIterator<Uint8Array>;
  #batch: Uint8Array[] = [];
  #isComplete = false;
  #batchBytes = 0;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#source = body[Symbol.asyncIterator]();
  }

  /** Waits until a batch is full or the body has ended. Throws what the body throws. */
  async gather(): Promise<void> {
    while (!this.#isComplete && this.#hasRoom()) {
      const result = await this.#source.next();
      if (result.done === true) {
        this.#isComplete = true;
      } else {
        this.#batch.push(result.value);
        this.#batchBytes += result.value.length;
        heldBytes += result.value.length;
      }
    }
  }

  #hasRoom(): boolean {
    const limitBytes = heldBytes > sharedBytes ? frugalBatchBytes : batchBytes;
    return this.#batchBytes < limitBytes && this.#batch.length < batchChunks;
  }

  /** What was gathered, when that is everything. */
  get whole(): readonly Uint8Array[] | undefined {
    return this.#isComplete ? this.#batch : undefined;
  }

  /** Writes what was gathered and all that follows, each batch with a place of the gate: none is kept while the client is waited for. */
  async writeTo(descriptor: number, gate: Gate): Promise<void> {
    while (this.#batch.length > 0) {
      await gate.run(() => writeFully(descriptor, this.#batch));
      for (const chunk of this.#batch) releaseChunk(chunk);
      this.#forgetBatch();
      await this.gather();
    }
  }

  #forgetBatch(): void {
    heldBytes -= this.#batchBytes;
    this.#batchBytes = 0;
    this.#batch = [];
  }

  /** To be called in the end, whatever happened: tells the body that nobody will read its rest. */
  async abandon(): Promise<void> {
    this.#forgetBatch();
    if (!this.#isComplete) await this.#source.return?.();
  }
}
