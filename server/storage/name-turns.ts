/** Turns for storages that can only look whether a name is free and then take it: nobody else must come in between. */

export interface NameTurns {
  /**
   * Runs the action when all earlier ones of the name have ended, however they ended; those of different names at the same time.
   * Rejects with what the action throws, or with `unavailable` when no turn can be had: then the action has not begun.
   */
  run<Result>(name: string, action: () => Promise<Result>): Promise<Result>;
}

/** Among the actions of one process. */
export class LocalNameTurns implements NameTurns {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<Result>(name: string, action: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(name) ?? Promise.resolve();
    const running = before.then(action, action);
    this.#last.set(name, running);
    try {
      return await running;
    } finally {
      if (this.#last.get(name) === running) this.#last.delete(name);
    }
  }
}
