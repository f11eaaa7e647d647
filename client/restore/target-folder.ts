/**
 * The folders below the target of a restore, reached so that nothing can lead out of the target: not a link that lies in
 * it, not one that the snapshot itself contains, and not one that somebody puts there while the restore runs.
 *
 * On Linux a folder is an open descriptor, opened name by name without following links, and its entries are reached as
 * /proc/self/fd/<descriptor>/<name>: what openat does, and node:fs lacks. Where /proc is missing, every use checks each
 * folder on the way by its device and inode number; that leaves a gap of microseconds to somebody who can write to
 * the target at the same time, and nothing else.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, statSync } from "node:fs";
import { CofferError } from "../../shared/errors.ts";
import { descriptorCalls } from "../platform/descriptor-calls.ts";
import { type BytePath, bytePathOf, bytesOf, nameOf, parentOf, systemPathOf, textOf } from "./byte-path.ts";

/** Not in node:fs. A descriptor for reaching what is below it only; needs no permission on the folder itself. */
export const openPathOnly: number = process.platform === "linux" ? 0o10000000 : 0;

/** What node:fs takes. */
export type SystemPath = string | Buffer;

/** One folder of the target. Its paths are only good while it is open. */
export interface TargetFolder {
  /** A path to the entry of that name, for calls that do not follow a link in the last place. */
  pathOf(name: BytePath): SystemPath;
  /** A path to the folder itself, for calls that follow links. */
  ownPath(): SystemPath;
  /** A descriptor for the entry of that name. `flags` must have O_NOFOLLOW. Throws what the system says. */
  openFile(name: BytePath, flags: number, mode: number): number;
  /** Throws what the system says: ENOENT, or ENOTDIR for anything but a folder, a link to one included. */
  open(name: BytePath): TargetFolder;
  close(): void;
}

/**
 * Opens the target. Links on the way to it are followed: it is the place that the user named. `descriptor`: one that
 * another thread holds open on it.
 */
export function openTarget(path: Uint8Array, descriptor?: number): TargetFolder {
  if (hasDescriptorPaths()) return new DescriptorFolder(descriptor ?? openFolder(path), descriptor === undefined);
  return openCheckedTarget(path);
}

/** The same for systems without descriptor paths. */
export function openCheckedTarget(path: Uint8Array): TargetFolder {
  const status = statSync(Buffer.from(path), { bigint: true });
  if (!status.isDirectory()) throw notAFolder(bytePathOf(path));
  return new CheckedFolder(undefined, bytePathOf(path), status.dev, status.ino);
}

/** A descriptor that `openTarget` takes in another thread. */
export function openFolder(path: Uint8Array): number {
  return openSync(Buffer.from(path), constants.O_RDONLY | constants.O_DIRECTORY | openPathOnly);
}

let descriptorPaths: boolean | undefined;

/** Does /proc lead to our descriptors? Not in every container, and not on other systems. */
export function hasDescriptorPaths(): boolean {
  descriptorPaths ??= probeDescriptorPaths();
  return descriptorPaths;
}

function probeDescriptorPaths(): boolean {
  if (process.platform !== "linux") return false;
  const descriptor = openFolder(Buffer.from("/"));
  try {
    const direct = fstatSync(descriptor, { bigint: true });
    const throughProc = statSync(`/proc/self/fd/${descriptor}/.`, { bigint: true });
    return direct.ino === throughProc.ino && direct.dev === throughProc.dev;
  } catch {
    return false;
  } finally {
    closeSync(descriptor);
  }
}

class DescriptorFolder implements TargetFolder {
  readonly #descriptor: number;
  readonly #prefix: string;
  readonly #isOwner: boolean;

  constructor(descriptor: number, isOwner: boolean) {
    this.#descriptor = descriptor;
    this.#prefix = `/proc/self/fd/${descriptor}/`;
    this.#isOwner = isOwner;
  }

  pathOf(name: BytePath): SystemPath {
    return systemPathOf(this.#prefix + name);
  }

  ownPath(): SystemPath {
    return `${this.#prefix}.`;
  }

  openFile(name: BytePath, flags: number, mode: number): number {
    const { openAt } = descriptorCalls();
    // Cheaper than the path by a third, where it is to be had.
    if (openAt !== undefined) return openAt(this.#descriptor, bytesOf(name), flags, mode);
    return openSync(this.pathOf(name), flags, mode);
  }

  open(name: BytePath): TargetFolder {
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | openPathOnly;
    return new DescriptorFolder(openSync(this.pathOf(name), flags), true);
  }

  close(): void {
    if (this.#isOwner) closeSync(this.#descriptor);
  }
}

class CheckedFolder implements TargetFolder {
  readonly #parent: CheckedFolder | undefined;
  readonly #path: BytePath;
  readonly #device: bigint;
  readonly #inode: bigint;

  constructor(parent: CheckedFolder | undefined, path: BytePath, device: bigint, inode: bigint) {
    this.#parent = parent;
    this.#path = path;
    this.#device = device;
    this.#inode = inode;
  }

  pathOf(name: BytePath): SystemPath {
    this.#check();
    return systemPathOf(`${this.#path}/${name}`);
  }

  ownPath(): SystemPath {
    this.#check();
    return systemPathOf(this.#path);
  }

  openFile(name: BytePath, flags: number, mode: number): number {
    return openSync(this.pathOf(name), flags, mode);
  }

  open(name: BytePath): TargetFolder {
    const status = lstatSync(this.pathOf(name), { bigint: true });
    const path = `${this.#path}/${name}`;
    if (!status.isDirectory()) throw notAFolder(path);
    return new CheckedFolder(this, path, status.dev, status.ino);
  }

  close(): void {}

  /** Each folder from the target to here must still be the one that was opened. */
  #check(): void {
    const path = systemPathOf(this.#path);
    if (this.#parent !== undefined) this.#parent.#check();
    const status = this.#parent === undefined ? statSync(path, { bigint: true }) : lstatSync(path, { bigint: true });
    if (status.dev === this.#device && status.ino === this.#inode && status.isDirectory()) return;
    const shown = textOf(this.#path);
    throw new CofferError("forbidden", `${shown} was exchanged while the restore ran: nothing is written there`);
  }
}

function notAFolder(path: BytePath): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`ENOTDIR: not a directory, open '${textOf(path)}'`);
  error.code = "ENOTDIR";
  return error;
}

/** How many folders one thread keeps open. */
const maxOpenFolders = 128;

/** Opens folders of one target by their path, name by name, and keeps those last used open. */
export class FolderCache {
  readonly #root: TargetFolder;
  /** By path, the one unused for longest first. */
  readonly #open = new Map<BytePath, TargetFolder>();

  constructor(root: TargetFolder) {
    this.#root = root;
  }

  /** Throws what the system says about the first name on the way that is missing or no folder. */
  open(path: BytePath): TargetFolder {
    if (path === "") return this.#root;
    const known = this.#open.get(path);
    if (known !== undefined) {
      this.#open.delete(path);
      this.#open.set(path, known);
      return known;
    }
    const folder = this.open(parentOf(path)).open(nameOf(path));
    this.#open.set(path, folder);
    for (const [oldest, stale] of this.#open) {
      if (this.#open.size <= maxOpenFolders) break;
      this.#open.delete(oldest);
      stale.close();
    }
    return folder;
  }

  /** To be called when a folder is removed: another one may get its name. */
  forget(path: BytePath): void {
    for (const [known, folder] of this.#open) {
      if (known !== path && !known.startsWith(`${path}/`)) continue;
      this.#open.delete(known);
      folder.close();
    }
  }

  close(): void {
    for (const folder of this.#open.values()) folder.close();
    this.#open.clear();
    this.#root.close();
  }
}
