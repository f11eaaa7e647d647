/**
 * The buffers in which packs are put together: a few, made once, shared by all threads. A worker that finds none free waits, which
 * is the back-pressure of the whole pipeline: reading never runs ahead of uploading by more than these buffers.
 *
 * Messages carry a buffer's number, never its bytes. (Handing packs over in transferred ArrayBuffers costs the main thread half a
 * second of garbage collection for each GiB.)
 */
import { CofferError } from "../../shared/errors.ts";

export interface PackMemoryShared {
  readonly buffers: readonly SharedArrayBuffer[];
  /** Int32: stop flag, number of changes, then the state of each buffer. */
  readonly control: SharedArrayBuffer;
}

const stopFlag = 0;
const changes = 1;
const firstState = 2;
const free = 0;
const taken = 1;

export class PackMemory {
  readonly shared: PackMemoryShared;
  readonly #control: Int32Array;
  readonly #views: readonly Uint8Array[];

  private constructor(shared: PackMemoryShared) {
    this.shared = shared;
    this.#control = new Int32Array(shared.control);
    this.#views = shared.buffers.map((buffer) => new Uint8Array(buffer));
  }

  /** Pages of the buffers take up memory only once they are written. */
  static create(count: number, capacityBytes: number): PackMemory {
    return new PackMemory({
      buffers: Array.from({ length: count }, () => new SharedArrayBuffer(capacityBytes)),
      control: new SharedArrayBuffer(4 * (firstState + count)),
    });
  }

  /** The same memory, seen from another thread. */
  static attach(shared: PackMemoryShared): PackMemory {
    return new PackMemory(shared);
  }

  /**
   * The number of a buffer that is now the caller's. Blocks the thread until there is one, so it is for workers only. Throws `cancelled`
   * after `stop`.
   */
  take(): number {
    for (;;) {
      const seen = Atomics.load(this.#control, changes);
      this.throwIfStopped();
      for (let number = 0; number < this.#views.length; number++) {
        if (Atomics.compareExchange(this.#control, firstState + number, free, taken) === free) return number;
      }
      Atomics.wait(this.#control, changes, seen);
    }
  }

  /** Throws `cancelled` after `stop`. */
  throwIfStopped(): void {
    if (Atomics.load(this.#control, stopFlag) === 0) return;
    throw new CofferError("cancelled", "the backup was stopped while a worker was at work");
  }

  view(number: number): Uint8Array {
    const view = this.#views[number];
    if (view === undefined) throw new CofferError("internal", `pack buffer ${number} expected to exist`);
    return view;
  }

  /** Gives a buffer back. */
  release(number: number): void {
    Atomics.store(this.#control, firstState + number, free);
    this.#wake();
  }

  /** Ends all waiting, now and later, and what workers are doing at their next chunk. */
  stop(): void {
    Atomics.store(this.#control, stopFlag, 1);
    this.#wake();
  }

  #wake(): void {
    Atomics.add(this.#control, changes, 1);
    Atomics.notify(this.#control, changes);
  }
}
