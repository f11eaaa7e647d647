/**
 * A few pieces of shared memory for what is fetched: made once, filled by the main thread, read by the workers. That
 * all of them are taken is what makes fetching wait for verifying: memory does not grow with the size of a repository.
 */
import { CofferError } from "../../shared/errors.ts";

/**
 * What one request fetches at most, unless a single blob is longer: a buffer for each connection and each worker then takes
 * 70 MiB in all. Twice that, whole packs of the usual size, is hardly faster even over a line with 40 ms of delay.
 */
export const usualBufferBytes: number = 10 * 1024 * 1024;

/** One fetched range. Goes back by `release`, exactly once. */
export interface SharedBuffer {
  readonly memory: SharedArrayBuffer;
  /** The whole memory. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
}

interface Waiter {
  readonly sizeBytes: number;
  readonly resolve: (buffer: SharedBuffer) => void;
  readonly reject: (error: unknown) => void;
}

export class SharedBuffers {
  readonly #bufferBytes: number;
  readonly #count: number;
  readonly #free: SharedBuffer[] = [];
  readonly #waiting: Waiter[] = [];
  #made = 0;
  /** Is a buffer larger than usual in use? There is one of them at a time. */
  #hasOversized = false;
  #failure: Error | undefined;

  /** At most `count` buffers (at least 1) of `bufferBytes`. */
  constructor(count: number, bufferBytes: number = usualBufferBytes) {
    this.#count = Math.max(1, count);
    this.#bufferBytes = bufferBytes;
  }

  /**
   * A buffer of at least `sizeBytes`, when one is free. Those who wait get theirs in the order in which they asked. Throws
   * what `close` was given, or `cancelled`.
   */
  acquire(sizeBytes: number): Promise<SharedBuffer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ sizeBytes, resolve, reject });
      this.#serve();
    });
  }

  release(buffer: SharedBuffer): void {
    if (buffer.bytes.length > this.#bufferBytes) this.#hasOversized = false;
    else this.#free.push(buffer);
    this.#serve();
  }

  /** Ends the waiting of all who wait, and of all who come. */
  close(reason?: Error): void {
    this.#failure ??= reason ?? new CofferError("cancelled", "reading was cancelled");
    for (const waiter of this.#waiting.splice(0)) waiter.reject(this.#failure);
    this.#free.length = 0;
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const buffer = this.#take(next.sizeBytes);
      if (buffer === undefined) return;
      this.#waiting.shift();
      next.resolve(buffer);
    }
  }

  #take(sizeBytes: number): SharedBuffer | undefined {
    if (sizeBytes > this.#bufferBytes) {
      if (this.#hasOversized) return undefined;
      this.#hasOversized = true;
      return makeBuffer(sizeBytes);
    }
    const free = this.#free.pop();
    if (free !== undefined || this.#made === this.#count) return free;
    this.#made += 1;
    return makeBuffer(this.#bufferBytes);
  }
}

/** Pages that are never written take up no memory. */
function makeBuffer(sizeBytes: number): SharedBuffer {
  const memory = new SharedArrayBuffer(sizeBytes);
  return { memory, bytes: new Uint8Array(memory) };
}
