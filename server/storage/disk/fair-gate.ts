/**
 * Lets a limited number use the disk at the same time. Those who wait get their places in turn: one for each owner (a user, as far as
 * a folder tells) and round again, so that an owner with forty requests does not keep the others waiting for all of them. The
 * requests of one owner are served in the order in which they came.
 */
export class FairGate {
  #freePlaces: number;
  /** The owner at the front is next, and goes to the back when it has more. */
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(places: number) {
    this.#freePlaces = places;
  }

  get hasWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Takes a place if one is free; never waits. Whoever got one must leave, once. */
  tryEnter(): boolean {
    if (this.#freePlaces === 0) return false;
    this.#freePlaces -= 1;
    return true;
  }

  /** Resolves when there is a place. Everyone who enters must leave, once. */
  enter(owner: string): Promise<void> {
    if (this.tryEnter()) return Promise.resolve();
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(owner);
      if (waiting === undefined) this.#waiting.set(owner, [resolve]);
      else waiting.push(resolve);
    });
  }

  leave(): void {
    for (const [owner, waiting] of this.#waiting) {
      const next = waiting.shift();
      this.#waiting.delete(owner);
      if (waiting.length > 0) this.#waiting.set(owner, waiting);
      // The place goes from hand to hand: nobody who comes now can slip in between.
      next?.();
      return;
    }
    this.#freePlaces += 1;
  }
}
