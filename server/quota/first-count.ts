/**
 * Counting what was never counted. Until that has succeeded once, what was stored before counts as nothing and limits let too much
 * through: so it is tried again soon, and not only when the next regular count is due.
 */
import { type RegularRecount, recountIntervalMs } from "./regular-recount.ts";

const firstRetryMs = 60_000;

export interface FirstCountSettings {
  readonly recount: Pick<RegularRecount, "run" | "hasCounted">;
  /** False when nothing is limited any more: then it can wait until it is started again. */
  isNeeded(): boolean;
  /** Calls once, without keeping the process alive. */
  after(delayMs: number, callback: () => void): void;
  /** Called when what is stored has been counted. */
  onCounted(): void;
}

export class FirstCount {
  readonly #settings: FirstCountSettings;
  /** A start takes the place of the one before, whose pause may by then be a long one. */
  #latestStart = 0;

  constructor(settings: FirstCountSettings) {
    this.#settings = settings;
  }

  /** Counts now. When that fails and nothing was ever counted, again after one minute, two, four and so on. */
  start(): Promise<void> {
    this.#latestStart += 1;
    return this.#attempt(this.#latestStart, firstRetryMs);
  }

  async #attempt(start: number, retryMs: number): Promise<void> {
    const { recount, after, onCounted } = this.#settings;
    if (await recount.run()) onCounted();
    else if (!recount.hasCounted) after(retryMs, () => this.#retry(start, retryMs));
  }

  #retry(start: number, pausedMs: number): void {
    const { recount, isNeeded, onCounted } = this.#settings;
    if (start !== this.#latestStart || !isNeeded()) return;
    // The regular count may have been there first.
    if (recount.hasCounted) onCounted();
    else void this.#attempt(start, Math.min(2 * pausedMs, recountIntervalMs));
  }
}
