/** A flag that one loop waits for and anybody may raise. Raised while nobody waits, it ends the next wait at once. */
export class Wake {
  #isRaised = false;
  #onRaised: (() => void) | undefined;

  raise(): void {
    this.#isRaised = true;
    this.#onRaised?.();
    this.#onRaised = undefined;
  }

  /** Waits until raised, and lowers the flag. */
  async wait(): Promise<void> {
    if (!this.#isRaised) {
      await new Promise<void>((resolve) => {
        this.#onRaised = resolve;
      });
    }
    this.#isRaised = false;
  }
}

/** Lets messages, answers and timers be handled. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
