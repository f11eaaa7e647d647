/** Numbers of failures that are forgotten with time, in bounded memory. */

interface Count {
  failures: number;
  atMs: number;
}

export class FailureCounts {
  readonly #forgetMs: number;
  readonly #keptEntries: number;
  readonly #now: () => number;
  /** In the order of the last failure. */
  readonly #counts = new Map<string, Count>();

  /** One failure is forgotten in each `forgetMs`. Of more than `keptEntries` keys, those without news are forgotten. */
  constructor(forgetMs: number, keptEntries: number, now: () => number) {
    this.#forgetMs = forgetMs;
    this.#keptEntries = keptEntries;
    this.#now = now;
  }

  get size(): number {
    return this.#counts.size;
  }

  /** Adds a failure; returns how many there are now. */
  add(key: string): number {
    const failures = this.#failuresOf(key) + 1;
    this.#counts.delete(key);
    this.#counts.set(key, { failures, atMs: this.#now() });
    const [oldest] = this.#counts.keys();
    if (this.#counts.size > this.#keptEntries && oldest !== undefined) this.#counts.delete(oldest);
    return failures;
  }

  /** Failures that are not forgotten yet; a fraction of one that is being forgotten. */
  count(key: string): number {
    return this.#failuresOf(key);
  }

  /** Takes one failure back that turned out to be none. */
  takeBack(key: string): void {
    const count = this.#counts.get(key);
    if (count === undefined) return;
    count.failures -= 1;
    if (this.#failuresOf(key) <= 0) this.#counts.delete(key);
  }

  forget(key: string): void {
    this.#counts.delete(key);
  }

  /** How long until one more failure would not make more than `most`: 0 when there is room now. */
  msUntilBelow(key: string, most: number): number {
    const excess = this.#failuresOf(key) + 1 - most;
    return Math.max(0, Math.round(excess * this.#forgetMs));
  }

  #failuresOf(key: string): number {
    const count = this.#counts.get(key);
    if (count === undefined) return 0;
    return Math.max(0, count.failures - (this.#now() - count.atMs) / this.#forgetMs);
  }
}
