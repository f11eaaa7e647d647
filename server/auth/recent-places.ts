/** Remembers where users have logged in, in bounded memory. */

const lifetimeMs = 7 * 24 * 3_600_000;
/** Not every request moves its entry: a place that is used is moved once in a while. */
const refreshMs = 60_000;

export class RecentPlaces {
  readonly #keptEntries: number;
  readonly #now: () => number;
  /** Place to the time of its last use, in that order. */
  readonly #places = new Map<string, number>();

  constructor(keptEntries: number, now: () => number) {
    this.#keptEntries = keptEntries;
    this.#now = now;
  }

  add(place: string): void {
    const nowMs = this.#now();
    const usedMs = this.#places.get(place);
    if (usedMs !== undefined && nowMs - usedMs < refreshMs) return;
    this.#places.delete(place);
    this.#places.set(place, nowMs);
    const [oldest] = this.#places.keys();
    if (this.#places.size > this.#keptEntries && oldest !== undefined) this.#places.delete(oldest);
  }

  has(place: string): boolean {
    const usedMs = this.#places.get(place);
    return usedMs !== undefined && this.#now() - usedMs < lifetimeMs;
  }
}
