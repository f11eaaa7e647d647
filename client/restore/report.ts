/** Counts what a restore does, and tells it. */
import { CofferError } from "../../shared/errors.ts";
import { type BytePath, bytesOf } from "./byte-path.ts";
import type { RestoreAction, RestoreEvents, RestoreTotals } from "./options.ts";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export class RestoreReport {
  readonly #events: RestoreEvents;
  readonly #totals: Mutable<RestoreTotals> = {
    totalFiles: 0,
    filesRestored: 0,
    filesSkipped: 0,
    filesDeleted: 0,
    totalBytes: 0,
    bytesRestored: 0,
    bytesSkipped: 0,
  };
  errorCount = 0;

  constructor(events: RestoreEvents) {
    this.#events = events;
  }

  get totals(): RestoreTotals {
    return { ...this.#totals };
  }

  /** An item that will be restored. */
  planned(sizeBytes = 0): void {
    this.#totals.totalFiles += 1;
    this.#totals.totalBytes += sizeBytes;
  }

  /** Content that was written. */
  bytesWritten(count: number): void {
    if (count === 0) return;
    this.#totals.bytesRestored += count;
    this.#progress();
  }

  restored(action: "restored" | "updated", path: BytePath, sizeBytes = 0): void {
    this.#totals.filesRestored += 1;
    this.#tell(action, inSnapshot(path), sizeBytes);
  }

  /** An item that is left as it is, or needed its metadata only. */
  skipped(path: BytePath, sizeBytes = 0): void {
    this.#totals.filesSkipped += 1;
    this.#totals.bytesSkipped += sizeBytes;
    this.#tell("unchanged", inSnapshot(path), sizeBytes);
  }

  /** `path`: the full path on disk. */
  deleted(path: Uint8Array): void {
    this.#totals.filesDeleted += 1;
    this.#tell("deleted", path, 0);
  }

  failed(path: BytePath, error: unknown): void {
    this.errorCount += 1;
    const cause = error instanceof Error ? error : new CofferError("internal", String(error));
    this.#events.itemFailed?.(inSnapshot(path), cause);
  }

  #tell(action: RestoreAction, path: Uint8Array, sizeBytes: number): void {
    this.#events.itemRestored?.(action, path, sizeBytes);
    this.#progress();
  }

  #progress(): void {
    this.#events.progress?.(this.totals);
  }
}

/** Paths in a snapshot begin with "/". */
function inSnapshot(path: BytePath): Uint8Array {
  return bytesOf(`/${path}`);
}
