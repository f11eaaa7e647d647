/** What the main thread and the workers of a backup say to each other. File contents and packs are never part of it. */
import type { RepositoryVersion } from "../../shared/format/config.ts";
import type { CompressionMode, SealingKey } from "../../shared/format/provider.ts";
import type { KernelsModule } from "../../shared/kernels/kernels.ts";
import type { FileStatus } from "../platform/file-status.ts";
import type { BlobTableShared } from "../repository/blob-table.ts";
import type { ByteString } from "./byte-paths.ts";
import type { PackMemoryShared } from "./pack-memory.ts";

/** How blobs become parts of packs; the same for workers and for the trees on the main thread. */
export interface SealingSettings {
  readonly kernelsModule: KernelsModule;
  readonly key: SealingKey;
  readonly version: RepositoryVersion;
  readonly compression: CompressionMode;
  readonly packSizeBytes: number;
  readonly extraVerify: boolean;
}

/** What a worker gets when it starts. */
export interface WorkerSettings extends SealingSettings {
  readonly polynomial: bigint;
  readonly table: BlobTableShared;
  readonly packMemory: PackMemoryShared;
}

/** Numbers by which a worker sees that a file is no longer what the walk found: five for each file. */
const identityFields = 5;

/** Room for the identities of so many files. */
export function newIdentities(files: number): BigUint64Array {
  return new BigUint64Array(files * identityFields);
}

/** Files by number, from 0. */
export function writeIdentity(identities: BigUint64Array, file: number, status: FileStatus): void {
  const at = file * identityFields;
  identities[at] = status.deviceId;
  identities[at + 1] = status.inode;
  identities[at + 2] = status.mtimeNs;
  identities[at + 3] = status.ctimeNs;
  identities[at + 4] = BigInt(status.sizeBytes);
}

export function hasIdentity(identities: BigUint64Array, file: number, status: FileStatus): boolean {
  const at = file * identityFields;
  return (
    identities[at] === status.deviceId &&
    identities[at + 1] === status.inode &&
    identities[at + 2] === BigInt.asUintN(64, status.mtimeNs) &&
    identities[at + 3] === BigInt.asUintN(64, status.ctimeNs) &&
    identities[at + 4] === BigInt(status.sizeBytes)
  );
}

/** Small files, each of which becomes one blob at most. */
export interface BatchTask {
  readonly kind: "batch";
  readonly task: number;
  readonly paths: readonly ByteString[];
  /** Of the same files, as `writeIdentity` writes them. */
  readonly identities: BigUint64Array;
}

/** A part of a large file, from an offset at which a chunk begins. */
export interface SegmentTask {
  readonly kind: "segment";
  readonly task: number;
  readonly descriptor: number;
  readonly offsetBytes: number;
  /** The size that the file had when it was opened: where to look whether it ends. */
  readonly expectedBytes: number;
}

/** A part of a stream, in shared memory, which begins where a chunk begins. */
export interface MemoryTask {
  readonly kind: "memory";
  readonly task: number;
  readonly bytes: Uint8Array;
  readonly isEnd: boolean;
}

export type WorkerTask = BatchTask | SegmentTask | MemoryTask;

export type WorkerRequest =
  | WorkerTask
  /** Hand over the pack that is begun, and end. */
  | { readonly kind: "finish" }
  /** End without it. */
  | { readonly kind: "end" };

/** An error of the system as it crosses threads. */
export interface PlainError {
  readonly message: string;
  readonly code?: string | undefined;
  readonly errno?: number | undefined;
}

/** Why a file of a batch has no content, or not the status that the walk saw. */
export type BatchException =
  | { readonly index: number; readonly kind: "failed"; readonly call: "open" | "read"; readonly error: PlainError }
  /** Too large for a batch by now: nothing of it was stored. */
  | { readonly index: number; readonly kind: "grown" }
  /** Its content was stored; this is what it was when it was opened. */
  | { readonly index: number; readonly kind: "changed"; readonly status: FileStatus };

/** What of some content was not known before: plain bytes, and bytes in packs. */
export interface Added {
  readonly blobs: number;
  readonly bytes: number;
  readonly storedBytes: number;
}

export interface BatchReply {
  readonly kind: "batch";
  readonly task: number;
  /** 32 bytes for each file; meaningless for an empty one. */
  readonly ids: Uint8Array;
  /** Bytes read of each file. */
  readonly sizes: Float64Array;
  /** `Added` of each file, three numbers each. */
  readonly added: Float64Array;
  readonly exceptions: readonly BatchException[];
}

/** Said before the chunks are sealed, so that another worker can go on meanwhile. */
export interface CutReply {
  readonly kind: "cut";
  readonly task: number;
  /** Bytes from the begin of the segment to the end of its last chunk. */
  readonly lengthBytes: number;
  readonly isEnd: boolean;
}

export interface SegmentReply {
  readonly kind: "segment";
  readonly task: number;
  /** 32 bytes for each chunk. */
  readonly ids: Uint8Array;
  readonly added: Added;
  /** Reading failed: nothing of the segment was stored, and no `cut` was said. */
  readonly error?: PlainError | undefined;
}

export interface PackReply {
  readonly kind: "pack";
  readonly buffer: number;
  readonly lengthBytes: number;
  readonly blobs: number;
  /** 32 bytes. */
  readonly id: Uint8Array;
  /** The plain header. */
  readonly header: Uint8Array;
}

export type WorkerReply =
  | BatchReply
  | CutReply
  | SegmentReply
  | PackReply
  | { readonly kind: "finished"; readonly stages: Readonly<Record<string, number>> }
  /** The worker cannot go on; nothing that it promised can be relied on. */
  | { readonly kind: "failed"; readonly error: PlainError };
