/** Lets a limited number in at the same time; the others wait in line. */
export class Gate {
  #freePlaces: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#freePlaces = places;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Resolves when there is a place. Everyone who enters must leave, once. */
  enter(): Promise<void> {
    if (this.#freePlaces > 0) {
      this.#freePlaces -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#freePlaces += 1;
    else next();
  }
}
