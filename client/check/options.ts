/** What a check is asked to do, what it tells while it runs, and what it answers. Verdicts: docs/format.md, check. */
import type { Id } from "../../shared/format/layout.ts";

/** How much of the packs is read and verified. */
export type ReadDataSelection =
  | { readonly kind: "none" }
  | { readonly kind: "all" }
  /** Packs whose first id byte modulo `groups` is `group` - 1. */
  | { readonly kind: "group"; readonly group: number; readonly groups: number }
  /** Random packs: above 0, at most 100. */
  | { readonly kind: "percentage"; readonly percent: number }
  /** Random packs of about that size together. */
  | { readonly kind: "size"; readonly sizeBytes: number };

export interface CheckOptions {
  readonly readData: ReadDataSelection;
  /** Only these snapshots, and only the packs they need; all of the repository when missing. */
  readonly snapshots?: readonly Id[] | undefined;
  /** From 0 to below 1, for the choice of random packs. Default: Math.random. */
  readonly random?: (() => number) | undefined;
}

export type CheckCounter = "index files loaded" | "tree packs" | "snapshots" | "packs";

export interface CheckEvents {
  /** A line such as "load indexes", "check all packs", "read all data". */
  phase?(text: string): void;
  /** `total` is undefined when unknown. Once with `done` = `total` at the end of a counter. */
  progress?(counter: CheckCounter, done: number, total: number | undefined): void;
  /** Something is wrong with the repository. */
  problem?(text: string): void;
  /** Something is untidy, but nothing is lost or unsafe. */
  hint?(text: string): void;
  /** Packs that no index knows, if there are any: they take up room, nothing more. */
  additionalPacks?(ids: readonly Id[]): void;
}

export interface CheckResult {
  /** Calls of `problem`. */
  readonly problemCount: number;
  /** Packs whose content, when read, was not what it should be. */
  readonly brokenPacks: readonly Id[];
  /** An index file could not be read: nothing further was checked. */
  readonly isIndexDamaged: boolean;
  readonly suggestRepairIndex: boolean;
  readonly suggestPrune: boolean;
  /** Packs that no index knows. */
  readonly additionalFiles: number;
}
