/** What a check finds: told as it is found, and summed up. */
import { CofferError } from "../../shared/errors.ts";
import type { Id } from "../../shared/format/layout.ts";
import type { CheckCounter, CheckEvents, CheckResult } from "./options.ts";

export class Findings {
  readonly #events: CheckEvents;
  readonly #brokenPacks: Id[] = [];
  #problemCount = 0;
  #additionalFiles = 0;
  #isIndexDamaged = false;
  #suggestRepairIndex = false;
  #suggestPrune = false;

  constructor(events: CheckEvents) {
    this.#events = events;
  }

  get result(): CheckResult {
    return {
      problemCount: this.#problemCount,
      brokenPacks: this.#brokenPacks,
      isIndexDamaged: this.#isIndexDamaged,
      suggestRepairIndex: this.#suggestRepairIndex,
      suggestPrune: this.#suggestPrune,
      additionalFiles: this.#additionalFiles,
    };
  }

  phase(text: string): void {
    this.#events.phase?.(text);
  }

  progress(counter: CheckCounter, done: number, total: number | undefined): void {
    this.#events.progress?.(counter, done, total);
  }

  problem(text: string): void {
    this.#problemCount += 1;
    this.#events.problem?.(text);
  }

  damagedIndex(text: string): void {
    this.#isIndexDamaged = true;
    this.#suggestRepairIndex = true;
    this.problem(text);
  }

  brokenPack(id: Id, errors: readonly string[]): void {
    this.#brokenPacks.push(id);
    this.problem(`pack ${id} contains ${errors.length} errors: [${errors.join(" ")}]`);
  }

  treeProblem(id: Id, lines: readonly string[]): void {
    this.problem([`error for tree ${id.slice(0, 8)}:`, ...lines.map((line) => `  ${line}`)].join("\n"));
  }

  /** Something that a new index would mend. */
  hintAtIndex(text: string): void {
    this.#suggestRepairIndex = true;
    this.#events.hint?.(text);
  }

  /** Something that pruning would mend. */
  hintAtPrune(text: string): void {
    this.#suggestPrune = true;
    this.#events.hint?.(text);
  }

  additionalPacks(ids: readonly Id[]): void {
    if (ids.length === 0) return;
    this.#additionalFiles = ids.length;
    this.#suggestPrune = true;
    this.#events.additionalPacks?.(ids);
  }
}

/** Errors of one file, unlike those of the connection. */
export function isDamagedFile(error: unknown): error is CofferError {
  const connectionCodes = ["cancelled", "unavailable", "request-timeout", "unauthorized", "lock-lost", "internal"];
  return error instanceof CofferError && !connectionCodes.includes(error.code);
}
