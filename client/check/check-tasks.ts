/** What the main thread of a check asks of its workers, and what they answer. Everything is structured-cloneable. */
import type { ErrorCode } from "../../shared/errors.ts";
import type { Id } from "../../shared/format/layout.ts";
import type { SealingKey } from "../../shared/format/provider.ts";
import type { KernelsModule } from "../../shared/kernels/kernels.ts";
import type { BlobTableShared } from "../repository/blob-table.ts";

export interface CheckSetup {
  readonly kernels: KernelsModule;
  readonly key: SealingKey;
  /** All blobs of all index files. */
  readonly table: BlobTableShared;
  /** Are the packs wanted that hold the content of each tree? */
  readonly wantsDataPacks: boolean;
}

/** Reads trees. `blobs`: a packed BlobList of tree blobs in the fetched range. */
export interface TreesTask {
  readonly kind: "trees";
  readonly memory: SharedArrayBuffer;
  /** Where in its pack the range begins. */
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly blobs: ArrayBuffer;
}

export interface TreesAnswer {
  /** For each tree: how many ids of `children` are its own. */
  readonly childCounts: Uint32Array;
  /** 32 bytes each. */
  readonly children: Uint8Array;
  /** Trees that could not be opened or read. */
  readonly unreadable: readonly { readonly tree: number; readonly code: ErrorCode; readonly message: string }[];
  /** What is wrong inside of trees that were read: lines without the tree's id. */
  readonly faults: readonly { readonly tree: number; readonly lines: readonly string[] }[];
  /** For each tree: how many of `dataPacks` are its own. Empty unless wanted. */
  readonly dataPackCounts: Uint32Array;
  /** Numbers of packs. */
  readonly dataPacks: Uint32Array;
}

/**
 * Verifies a pack, or the next part of it: parts come in order, to the same worker. The first begins at 0, the last ends at the
 * end of the file.
 */
export interface PackTask {
  readonly kind: "pack";
  readonly packId: Id;
  readonly memory: SharedArrayBuffer;
  /** Where in the pack the part begins. */
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** A packed BlobList: all blobs of the pack with the last part, else those of the part. */
  readonly blobs: ArrayBuffer;
  /** Which of `blobs` lie in the part. */
  readonly first: number;
  readonly end: number;
  readonly isLast: boolean;
}

export interface PackAnswer {
  /** What is wrong, in the order in which it was found; the words are restic's. */
  readonly errors: readonly string[];
}

export type CheckTask = TreesTask | PackTask;
export type CheckAnswer = TreesAnswer | PackAnswer;
