/** Bounds how many operations run at once. Lock files are not counted: refreshing a lock must never wait for uploads. */
import type { FileHandle, FileType } from "../../shared/format/layout.ts";
import type { Backend, FileInfo, LoadOptions } from "./backend.ts";
import { checkHandle, checkRange } from "./ranges.ts";
import { Semaphore } from "./semaphore.ts";
import { BackendWrapper } from "./wrapper.ts";

export class LimitedBackend extends BackendWrapper {
  readonly #slots: Semaphore;

  /** As many operations at once as the backend has connections. The slots may be shared with others who use it. */
  constructor(inner: Backend, slots: Semaphore = new Semaphore(inner.connections)) {
    super(inner);
    this.#slots = slots;
  }

  override create(signal?: AbortSignal): Promise<void> {
    return this.#slots.run(() => this.inner.create(signal), signal);
  }

  override list(type: FileType, signal?: AbortSignal): Promise<FileInfo[]> {
    return this.#run(type, () => this.inner.list(type, signal), signal);
  }

  override async stat(handle: FileHandle, signal?: AbortSignal): Promise<number> {
    checkHandle(handle);
    return this.#run(handle.type, () => this.inner.stat(handle, signal), signal);
  }

  override async load(handle: FileHandle, options: LoadOptions = {}): Promise<Uint8Array> {
    checkHandle(handle);
    checkRange(options.range);
    return this.#run(handle.type, () => this.inner.load(handle, options), options.signal);
  }

  override async save(handle: FileHandle, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkHandle(handle);
    return this.#run(handle.type, () => this.inner.save(handle, body, signal), signal);
  }

  override async remove(handle: FileHandle, signal?: AbortSignal): Promise<void> {
    checkHandle(handle);
    return this.#run(handle.type, () => this.inner.remove(handle, signal), signal);
  }

  #run<Result>(
    type: FileHandle["type"],
    work: () => Promise<Result>,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    return type === "locks" ? work() : this.#slots.run(work, signal);
  }
}
