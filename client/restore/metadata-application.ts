/**
 * Applies metadata to what was restored. Owner comes before attributes and mode, because a change of owner clears
 * capabilities and set-user-id bits. Order: docs/format.md, what a restore takes from a node.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
  lstatSync,
  openSync,
  statSync,
} from "node:fs";
import { CofferError } from "../../shared/errors.ts";
import { descriptorCalls } from "../platform/descriptor-calls.ts";
import { systemCalls } from "../platform/system-calls.ts";
import { type BytePath, bytePathOf, textOf } from "./byte-path.ts";
import { type ItemMetadata, isGivenBySystem, permissionMask } from "./item-metadata.ts";
import { hasDescriptorPaths, openPathOnly, type SystemPath, type TargetFolder } from "./target-folder.ts";

/** Only root may give files away, and set what the system keeps to itself. */
function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** Tries all steps; the first failure counts. Permission errors of ordinary users are no failures. */
class Steps {
  #failure: unknown;

  try(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (isPermissionError(error) && !isRoot()) return;
      this.#failure ??= error;
    }
  }

  throwFirst(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

function isPermissionError(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "EPERM" || code === "EACCES";
}

/** The calls on one item, whatever it is reached by. */
interface ItemCalls {
  chown(uid: number, gid: number): void;
  listXattrs(): Buffer[];
  setXattr(name: Uint8Array, value: Uint8Array): void;
  removeXattr(name: Uint8Array): void;
  setTimes(atimeNs: bigint, mtimeNs: bigint): void;
  chmod(mode: number): void;
}

/** Tells whether an attribute may be removed from an item. */
type XattrTest = (name: string) => boolean;

/** What is known of an item that was just made: calls that would change nothing are spared. */
export interface FreshItem {
  readonly uid: number;
  readonly gid: number;
  /** May the folder have given it attributes? */
  readonly mayHaveXattrs: boolean;
}

function applySteps(calls: ItemCalls, metadata: ItemMetadata, isSelected?: XattrTest, fresh?: FreshItem): void {
  const steps = new Steps();
  const { uid, gid } = metadata;
  if (uid !== fresh?.uid || gid !== fresh.gid) steps.try(() => calls.chown(uid, gid));
  for (const { name, value } of metadata.xattrs) steps.try(() => calls.setXattr(name, value));
  const mayRemove = metadata.removesOtherXattrs ? () => true : isSelected;
  if (mayRemove !== undefined && fresh?.mayHaveXattrs !== false) removeOtherXattrs(calls, metadata, steps, mayRemove);
  steps.try(() => calls.setTimes(metadata.atimeNs, metadata.mtimeNs));
  steps.try(() => calls.chmod(metadata.mode));
  steps.throwFirst();
}

function removeOtherXattrs(
  calls: Pick<ItemCalls, "listXattrs" | "removeXattr">,
  metadata: ItemMetadata,
  steps: Steps,
  isSelected: XattrTest,
): void {
  let present: readonly Buffer[] = [];
  steps.try(() => {
    present = calls.listXattrs();
  });
  if (present.length === 0) return;
  const wanted = new Set(metadata.xattrs.map(({ name }) => bytePathOf(name)));
  for (const name of present) {
    if (wanted.has(bytePathOf(name)) || isGivenBySystem(name) || !isSelected(name.toString())) continue;
    steps.try(() => calls.removeXattr(name));
  }
}

/**
 * What a file is like that this process makes in a folder, seen on one that it has just made there. Whose it is depends on more than the
 * process: on the folder's mode, on options of the mount, on what a server of files makes of root.
 */
export function freshItemIn(folder: TargetFolder, descriptor: number): FreshItem {
  const { uid, gid } = fstatSync(descriptor);
  const names = systemCalls().listXattrs(Buffer.from(folder.ownPath()));
  return { uid, gid, mayHaveXattrs: names.some((name) => name.toString() === "system.posix_acl_default") };
}

/** Of an open regular file. Throws the first failure after all steps were tried. */
export function applyToFile(descriptor: number, metadata: ItemMetadata, fresh?: FreshItem): void {
  const calls = descriptorCalls();
  if (fresh !== undefined && needsTimesAndModeOnly(metadata, fresh)) {
    calls.setTimes(descriptor, metadata.atimeNs, metadata.mtimeNs);
    fchmodSync(descriptor, metadata.mode);
    return;
  }
  applySteps(
    {
      chown: (uid, gid) => fchownSync(descriptor, uid, gid),
      listXattrs: () => calls.listXattrs(descriptor),
      setXattr: (name, value) => calls.setXattr(descriptor, name, value),
      removeXattr: (name) => calls.removeXattr(descriptor, name),
      setTimes: (atimeNs, mtimeNs) => calls.setTimes(descriptor, atimeNs, mtimeNs),
      chmod: (mode) => fchmodSync(descriptor, mode),
    },
    metadata,
    undefined,
    fresh,
  );
}

/** Most files of most restores. */
function needsTimesAndModeOnly({ uid, gid, xattrs }: ItemMetadata, fresh: FreshItem): boolean {
  return uid === fresh.uid && gid === fresh.gid && xattrs.length === 0 && !fresh.mayHaveXattrs;
}

/** Of a folder. Throws as `applyToFile`. */
export function applyToFolder(folder: TargetFolder, metadata: ItemMetadata, isSelected?: XattrTest): void {
  const path = folder.ownPath();
  applySteps(callsOnPath(path, path, true), metadata, isSelected);
}

export type EntryType = "file" | "symlink" | "dev" | "chardev" | "fifo";

/**
 * Of anything but a folder, by its name. The item is held by a descriptor while its metadata changes, so that nobody can
 * slip in another file under the name: it must be of the given type and have no other name. Throws as `applyToFile`,
 * and `forbidden` when the item is not what was expected.
 */
export function applyToEntry(
  folder: TargetFolder,
  name: BytePath,
  type: EntryType,
  metadata: ItemMetadata,
  isSelected?: XattrTest,
): void {
  const path = folder.pathOf(name);
  if (!hasDescriptorPaths()) {
    checkEntry(lstatSync(path), type, name);
    applySteps(callsOnPath(path, path, false, type), metadata, isSelected);
    return;
  }
  const descriptor = openSync(path, openPathOnly | constants.O_NOFOLLOW);
  try {
    checkEntry(fstatSync(descriptor), type, name);
    // Following this path ends at the item itself, even at a link. Calls on attributes do not follow: they get the name.
    const itself = `/proc/self/fd/${descriptor}`;
    applySteps(callsOnPath(itself, path, true, type), metadata, isSelected);
  } finally {
    closeSync(descriptor);
  }
}

interface TypedStatus {
  readonly nlink: number;
  isFile(): boolean;
  isSymbolicLink(): boolean;
  isBlockDevice(): boolean;
  isCharacterDevice(): boolean;
  isFIFO(): boolean;
}

function checkEntry(status: TypedStatus, type: EntryType, name: BytePath): void {
  const isOfType = {
    file: status.isFile(),
    symlink: status.isSymbolicLink(),
    dev: status.isBlockDevice(),
    chardev: status.isCharacterDevice(),
    fifo: status.isFIFO(),
  };
  if (isOfType[type] && status.nlink === 1) return;
  const shown = JSON.stringify(textOf(name));
  throw new CofferError("forbidden", `${shown} was exchanged while the restore ran: it is left alone`);
}

/** `entryPath` names the item for the calls on attributes, which never follow a link. A link has no mode. */
function callsOnPath(path: SystemPath, entryPath: SystemPath, follows: boolean, type?: EntryType): ItemCalls {
  const calls = systemCalls();
  const bytes = Buffer.from(path);
  const entryBytes = Buffer.from(entryPath);
  return {
    chown: (uid, gid) => (follows ? chownSync(path, uid, gid) : lchownSync(path, uid, gid)),
    listXattrs: () => calls.listXattrs(entryBytes),
    setXattr: (name, value) => calls.setXattr(entryBytes, name, value),
    removeXattr: (name) => calls.removeXattr(entryBytes, name),
    setTimes: (atimeNs, mtimeNs) => calls.utimensat(bytes, atimeNs, mtimeNs, !follows),
    chmod: type === "symlink" ? () => {} : (mode) => chmodSync(path, mode),
  };
}

const ownerMayEverything = 0o700;

/** Lets an owner who is not root work in a folder that exists; its own mode comes back with the metadata. */
export function makeFolderUsable(folder: TargetFolder): void {
  if (isRoot()) return;
  const path = folder.ownPath();
  const { mode } = statSync(path);
  if ((mode & ownerMayEverything) !== ownerMayEverything) chmodSync(path, (mode & permissionMask) | ownerMayEverything);
}

/** Lets the owner write to a file that is about to be written to; its own mode comes back with the metadata. */
export function makeWritable(folder: TargetFolder, name: BytePath): void {
  const descriptor = openSync(folder.pathOf(name), openPathOnly | constants.O_NOFOLLOW);
  try {
    checkEntry(fstatSync(descriptor), "file", name);
    if (hasDescriptorPaths()) chmodSync(`/proc/self/fd/${descriptor}`, 0o600);
    else fchmodSync(descriptor, 0o600);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Removes the attributes of a restored file that the snapshot does not have and the selection does: for selections, which
 * cannot be posted to the threads that finish files. Throws as `applyToFile`.
 */
export function removeSelectedXattrs(
  folder: TargetFolder,
  name: BytePath,
  metadata: ItemMetadata,
  isSelected: XattrTest,
): void {
  const path = folder.pathOf(name);
  const steps = new Steps();
  removeOtherXattrs(callsOnPath(path, path, false), metadata, steps, isSelected);
  steps.throwFirst();
}
