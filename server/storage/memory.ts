/** Repositories in memory, for tests and as the plain reading of what the Storage port promises. */
import { CofferError } from "../../shared/errors.ts";
import { describeHandle, type FileHandle, type FileType, fileTypes, isId, pathOf } from "../../shared/format/layout.ts";
import { type ByteSelection, requireExtent } from "./selection.ts";
import type { Repositories, Storage, StoredContent, StoredFile } from "./storage.ts";

/** Path to content; the path of a folder ends with "/" and has no content. */
type MemoryFiles = Map<string, Uint8Array>;

export class MemoryRepositories implements Repositories {
  readonly #files: MemoryFiles = new Map();

  at(folders: readonly string[]): Storage {
    return new MemoryStorage(this.#files, folders.map((folder) => `${folder}/`).join(""));
  }
}

class MemoryStorage implements Storage {
  readonly #files: MemoryFiles;
  readonly #prefix: string;

  constructor(files: MemoryFiles, prefix: string) {
    this.#files = files;
    this.#prefix = `/${prefix}`;
  }

  async create(): Promise<void> {
    this.#files.set(this.#prefix, new Uint8Array());
    for (const type of fileTypes) this.#files.set(`${this.#prefix}${type}/`, new Uint8Array());
  }

  async *list(type: FileType): AsyncIterable<readonly StoredFile[]> {
    const folder = `${this.#prefix}${type}/`;
    if (!this.#files.has(folder)) throw new CofferError("not-found", `folder ${folder} does not exist`);
    const batch: StoredFile[] = [];
    for (const [path, content] of this.#files) {
      const id = path.slice(-64);
      if (path.startsWith(folder) && isId(id)) batch.push({ id, sizeBytes: content.length });
    }
    yield batch;
  }

  async stat(handle: FileHandle): Promise<number> {
    return this.#find(handle).length;
  }

  async read(handle: FileHandle, selection?: ByteSelection): Promise<StoredContent> {
    const content = this.#find(handle);
    const { offsetBytes, lengthBytes } = requireExtent(selection, content.length);
    return {
      totalBytes: content.length,
      offsetBytes,
      lengthBytes,
      async *chunks() {
        if (lengthBytes > 0) yield content.slice(offsetBytes, offsetBytes + lengthBytes);
      },
      async close() {},
    };
  }

  async put(handle: FileHandle, body: AsyncIterable<Uint8Array>): Promise<void> {
    const path = this.#prefix + pathOf(handle);
    const folder = handle.type === "config" ? this.#prefix : `${this.#prefix}${handle.type}/`;
    if (handle.type === "config" && !this.#files.has(folder)) {
      throw new CofferError("not-found", `repository ${folder} does not exist`);
    }
    this.#refuseExisting(handle);
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(new Uint8Array(chunk));
    this.#refuseExisting(handle);
    this.#files.set(this.#prefix, new Uint8Array());
    this.#files.set(folder, new Uint8Array());
    this.#files.set(path, new Uint8Array(Buffer.concat(chunks)));
  }

  async remove(handle: FileHandle): Promise<void> {
    this.#files.delete(this.#prefix + pathOf(handle));
  }

  #refuseExisting(handle: FileHandle): void {
    if (!this.#files.has(this.#prefix + pathOf(handle))) return;
    throw new CofferError("already-exists", `${describeHandle(handle)} exists already`);
  }

  #find(handle: FileHandle): Uint8Array {
    const content = this.#files.get(this.#prefix + pathOf(handle));
    if (content === undefined) throw new CofferError("not-found", `${describeHandle(handle)} does not exist`);
    return content;
  }
}
