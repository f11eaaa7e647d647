/** Counting again, from time to time, what several servers store in one place: each knows only what it has stored itself. */
import type { LocalQuotaLedger } from "./local-ledger.ts";

/** A bucket of a million objects costs a thousand requests each time. */
export const recountIntervalMs = 3_600_000;

/** The size of what belongs to a repository (by its folders), or to none. */
interface Usage {
  readonly folders?: readonly string[];
  readonly sizeBytes: number;
}

export interface RecountSettings {
  readonly ledger: LocalQuotaLedger;
  measure(): Iterable<Usage> | AsyncIterable<Usage>;
  readonly log: (line: string) => void;
}

export class RegularRecount {
  readonly #settings: RecountSettings;
  #isRunning = false;

  constructor(settings: RecountSettings) {
    this.#settings = settings;
  }

  /** Counts now, unless a count is running. When it fails, the log says so, and the old counts stay. True when it has succeeded. */
  async run(): Promise<boolean> {
    if (this.#isRunning) return false;
    this.#isRunning = true;
    try {
      await this.#count();
      return true;
    } catch (error) {
      const consequence = "quotas go on with what was counted before, until a later attempt succeeds";
      this.#settings.log(`error: cannot count again what is stored: ${(error as Error).message}; ${consequence}`);
      return false;
    } finally {
      this.#isRunning = false;
    }
  }

  async #count(): Promise<void> {
    const { ledger, measure } = this.#settings;
    const recount = ledger.beginRecount();
    try {
      for await (const { folders, sizeBytes } of measure()) recount.record(folders, sizeBytes);
    } catch (error) {
      ledger.abandonRecount();
      throw error;
    }
    ledger.finishRecount();
  }
}
