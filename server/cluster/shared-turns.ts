/** Turns for names among several processes: one of them gives the turns, and the others ask it. */
import { CofferError } from "../../shared/errors.ts";
import type { NameTurns } from "../storage/name-turns.ts";
import type { Line } from "./line.ts";

/** What the process that gives the turns offers to one of the others. Turns are named by numbers. */
export type TurnsOffer = {
  /** Returns when it is the caller's turn, which then has to end it. */
  takeTurn(name: string): Promise<number>;
  endTurn(number: number): void;
};

/** The turns of one process: what it has, and what it waits for. */
export class TurnsAccount {
  readonly #turns: NameTurns;
  /** How to end those that it has. */
  readonly #ends = new Map<number, () => void>();
  #numbers = 0;
  #isClosed = false;

  constructor(turns: NameTurns) {
    this.#turns = turns;
  }

  get offer(): TurnsOffer {
    return {
      takeTurn: (name) =>
        new Promise((resolve, reject) => {
          this.#turns.run(name, () => this.#hold(resolve)).catch(reject);
        }),
      endTurn: (number) => this.#end(number),
    };
  }

  /** Gives back what a process that is gone has left. What it still waits for, it does not get any more. */
  close(): void {
    this.#isClosed = true;
    for (const number of this.#ends.keys()) this.#end(number);
  }

  /** Tells the number of the turn, and resolves when the turn has been ended. */
  async #hold(tell: (number: number) => void): Promise<void> {
    if (this.#isClosed) throw new CofferError("unavailable", "the process that has waited for its turn has ended");
    this.#numbers += 1;
    const number = this.#numbers;
    const ended = new Promise<void>((resolve) => this.#ends.set(number, resolve));
    tell(number);
    await ended;
  }

  #end(number: number): void {
    this.#ends.get(number)?.();
    this.#ends.delete(number);
  }
}

/** The turns as the other processes see them. */
export class RemoteNameTurns implements NameTurns {
  readonly #line: Line<TurnsOffer>;

  constructor(line: Line<TurnsOffer>) {
    this.#line = line;
  }

  async run<Result>(name: string, action: () => Promise<Result>): Promise<Result> {
    const number = await this.#line.call("takeTurn", name);
    try {
      return await action();
    } finally {
      // What was done does not depend on it, so nobody has to wait until it has arrived.
      this.#line.tell("endTurn", number);
    }
  }
}
