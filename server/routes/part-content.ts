/** The content of one part of a form, as a storage reads it. */
import type { Readable } from "node:stream";
import { CofferError } from "../../shared/errors.ts";

/**
 * Can be gathered up to some size before it is given to a storage. Whoever stops reading it does not end it: the form goes on
 * only behind its end, so that is always read, by `discard` if by nobody else.
 */
export class PartContent implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array> {
  readonly #limitBytes: number;
  readonly #source: AsyncIterator<Uint8Array>;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #receivedBytes = 0;
  #isComplete = false;
  #isCut = false;

  constructor(stream: Readable, limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.#source = stream.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this;
  }

  /** True when the part turned out to be longer than a part may be. */
  get isTooLong(): boolean {
    return this.#receivedBytes > this.#limitBytes;
  }

  /** True when the body ended before the part did. */
  get isCut(): boolean {
    return this.#isCut;
  }

  get gatheredBytes(): number {
    return this.#gatheredBytes;
  }

  /** Reads ahead. True when the whole content is gathered, false when there is more than this of it. */
  async gather(bytes: number): Promise<boolean> {
    while (!this.#isComplete && this.#gatheredBytes <= bytes) {
      const result = await this.#receive();
      if (result.done === true) return true;
      this.#gathered.push(result.value);
      this.#gatheredBytes += result.value.length;
    }
    return this.#isComplete;
  }

  /** Throws `limit-exceeded` when there is more than a part may have, and `cancelled` when the body ends before it does. */
  async next(): Promise<IteratorResult<Uint8Array>> {
    const value = this.#gathered.shift();
    if (value !== undefined) return { done: false, value };
    return this.#receive();
  }

  /** Reads what is left. Never throws. */
  async discard(): Promise<void> {
    this.#gathered = [];
    try {
      while (!this.#isComplete) await this.#take();
    } catch {
      // There will be no more of it.
    }
  }

  async #receive(): Promise<IteratorResult<Uint8Array>> {
    const result = await this.#take();
    if (!this.isTooLong) return result;
    const message = `part expected at most ${this.#limitBytes} bytes`;
    throw new CofferError("limit-exceeded", message, { data: { isForClient: true } });
  }

  async #take(): Promise<IteratorResult<Uint8Array>> {
    if (this.#isComplete) return { done: true, value: undefined };
    if (this.#isCut) throw cut();
    try {
      const result = await this.#source.next();
      if (result.done === true) this.#isComplete = true;
      else this.#receivedBytes += result.value.length;
      return result;
    } catch (cause) {
      this.#isCut = true;
      throw cut(cause);
    }
  }
}

function cut(cause?: unknown): CofferError {
  return new CofferError("cancelled", "the body ended in the middle of a part", { cause });
}
