/** A counting semaphore whose waiters are served in order and may give up. */
import { cancellationOf } from "./cancellation.ts";

interface Waiter {
  readonly start: () => void;
}

export class Semaphore {
  #free: number;
  readonly #waiting: Set<Waiter> = new Set();

  constructor(slots: number) {
    this.#free = slots;
  }

  /** True when work would run at once. */
  get isFree(): boolean {
    return this.#free > 0;
  }

  /** Runs `work` in a slot, which is held until it settles. A signal raised while waiting ends the wait. */
  async run<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    await this.#acquire(signal);
    try {
      return await work();
    } finally {
      this.#release();
    }
  }

  async #acquire(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) throw cancellationOf(signal);
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.delete(waiter);
        if (signal) reject(cancellationOf(signal));
      };
      const waiter: Waiter = {
        start: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      this.#waiting.add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Hands the slot to the first waiter, if any: so nobody can overtake. */
  #release(): void {
    const [first] = this.#waiting;
    if (first === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(first);
    first.start();
  }
}
