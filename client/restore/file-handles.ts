/** Opens the files that one thread writes to, and keeps those with more pieces to come open. */
import { closeSync, constants, fstatSync } from "node:fs";
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

  /** A file that is made, and that nobody else will ask for: the caller closes it. Throws as `descriptorOf`. */
  createFile(file: FileToWrite): number {
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
    const folder = this.#folders.open(file.folder);
    return folder.openFile(file.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, newFileMode);
  }

  has(file: FileToWrite): boolean {
    return this.#open.has(file.number) || this.#created.has(file.number);
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
    if (file.creates && !this.#created.has(file.number)) {
      const descriptor = this.createFile(file);
      this.#created.add(file.number);
      return descriptor;
    }
    const flags = constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const descriptor = this.#folders.open(file.folder).openFile(file.name, flags, newFileMode);
    const status = fstatSync(descriptor);
    if (status.isFile() && status.nlink === 1) return descriptor;
    closeSync(descriptor);
    // Writing to a file with another name would change what lies outside of the target.
    const shown = JSON.stringify(textOf(file.name));
    throw new CofferError("forbidden", `${shown} was exchanged while the restore ran: it is left alone`);
  }
}
