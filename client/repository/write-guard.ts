/**
 * Stands in front of everything that changes a repository, so that nothing can be written that a lock does not cover: not
 * before the lock is confirmed, not while a lock that has gone stale is being won back, not after it was lost.
 */
import type { FileHandle } from "../../shared/format/layout.ts";
import type { Backend } from "../backends/backend.ts";
import { BackendWrapper } from "../backends/wrapper.ts";

export interface WriteGuard {
  /** Resolves when writing is allowed; rejects when it is not and will not be. */
  admitWrite(): Promise<void>;
}

/** Lock files pass: they are what the guard is made of. */
export class GuardedBackend extends BackendWrapper {
  #guard: WriteGuard | undefined;

  /** Without a guard (`init`, `unlock`, a dry run) everything passes. */
  constructor(inner: Backend) {
    super(inner);
  }

  guardWith(guard: WriteGuard): void {
    this.#guard = guard;
  }

  override async save(handle: FileHandle, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (handle.type !== "locks") await this.#guard?.admitWrite();
    return this.inner.save(handle, body, signal);
  }

  override async remove(handle: FileHandle, signal?: AbortSignal): Promise<void> {
    if (handle.type !== "locks") await this.#guard?.admitWrite();
    return this.inner.remove(handle, signal);
  }
}
