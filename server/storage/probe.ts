/** The port through which the server asks how its storage is. Adapters: disk. */

/** What a storage has to tell about itself. */
export interface StorageProbe {
  /** Resolves when a small file was really stored, durably, and removed again. Throws when that cannot be done. */
  readiness(): Promise<void>;
  /** Absent where nobody knows. */
  space?(): Promise<StorageSpace>;
}

export interface StorageSpace {
  /** For this server; what is kept for the system's administrator does not count. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}
