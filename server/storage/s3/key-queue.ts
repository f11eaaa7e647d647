/** One after the other for each key, at the same time for different ones. */
export class KeyQueue {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs the action when all earlier ones of the key have ended, however they ended. */
  async run<Result>(key: string, action: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const running = before.then(action, action);
    this.#last.set(key, running);
    try {
      return await running;
    } finally {
      if (this.#last.get(key) === running) this.#last.delete(key);
    }
  }
}
