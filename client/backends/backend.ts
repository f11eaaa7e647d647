/**
 * The port through which the client reaches a repository's files. Adapters: rest, local, memory. Wrappers of the same
 * port: retry, batching, limit, cache, rate limit, dry run. One conformance suite (test/conformance/backend.ts) runs on all.
 */
import type { FileHandle, FileType, Id } from "../../shared/format/layout.ts";

export interface FileInfo {
  readonly id: Id;
  readonly sizeBytes: number;
}

/** A part of a file, not empty. Without `lengthBytes`: to the end. */
export interface ByteRange {
  readonly offsetBytes: number;
  /** At least 1. */
  readonly lengthBytes?: number;
}

export interface LoadOptions {
  readonly range?: ByteRange;
  /**
   * Memory that receives the bytes (a view of a SharedArrayBuffer is fine). The result is then a view of it. Throws
   * `limit-exceeded` when it is too small.
   */
  readonly into?: Uint8Array;
  readonly signal?: AbortSignal;
}

export interface Backend {
  /** For messages: the location as the user gave it, its password replaced by `***`. */
  readonly location: string;
  /** How many operations may usefully run at the same time; every command sizes its work from it. At least 1. */
  readonly connections: number;
  /** True when `save` replaces an existing file in one step; otherwise replacing means `remove`, then `save`. */
  readonly hasAtomicReplace: boolean;

  /** Makes the places for all file types. Idempotent. Does not create `config`. */
  create(signal?: AbortSignal): Promise<void>;

  /**
   * All files of a type whose names are ids, in no particular order, each once. An absent folder is an empty list.
   * May be retried as a whole.
   */
  list(type: FileType, signal?: AbortSignal): Promise<FileInfo[]>;

  /** The size in bytes. Throws `not-found` when the file is absent. Idempotent. */
  stat(handle: FileHandle, signal?: AbortSignal): Promise<number>;

  /**
   * The bytes of the file, or of a range of it. Throws `not-found` when the file is absent, `out-of-range` when the range is not
   * wholly inside the file: a short answer is never returned. Content is not verified here. Idempotent.
   */
  load(handle: FileHandle, options?: LoadOptions): Promise<Uint8Array>;

  /**
   * Stores a file. Atomic and durable when it returns: before, nobody sees the file; after, it survives a crash. When it throws, the
   * file may or may not be there (a lost answer), but never in part. Throws `already-exists` when a file of that name
   * is there and the backend does not replace. `body` must not change until the call has settled. May be retried with the same body.
   */
  save(handle: FileHandle, body: Uint8Array, signal?: AbortSignal): Promise<void>;

  /** Deletes a file; an absent one is no error. Idempotent. */
  remove(handle: FileHandle, signal?: AbortSignal): Promise<void>;

  /**
   * Drops a cached copy that turned out to be damaged, so that the next load asks the storage itself. True if there was one; true
   * at most once per file, so that whoever loads again because of it cannot go round for ever. Absent where nothing is cached.
   */
  dropCached?(handle: FileHandle): Promise<boolean>;

  /** Ends all connections after running operations have settled. Nothing may be called afterwards. */
  close(): Promise<void>;
}
