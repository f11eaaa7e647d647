/** Counting again, from time to time, what several servers store in one place: each knows only what it has stored itself. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { LocalQuotaLedger } from "./local-ledger.ts";

/** A bucket of a million objects costs a thousand requests each time. */
export const recountIntervalMs = 3_600_000;

const filesInOneGo = 500;

/** The size of what belongs to a repository (by its folders), or to none. */
interface Usage {
  readonly folders?: readonly string[];
  readonly sizeBytes: number;
}

export interface RecountSettings {
  readonly ledger: LocalQuotaLedger;
  /** Whether the ledger knows already what was stored before. */
  readonly hasCounted: boolean;
  measure(): Iterable<Usage> | AsyncIterable<Usage>;
  readonly log: (line: string) => void;
}

export class RegularRecount {
  readonly #settings: RecountSettings;
  #isRunning = false;
  #isWantedAgain = false;
  #hasCounted: boolean;

  constructor(settings: RecountSettings) {
    this.#settings = settings;
    this.#hasCounted = settings.hasCounted;
  }

  /** False as long as only what this server has stored itself is counted. */
  get hasCounted(): boolean {
    return this.#hasCounted;
  }

  /**
   * Counts now; while a count is running, as soon as that has ended. When it fails, the log says so, and the old counts stay. True when it
   * has succeeded.
   */
  async run(): Promise<boolean> {
    if (this.#isRunning) {
      this.#isWantedAgain = true;
      return false;
    }
    this.#isRunning = true;
    try {
      await this.#count();
      this.#hasCounted = true;
      return true;
    } catch (error) {
      this.#settings.log(this.#describeFailure((error as Error).message));
      return false;
    } finally {
      this.#isRunning = false;
      if (this.#isWantedAgain) {
        this.#isWantedAgain = false;
        void this.run();
      }
    }
  }

  #describeFailure(reason: string): string {
    if (this.#hasCounted) {
      const consequence = "quotas go on with what was counted before, until a later attempt succeeds";
      return `error: cannot count again what is stored: ${reason}; ${consequence}`;
    }
    const consequence =
      "limits do not hold yet, as what was stored before counts as nothing until a later attempt succeeds";
    return `error: cannot count what is stored: ${reason}; ${consequence}`;
  }

  async #count(): Promise<void> {
    const { ledger, measure } = this.#settings;
    const recount = ledger.beginRecount();
    try {
      let files = 0;
      for await (const { folders, sizeBytes } of measure()) {
        recount.record(folders, sizeBytes);
        // Who looks into folders does so without waiting: others have to get their turn.
        files += 1;
        if (files % filesInOneGo === 0) await nextTurn();
      }
    } catch (error) {
      ledger.abandonRecount();
      throw error;
    }
    ledger.finishRecount();
  }
}
