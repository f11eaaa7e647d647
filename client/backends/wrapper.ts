/** The base of wrappers: passes everything on, so that a wrapper states only what it changes. */
import type { FileHandle, FileType } from "../../shared/format/layout.ts";
import type { Backend, FileInfo, LoadOptions } from "./backend.ts";

export class BackendWrapper implements Backend {
  protected readonly inner: Backend;

  constructor(inner: Backend) {
    this.inner = inner;
  }

  get location(): string {
    return this.inner.location;
  }

  get connections(): number {
    return this.inner.connections;
  }

  get hasAtomicReplace(): boolean {
    return this.inner.hasAtomicReplace;
  }

  create(signal?: AbortSignal): Promise<void> {
    return this.inner.create(signal);
  }

  list(type: FileType, signal?: AbortSignal): Promise<FileInfo[]> {
    return this.inner.list(type, signal);
  }

  stat(handle: FileHandle, signal?: AbortSignal): Promise<number> {
    return this.inner.stat(handle, signal);
  }

  load(handle: FileHandle, options?: LoadOptions): Promise<Uint8Array> {
    return this.inner.load(handle, options);
  }

  save(handle: FileHandle, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.inner.save(handle, body, signal);
  }

  remove(handle: FileHandle, signal?: AbortSignal): Promise<void> {
    return this.inner.remove(handle, signal);
  }

  async dropCached(handle: FileHandle): Promise<boolean> {
    return (await this.inner.dropCached?.(handle)) ?? false;
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
