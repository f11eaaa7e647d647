/** Append-only: nothing but locks can be removed. Overwriting is refused by every storage anyway. */
import { CofferError } from "../../shared/errors.ts";
import { describeHandle, type FileHandle, type FileType } from "../../shared/format/layout.ts";
import type { ByteSelection } from "./selection.ts";
import type { Storage, StoredContent, StoredFile } from "./storage.ts";

export class AppendOnlyStorage implements Storage {
  readonly #inner: Storage;

  constructor(inner: Storage) {
    this.#inner = inner;
  }

  create(): Promise<void> {
    return this.#inner.create();
  }

  list(type: FileType): AsyncIterable<readonly StoredFile[]> {
    return this.#inner.list(type);
  }

  stat(handle: FileHandle): Promise<number> {
    return this.#inner.stat(handle);
  }

  read(handle: FileHandle, selection?: ByteSelection): Promise<StoredContent> {
    return this.#inner.read(handle, selection);
  }

  put(handle: FileHandle, body: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#inner.put(handle, body);
  }

  /** Throws `forbidden` for everything but locks, also for what does not exist. */
  async remove(handle: FileHandle): Promise<void> {
    if (handle.type !== "locks") {
      throw new CofferError("forbidden", `${describeHandle(handle)} cannot be removed: the server is append-only`);
    }
    await this.#inner.remove(handle);
  }
}
