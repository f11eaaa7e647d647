/** The counters of a check, of which one is shown at a time. */
import type { CheckCounter } from "../check/options.ts";
import type { Output } from "./output.ts";
import { Counter } from "./progress.ts";

/** Of interest only to somebody who waits in front of a terminal. */
const terminalOnly: readonly CheckCounter[] = ["index files loaded", "tree packs"];

export class CheckCounters {
  readonly #output: Output;
  readonly #updateIntervalMs: number | undefined;
  #noun: CheckCounter | undefined;
  #counter: Counter | undefined;

  constructor(output: Output, updateIntervalMs: number | undefined) {
    this.#output = output;
    this.#updateIntervalMs = updateIntervalMs;
  }

  show(noun: CheckCounter, done: number, total: number | undefined): void {
    if (terminalOnly.includes(noun) && !this.#output.terminal.screen.isTerminal) return;
    if (noun !== this.#noun) {
      this.close();
      this.#noun = noun;
      this.#counter = new Counter(this.#output, noun, this.#updateIntervalMs);
    }
    this.#counter?.set(done, total ?? 0);
  }

  /** Prints the counter that runs, if any, for good. */
  close(): void {
    this.#counter?.finish();
    this.#counter = undefined;
    this.#noun = undefined;
  }
}
