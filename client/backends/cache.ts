/**
 * Keeps snapshots, indexes and packs of trees near: they are needed at every run. What a cache holds is never trusted more than the
 * storage: whoever uses the bytes verifies them, calls `dropCached` when they are wrong, and loads again. A cache that fails is reported
 * once and otherwise as good as none.
 */
import { hasErrorCode } from "../../shared/errors.ts";
import type { FileHandle, FileType, Id } from "../../shared/format/layout.ts";
import { pathOf } from "../../shared/format/layout.ts";
import type { Backend, FileInfo, LoadOptions } from "./backend.ts";
import { throwIfCancelled } from "./cancellation.ts";
import { checkHandle, checkRange, copyOfPart } from "./ranges.ts";
import { BackendWrapper } from "./wrapper.ts";

/** The kinds of files that a cache may hold. */
export const cachedTypes = ["snapshots", "index", "data"] as const;

export type CachedType = (typeof cachedTypes)[number];

export interface CachedFile {
  readonly type: CachedType;
  readonly id: Id;
}

/** Where cached files are. Adapters: a folder (client/platform/cache-directory.ts); in browsers whatever they have. */
export interface CacheStore {
  /** The bytes, or undefined when the file is not held. Throws `out-of-range` like a backend. */
  load(file: CachedFile, options: LoadOptions): Promise<Uint8Array | undefined>;
  /** Holds a whole file from now on. Atomic: nobody sees a part. Need not be durable. */
  save(file: CachedFile, body: Uint8Array): Promise<void>;
  /** True if the file was held. */
  remove(file: CachedFile): Promise<boolean>;
  list(type: CachedType): Promise<Id[]>;
}

export interface CachedBackendOptions {
  /** Told the first time that the cache fails. */
  readonly onFailure?: (error: unknown) => void;
}

export class CachedBackend extends BackendWrapper {
  readonly #store: CacheStore;
  readonly #onFailure: (error: unknown) => void;
  /** Whole files on their way into the cache, by path: parallel requests wait for the one fetch. */
  readonly #fetches: Map<string, Promise<Uint8Array>> = new Map();
  readonly #dropped: Set<string> = new Set();
  #hasFailed = false;

  constructor(inner: Backend, store: CacheStore, options: CachedBackendOptions = {}) {
    super(inner);
    this.#store = store;
    this.#onFailure = options.onFailure ?? (() => undefined);
  }

  /** Forgets cached files that the storage does not have any more. */
  override async list(type: FileType, signal?: AbortSignal): Promise<FileInfo[]> {
    const files = await this.inner.list(type, signal);
    if (isCachedType(type)) await this.keepOnly(type, new Set(files.map((file) => file.id)));
    return files;
  }

  override async stat(handle: FileHandle, signal?: AbortSignal): Promise<number> {
    try {
      return await this.inner.stat(handle, signal);
    } catch (error) {
      const file = cachedFileOf(handle);
      if (file && hasErrorCode(error, "not-found")) await this.#tryStore(() => this.#store.remove(file));
      throw error;
    }
  }

  override async load(handle: FileHandle, options: LoadOptions = {}): Promise<Uint8Array> {
    checkHandle(handle);
    checkRange(options.range);
    throwIfCancelled(options.signal);
    const file = cachedFileOf(handle);
    if (file === undefined) return this.inner.load(handle, options);
    const held = await this.#loadHeld(handle, file, options);
    if (held !== undefined) return held;
    // Packs of data are not taken in: they would fill the disk and are hardly ever needed twice.
    if (!isTakenIn(handle)) return this.inner.load(handle, options);
    const whole = await this.#fetch(handle, file, options.signal);
    return copyOfPart(handle, whole, options);
  }

  override async save(handle: FileHandle, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.inner.save(handle, body, signal);
    const file = cachedFileOf(handle);
    if (file && isTakenIn(handle)) await this.#tryStore(() => this.#store.save(file, body));
  }

  override async remove(handle: FileHandle, signal?: AbortSignal): Promise<void> {
    await this.inner.remove(handle, signal);
    const file = cachedFileOf(handle);
    if (file) await this.#tryStore(() => this.#store.remove(file));
  }

  override async dropCached(handle: FileHandle): Promise<boolean> {
    const file = cachedFileOf(handle);
    if (file === undefined || this.#dropped.has(pathOf(handle))) return false;
    this.#dropped.add(pathOf(handle));
    return (await this.#tryStore(() => this.#store.remove(file))) ?? false;
  }

  /** Forgets all cached files of a type but these: after the index is loaded, the packs that it does not know. */
  async keepOnly(type: CachedType, ids: ReadonlySet<Id>): Promise<void> {
    const held = (await this.#tryStore(() => this.#store.list(type))) ?? [];
    for (const id of held) {
      if (!ids.has(id)) await this.#tryStore(() => this.#store.remove({ type, id }));
    }
  }

  async #loadHeld(handle: FileHandle, file: CachedFile, options: LoadOptions): Promise<Uint8Array | undefined> {
    try {
      return await this.#store.load(file, options);
    } catch (error) {
      if (hasErrorCode(error, "cancelled", "lock-lost", "limit-exceeded", "internal")) throw error;
      // A copy that is too short for the range is damaged: ask the storage, as if there were none.
      if (hasErrorCode(error, "out-of-range")) await this.dropCached(handle);
      else this.#fail(error);
      return undefined;
    }
  }

  #fetch(handle: FileHandle, file: CachedFile, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const path = pathOf(handle);
    const running = this.#fetches.get(path);
    // A fetch that somebody else gave up is begun anew by those who still want the file.
    if (running !== undefined) return running.catch((error) => this.#fetchAfter(error, handle, file, signal));
    const fetch = this.inner.load(handle, signal === undefined ? {} : { signal });
    const stored = fetch
      .then(async (body) => {
        await this.#tryStore(() => this.#store.save(file, body));
        return body;
      })
      .finally(() => this.#fetches.delete(path));
    this.#fetches.set(path, stored);
    return stored;
  }

  #fetchAfter(
    error: unknown,
    handle: FileHandle,
    file: CachedFile,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const wasGivenUp = hasErrorCode(error, "cancelled", "lock-lost");
    if (!wasGivenUp || signal?.aborted) throw error;
    return this.#fetch(handle, file, signal);
  }

  async #tryStore<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#onFailure(error);
  }
}

function isCachedType(type: FileHandle["type"]): type is CachedType {
  return cachedTypes.some((cached) => cached === type);
}

function cachedFileOf(handle: FileHandle): CachedFile | undefined {
  if (handle.type === "config" || !isCachedType(handle.type)) return undefined;
  return { type: handle.type, id: handle.id };
}

function isTakenIn(handle: FileHandle): boolean {
  return handle.type !== "config" && (handle.type !== "data" || handle.isMetadata === true);
}
