/** A clock that stands still until a test moves it: half an hour passes in no time. */
import { cancellationOf } from "../../client/backends/cancellation.ts";
import type { Clock } from "../../client/repository/clock.ts";

interface Timer {
  atMs: number;
  readonly periodMs: number | undefined;
  readonly call: () => void;
}

export class FakeClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  readonly #timers: Set<Timer> = new Set();
  /** Lengths of all pauses that began, in order. */
  readonly pauses: number[] = [];

  constructor(wallMs: number = Date.UTC(2026, 0, 2, 3, 4, 5)) {
    this.#wallMs = wallMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  pause(durationMs: number, signal?: AbortSignal): Promise<void> {
    this.pauses.push(durationMs);
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(cancellationOf(signal));
      const onAbort = (): void => {
        this.#timers.delete(timer);
        if (signal) reject(cancellationOf(signal));
      };
      const call = (): void => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      const timer: Timer = { atMs: this.#monotonicMs + durationMs, periodMs: undefined, call };
      this.#timers.add(timer);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  every(periodMs: number, callback: () => void): () => void {
    const timer: Timer = { atMs: this.#monotonicMs + periodMs, periodMs, call: callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Pauses and periods that have not ended. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Lets time pass, timer by timer, with everything that follows from each. */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#monotonicMs + durationMs;
    await settle();
    for (let timer = this.#next(endMs); timer !== undefined; timer = this.#next(endMs)) {
      this.#move(timer.atMs - this.#monotonicMs);
      if (timer.periodMs === undefined) this.#timers.delete(timer);
      else timer.atMs += timer.periodMs;
      timer.call();
      await settle();
    }
    this.#move(endMs - this.#monotonicMs);
  }

  /** The machine sleeps: only the wall clock goes on, and no timer fires. */
  suspend(durationMs: number): void {
    this.#wallMs += durationMs;
  }

  #next(endMs: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs <= endMs && (first === undefined || timer.atMs < first.atMs)) first = timer;
    }
    return first;
  }

  #move(durationMs: number): void {
    this.#monotonicMs += durationMs;
    this.#wallMs += durationMs;
  }
}

/** Lets everything happen that needs no time: promises, and what they start. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
