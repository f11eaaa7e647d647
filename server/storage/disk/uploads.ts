/**
 * Where uploads grow until they are whole: files in a few folders beside the repositories, so that they are never listed and
 * sweeping what a crash left behind takes no search. A folder of a repository can lie on another file system, where a file from
 * here cannot be linked to. Then the upload grows in that folder, and a symbolic link here, made before it, tells the sweep.
 */
import { copyFile, readdir, readlink, symlink } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import {
  closeFile,
  createFlags,
  failedWith,
  type Modes,
  openFile,
  ownerModes,
  syncFile,
  unlinkFile,
} from "./file-system.ts";
import type { Folders } from "./folders.ts";
import { isInUse, newUploadName } from "./upload-names.ts";

/** The server's own folder under the data folder; no repository can have its name. */
export const ownFolder = ".coffer";

/**
 * Uploads take turns in so many folders: in a single one, each would wait for the others' names to be made and removed. With these, five
 * small uploads at once take a quarter less CPU time, and forty almost half less.
 */
const turnFolders: readonly string[] = ["0", "1", "2", "3", "4", "5", "6", "7"];

const distantPrefix = ".coffer-upload-";

/** True for the names of unfinished uploads outside the server's own folder. */
export function isUnfinishedUpload(name: string): boolean {
  return name.startsWith(distantPrefix);
}

/** A file that is being written and not yet visible under its name. */
export interface TemporaryFile {
  readonly path: string;
  readonly descriptor: number;
  /** The symbolic link that tells of a file outside the uploads folder. */
  readonly note?: string;
}

export class Uploads {
  /** Above those where uploads grow. Earlier versions had them here. */
  readonly #folder: string;
  readonly #turnFolders: readonly string[];
  #turn = 0;
  readonly #folders: Folders;
  readonly #modes: Modes;
  /** Folders (of a type, in a repository) that turned out to be on another file system. */
  readonly #distantFolders = new Set<string>();

  constructor(dataFolder: string, folders: Folders, modes: Modes = ownerModes) {
    this.#folder = join(dataFolder, ownFolder, "uploads");
    this.#turnFolders = turnFolders.map((name) => join(this.#folder, name));
    this.#folders = folders;
    this.#modes = modes;
  }

  /**
   * Opens a new file for an upload that will get its place in `targetFolder`. `distanceKey` names the folder that decides
   * whether that is on this file system.
   */
  async open(targetFolder: string, distanceKey: string): Promise<TemporaryFile> {
    if (this.#distantFolders.has(distanceKey)) return this.#openDistant(targetFolder);
    const folder = this.#nextFolder();
    const path = join(folder, newUploadName());
    return { path, descriptor: await this.#within(folder, () => openFile(path, createFlags, this.#modes.file)) };
  }

  /** Copies a finished file to where it can be linked to its place, and remembers to begin there from now on. */
  async moveNear(file: TemporaryFile, targetFolder: string, distanceKey: string): Promise<TemporaryFile> {
    this.#distantFolders.add(distanceKey);
    const copy = await this.#openDistant(targetFolder);
    try {
      await copyFile(file.path, copy.path);
      await syncFile(copy.descriptor);
    } catch (error) {
      await this.discard(copy);
      throw error;
    } finally {
      closeFile(copy.descriptor);
    }
    await this.discard(file);
    return copy;
  }

  /** Removes the temporary name; what was linked to its place stays. Never throws: the next start sweeps what is left. */
  async discard(file: TemporaryFile): Promise<void> {
    await removeQuietly(file.path);
    if (file.note !== undefined) await removeQuietly(file.note);
  }

  /** Removes what earlier runs left behind, and nothing of servers that run. Returns how many unfinished uploads there were. */
  async sweep(): Promise<number> {
    let count = 0;
    for (const folder of [this.#folder, ...this.#turnFolders]) count += await sweepFolder(folder);
    return count;
  }

  #nextFolder(): string {
    this.#turn = (this.#turn + 1) % this.#turnFolders.length;
    return this.#turnFolders[this.#turn] ?? this.#folder;
  }

  async #openDistant(targetFolder: string): Promise<TemporaryFile> {
    const name = newUploadName();
    const path = join(targetFolder, distantPrefix + name);
    const folder = this.#nextFolder();
    const note = join(folder, name);
    await this.#folders.make(targetFolder);
    await this.#within(folder, () => symlink(relative(folder, path), note));
    try {
      return { path, note, descriptor: await openFile(path, createFlags, this.#modes.file) };
    } catch (error) {
      await removeQuietly(note);
      throw error;
    }
  }

  /** The folder is made when the first upload needs it: a server that is only read from writes nothing. */
  async #within<Result>(folder: string, action: () => Promise<Result>): Promise<Result> {
    try {
      return await action();
    } catch (error) {
      if (!failedWith(error, "ENOENT")) throw error;
      // Durably: the data folder may be among those that are made.
      await this.#folders.make(folder);
      return action();
    }
  }
}

/** Returns how many unfinished uploads this has removed: processes that start together sweep the same folder, and each file is gone for all but one. */
async function sweepFolder(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (failedWith(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  });
  let count = 0;
  for (const entry of entries) {
    if (!entry.isFile() && !entry.isSymbolicLink()) continue;
    const path = join(folder, entry.name);
    if (await isInUse(path)) continue;
    if (await removeSwept(path, entry.isSymbolicLink())) count += 1;
  }
  return count;
}

/** False when somebody else has removed it. */
async function removeSwept(path: string, isNote: boolean): Promise<boolean> {
  try {
    if (isNote) await sweepDistant(resolve(dirname(path), await readlink(path)));
    await unlinkFile(path);
    return true;
  } catch (error) {
    if (failedWith(error, "ENOENT")) return false;
    throw error;
  }
}

async function sweepDistant(path: string): Promise<void> {
  // Whatever a link may point at, only files of our making are removed.
  if (basename(path).startsWith(distantPrefix)) await removeQuietly(path);
}

async function removeQuietly(path: string): Promise<void> {
  await unlinkFile(path).catch(() => undefined);
}
