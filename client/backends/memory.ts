/** Files in memory: the twin of the real backends for tests, and the base of scenarios with faults. */
import { CofferError } from "../../shared/errors.ts";
import { describeHandle, type FileHandle, type FileType, folderOf, pathOf } from "../../shared/format/layout.ts";
import type { Backend, FileInfo, LoadOptions } from "./backend.ts";
import { throwIfCancelled } from "./cancellation.ts";
import { checkHandle, checkRange, copyOfPart, notFound } from "./ranges.ts";

export interface MemoryBackendOptions {
  readonly connections?: number;
  /** True: `save` replaces. The default refuses, as a REST server does. */
  readonly hasAtomicReplace?: boolean;
  /** Files by path; given to let several backends share one storage, as several clients share one server. */
  readonly files?: Map<string, Uint8Array>;
}

export class MemoryBackend implements Backend {
  readonly location: string = "memory:";
  readonly connections: number;
  readonly hasAtomicReplace: boolean;
  /** The stored bytes by path; for tests to look at and to damage. */
  readonly files: Map<string, Uint8Array>;

  constructor(options: MemoryBackendOptions = {}) {
    this.connections = options.connections ?? 5;
    this.hasAtomicReplace = options.hasAtomicReplace ?? false;
    this.files = options.files ?? new Map<string, Uint8Array>();
  }

  async create(signal?: AbortSignal): Promise<void> {
    throwIfCancelled(signal);
  }

  async list(type: FileType, signal?: AbortSignal): Promise<FileInfo[]> {
    throwIfCancelled(signal);
    const found: FileInfo[] = [];
    for (const [path, bytes] of this.files) {
      if (path.startsWith(`${folderOf(type)}/`)) found.push({ id: path.slice(-64), sizeBytes: bytes.length });
    }
    return found;
  }

  async stat(handle: FileHandle, signal?: AbortSignal): Promise<number> {
    checkHandle(handle);
    throwIfCancelled(signal);
    return this.#fileOf(handle).length;
  }

  async load(handle: FileHandle, options: LoadOptions = {}): Promise<Uint8Array> {
    checkHandle(handle);
    checkRange(options.range);
    throwIfCancelled(options.signal);
    return copyOfPart(handle, this.#fileOf(handle), options);
  }

  async save(handle: FileHandle, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkHandle(handle);
    throwIfCancelled(signal);
    const path = pathOf(handle);
    if (!this.hasAtomicReplace && this.files.has(path)) {
      throw new CofferError("already-exists", `${describeHandle(handle)} exists and is not overwritten`);
    }
    this.files.set(path, body.slice());
  }

  async remove(handle: FileHandle, signal?: AbortSignal): Promise<void> {
    checkHandle(handle);
    throwIfCancelled(signal);
    this.files.delete(pathOf(handle));
  }

  async close(): Promise<void> {}

  #fileOf(handle: FileHandle): Uint8Array {
    const file = this.files.get(pathOf(handle));
    if (file === undefined) throw notFound(handle);
    return file;
  }
}
