/** What the main thread asks of the workers that write files, and what they answer. Everything is structured-cloneable. */
import type { ErrorCode } from "../../shared/errors.ts";
import type { SealingKey } from "../../shared/format/provider.ts";
import type { KernelsModule } from "../../shared/kernels/kernels.ts";
import type { BytePath } from "./byte-path.ts";
import type { ItemMetadata } from "./item-metadata.ts";
import type { PackedFiles } from "./packed-files.ts";

export interface RestoreSetup {
  readonly kernels: KernelsModule;
  readonly key: SealingKey;
  readonly target: Uint8Array;
  /** Held open by the main thread; undefined where folders are not reached by descriptors. */
  readonly targetDescriptor: number | undefined;
}

/** A regular file whose content, or a part of it, is written. */
export interface FileToWrite {
  /** Unique in the restore. */
  readonly number: number;
  readonly folder: BytePath;
  readonly name: BytePath;
  /** True: the worker makes the file, nothing may be there. False: it is there, a regular file with this one name. */
  readonly creates: boolean;
  /** False: it was there before the restore, and may have any metadata. */
  readonly isNew: boolean;
  /** The size to set after the last piece; undefined when the pieces themselves make it. */
  readonly finalSizeBytes: number | undefined;
  /** Pieces of zeros are left out: the file is new, and its size is set at the end. */
  readonly leavesHoles: boolean;
  readonly metadata: ItemMetadata;
  /** Where in `counters` the file has its two numbers: pieces that are still to be written, and 1 once it has failed. */
  readonly slot: number;
}

/** Which pieces of which files a blob becomes. */
export interface BlobUses {
  /** For each blob: how many of the pairs are its own. */
  readonly counts: Uint32Array;
  /** Pairs: index into `files`, position in the file in bytes. */
  readonly pairs: Float64Array;
}

export interface WriteTask {
  readonly kind: "write";
  /** The fetched range. */
  readonly memory: SharedArrayBuffer;
  /** Where in its pack the range begins. */
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** A packed BlobList. */
  readonly blobs: ArrayBuffer;
  readonly uses: BlobUses;
  readonly files: PackedFiles;
  readonly counters: SharedArrayBuffer;
}

/** One blob that was opened elsewhere. */
export interface WritePlainTask {
  readonly kind: "write-plain";
  readonly plaintext: Uint8Array;
  readonly uses: BlobUses;
  readonly files: PackedFiles;
  readonly counters: SharedArrayBuffer;
}

/** Files without pieces to write: made when they are to be, then given their metadata. */
export interface FinishTask {
  readonly kind: "finish";
  readonly files: PackedFiles;
}

/** Compares a part of an existing file, blob by blob. */
export interface CompareTask {
  readonly kind: "compare";
  readonly folder: BytePath;
  readonly name: BytePath;
  /** Where the first blob should begin. */
  readonly position: number;
  /** A packed BlobList: ids and plaintext lengths. */
  readonly blobs: ArrayBuffer;
  /** The metadata that the file should have, when it matters whether it has it. */
  readonly metadata: ItemMetadata | undefined;
}

export type RestoreTask = WriteTask | WritePlainTask | FinishTask | CompareTask;

export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
}

export interface WriteAnswer {
  /** Indices into `files` of those that are complete and have their metadata. */
  readonly finished: readonly number[];
  /** Files that could not be written, or not be given their metadata. */
  readonly failures: readonly (Failure & { readonly file: number })[];
  /** Blobs that were not what they should be; nothing was written for them. */
  readonly badBlobs: readonly (Failure & { readonly blob: number })[];
  /** Bytes of content, holes included. */
  readonly bytesWritten: number;
}

export interface CompareAnswer {
  /** The size of the file; -1 when it cannot be read as a regular file. */
  readonly sizeBytes: number;
  /** One byte for each blob: 1 when it is in its place. */
  readonly matches: Uint8Array;
  readonly hasMetadata: boolean;
}

export type RestoreAnswer = WriteAnswer | CompareAnswer;
