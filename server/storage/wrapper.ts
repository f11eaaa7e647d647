/** The base of wrappers: passes everything on, so that a wrapper states only what it changes. */
import type { FileHandle, FileType } from "../../shared/format/layout.ts";
import type { ByteSelection } from "./selection.ts";
import type { Storage, StoredContent, StoredFile, UploadBody } from "./storage.ts";

export class StorageWrapper implements Storage {
  protected readonly inner: Storage;

  constructor(inner: Storage) {
    this.inner = inner;
  }

  create(): Promise<void> {
    return this.inner.create();
  }

  list(type: FileType): AsyncIterable<readonly StoredFile[]> {
    return this.inner.list(type);
  }

  stat(handle: FileHandle): Promise<number> {
    return this.inner.stat(handle);
  }

  read(handle: FileHandle, selection?: ByteSelection): Promise<StoredContent> {
    return this.inner.read(handle, selection);
  }

  put(handle: FileHandle, body: UploadBody): Promise<void> {
    return this.inner.put(handle, body);
  }

  remove(handle: FileHandle): Promise<void> {
    return this.inner.remove(handle);
  }
}
