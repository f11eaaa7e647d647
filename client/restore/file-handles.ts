/** Opens the files that one thread writes to, and keeps those with more pieces to come open. */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { CofferError } from "../../shared/errors.ts";
import { textOf } from "./byte-path.ts";
import type { FileToWrite } from "./file-tasks.ts";
import type { FolderCache } from "./target-folder.ts";

const maxOpenFiles = 64;
/** Until the metadata is applied, nobody else has business with the content. */
const newFileMode = 0o600;

export class FileHandles {
  readonly #folders: FolderCache;
  /** Descriptors by file number, the one unused for longest first. */
  readonly #open = new Map<number, number>();
  /** Files that were made here: a second opening must not make them again. */
  readonly #created = new Set<number>();

  constructor(folders: FolderCache) {
    this.#folders = folders;
  }

  /** A descriptor for writing. Throws what the system says, and `forbidden` when the file is not the expected one. */
  descriptorOf(file: FileToWrite): number {
    const known = this.#open.get(file.number);
    if (known !== undefined) {
      this.#open.delete(file.number);
      this.#open.set(file.number, known);
      return known;
    }
    const descriptor = this.#openFile(file);
    this.#open.set(file.number, descriptor);
    for (const [oldest, stale] of this.#open) {
      if (this.#open.size <= maxOpenFiles) break;
      this.#open.delete(oldest);
      closeSync(stale);
    }
    return descriptor;
  }

  /** To be called after the last piece, and when a file has failed. */
  close(file: FileToWrite): void {
    this.#created.delete(file.number);
    const descriptor = this.#open.get(file.number);
    if (descriptor === undefined) return;
    this.#open.delete(file.number);
    closeSync(descriptor);
  }

  closeAll(): void {
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
  }

  #openFile(file: FileToWrite): number {
    const path = this.#folders.open(file.folder).pathOf(file.name);
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
    if (file.creates && !this.#created.has(file.number)) {
      const descriptor = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, newFileMode);
      this.#created.add(file.number);
      return descriptor;
    }
    const descriptor = openSync(path, O_WRONLY | O_NOFOLLOW | constants.O_NONBLOCK);
    const status = fstatSync(descriptor);
    if (status.isFile() && status.nlink === 1) return descriptor;
    closeSync(descriptor);
    // Writing to a file with another name would change what lies outside of the target.
    const shown = JSON.stringify(textOf(file.name));
    throw new CofferError("forbidden", `${shown} was exchanged while the restore ran: it is left alone`);
  }
}
