/**
 * The port through which the server reaches stored files. Adapters: disk, s3, memory. Wrappers: guarded, verified, unverified,
 * quota. One conformance suite (test/conformance/storage.ts) runs on all of them.
 *
 * Errors are `CofferError`s with the codes named here; `out-of-space` may come from whatever writes, and `unavailable` from
 * everything (an I/O error, a folder that may not be read).
 */
import type { FileHandle, FileType, Id } from "../../shared/format/layout.ts";
import type { ByteSelection } from "./selection.ts";

export interface StoredFile {
  readonly id: Id;
  readonly sizeBytes: number;
}

/** A part of a stored file that is ready to be read. Holds an open file: whoever gets one has to close it. */
export interface StoredContent {
  /** Of the whole file. */
  readonly totalBytes: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /**
   * The bytes, once. A chunk is valid until the next one is asked for or the content is closed: its memory is used again.
   * Throws `damaged` when the file turns out to be shorter than it was.
   */
  chunks(): AsyncIterable<Uint8Array>;
  /** Idempotent; never throws. */
  close(): Promise<void>;
}

/** The bytes of an upload, in the chunks in which they come. */
export interface UploadBody extends AsyncIterable<Uint8Array> {
  /** How many bytes there will be, where the client has said it: never fewer than come. */
  readonly announcedBytes?: number | undefined;
}

/** The files of one repository. */
export interface Storage {
  /** Makes the places of all file types, durably. Idempotent; does not create `config`. */
  create(): Promise<void>;

  /**
   * The files of a type in batches of some hundreds, in no particular order, each once: only regular files whose names are
   * ids. A file that comes or goes meanwhile may be there or not. Throws `not-found`, before the first batch, when the
   * repository or the place of the type does not exist.
   */
  list(type: FileType): AsyncIterable<readonly StoredFile[]>;

  /** The size in bytes. Throws `not-found`; what is not a regular file does not exist. */
  stat(handle: FileHandle): Promise<number>;

  /**
   * Opens the file, or the selected part of it. Throws `not-found`, and `out-of-range` (with `totalBytes` in its data) when the
   * selection takes nothing of the file.
   */
  read(handle: FileHandle, selection?: ByteSelection): Promise<StoredContent>;

  /**
   * Stores a file. The one rule: **if the body throws, nothing becomes visible**, and the same error comes out. Until the call
   * returns, nobody sees the file; when it has returned, the file is whole and survives a crash. Never replaces:
   * throws `already-exists`, possibly without having read the body, and what was there is durable then. A missing place for a file with an id is
   * made; `config` in a repository that does not exist is `not-found`. Chunks belong to the storage from the moment they are
   * given: it may detach their memory. Cancelling means that the body throws.
   */
  put(handle: FileHandle, body: UploadBody): Promise<void>;

  /**
   * Deletes a file; an absent one is no error. Idempotent. Durable on return, except for packs and locks: one of
   * these that comes back after a crash does no harm.
   */
  remove(handle: FileHandle): Promise<void>;
}

/** The sum of the sizes of some files. */
export interface StoredUsage {
  /** The repository that they belong to. Absent: none; they only take room. */
  readonly folders?: readonly string[];
  readonly sizeBytes: number;
}

/** All repositories of a server, each addressed by the names of the folders that lead to it; none for the root. */
export interface Repositories {
  /** Opens nothing. Throws `not-found` for names that cannot be folders. */
  at(folders: readonly string[]): Storage;
}
