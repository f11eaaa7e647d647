/** What a restore is asked to do, what it tells while it runs, and what it answers. Meaning of each: docs/cli.md, restore. */
import type { Snapshot } from "../../shared/format/snapshot.ts";

/** When an item that already exists in the target is written over. */
export type OverwriteMode = "always" | "if-changed" | "if-newer" | "never";

/**
 * Which items are wanted. Paths are absolute in the snapshot (or in the chosen subfolder), begin with "/" and end
 * without one, as `decodePath` of client/filter gives them.
 */
export interface RestoreSelection {
  selects(path: string): boolean;
  /** False when nothing below a folder can be selected: the folder is then not read at all. */
  mayDescend(path: string): boolean;
}

export interface RestoreOptions {
  readonly snapshot: Pick<Snapshot, "tree">;
  /** A path in the snapshot: only what is below it is restored, and paths begin there. */
  readonly subfolder?: string | undefined;
  /** The folder that receives everything; created with its parents (mode 0700) when missing. */
  readonly target: Uint8Array;
  /** Everything, when missing. */
  readonly select?: RestoreSelection | undefined;
  /** Which extended attributes are set, and removed when the snapshot has none of that name. All, when missing. */
  readonly selectXattr?: ((name: string) => boolean) | undefined;
  /** Default: always. */
  readonly overwrite?: OverwriteMode | undefined;
  /** Removes what is in a restored folder but not in the snapshot, as far as the selection has it. */
  readonly delete?: boolean | undefined;
  /** Reports what would be done, and changes nothing. */
  readonly dryRun?: boolean | undefined;
  /** Reads every written file again and compares it with the snapshot. */
  readonly verify?: boolean | undefined;
  /** Leaves holes where a chunk of a new file is all zeros. */
  readonly sparse?: boolean | undefined;
  /** Owners by stored name instead of stored number. */
  readonly ownershipByName?: boolean | undefined;
}

export type RestoreAction = "restored" | "updated" | "unchanged" | "deleted";

/** Numbers of files, folders and all other items; bytes are those of file contents. */
export interface RestoreTotals {
  /** Grows while the snapshot is walked. Without what was skipped. */
  readonly totalFiles: number;
  readonly filesRestored: number;
  readonly filesSkipped: number;
  readonly filesDeleted: number;
  readonly totalBytes: number;
  readonly bytesRestored: number;
  readonly bytesSkipped: number;
}

export interface RestoreEvents {
  /**
   * `path`: in the snapshot, beginning with "/"; for "deleted" the full path on disk. `sizeBytes`: 0 for all but files.
   * In a dry run: what would be done.
   */
  itemRestored?(action: RestoreAction, path: Uint8Array, sizeBytes: number): void;
  /** Called often; the object is new each time. */
  progress?(totals: RestoreTotals): void;
  /** An item could not be restored, or only in part; the restore goes on. */
  itemFailed?(path: Uint8Array, error: Error): void;
  warning?(text: string): void;
  verifyStarted?(): void;
  /** `fileCount`: files that were written in this run and read again, damaged ones included. */
  verifyFinished?(fileCount: number, durationMs: number): void;
}

export interface RestoreResult extends RestoreTotals {
  /** Calls of `itemFailed`. */
  readonly errorCount: number;
  readonly verifiedFiles: number;
  readonly durationMs: number;
}
