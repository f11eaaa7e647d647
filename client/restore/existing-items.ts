/** What is in the target already: whether it is written over, and how it is taken out of the way. */
import { type BigIntStats, lstatSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { CofferError } from "../../shared/errors.ts";
import { type BytePath, bytePathOf, joinPath, nameOf, parentOf } from "./byte-path.ts";
import type { OverwriteMode } from "./options.ts";
import type { FolderCache, TargetFolder } from "./target-folder.ts";

/** The entry itself, links not followed; undefined when there is none. */
export function statusOf(folder: TargetFolder, name: BytePath): BigIntStats | undefined {
  return lstatSync(folder.pathOf(name), { bigint: true, throwIfNoEntry: false });
}

/** Does the mode let an existing item be written over? `mtimeNs` is that of the snapshot. */
export function mayOverwrite(status: BigIntStats, mtimeNs: bigint, mode: OverwriteMode): boolean {
  if (mode === "never") return false;
  return mode !== "if-newer" || mtimeNs > status.mtimeNs;
}

/** What has to be done for a regular file. */
export type FileDecision =
  /** Nothing is there, or what is there is no regular file and has to go. */
  | "create"
  /** A regular file: its content has to be compared. */
  | "compare"
  /** A regular file that counts as unchanged without a look at its content. */
  | "unchanged"
  /** Left alone, metadata too. */
  | "skip";

export function decideFile(
  status: BigIntStats | undefined,
  wanted: { readonly sizeBytes: number; readonly mtimeNs: bigint },
  mode: OverwriteMode,
): FileDecision {
  if (status === undefined) return "create";
  if (!mayOverwrite(status, wanted.mtimeNs, mode)) return "skip";
  if (!status.isFile()) return "create";
  const looksSame = Number(status.size) === wanted.sizeBytes && status.mtimeNs === wanted.mtimeNs;
  return mode === "if-changed" && looksSame ? "unchanged" : "compare";
}

/** Told of everything that is removed, contents before their folders. Paths are relative to the target. */
export type RemovalObserver = (path: BytePath) => void;

/**
 * Removes whatever is at a path, never following a link. A folder that is not empty is only removed with its content
 * when `recursive`; otherwise ENOTEMPTY is thrown.
 */
export function removeEntry(
  folders: FolderCache,
  path: BytePath,
  status: BigIntStats,
  recursive: boolean,
  onRemoved?: RemovalObserver,
): void {
  const folder = folders.open(parentOf(path));
  if (!status.isDirectory()) {
    unlinkSync(folder.pathOf(nameOf(path)));
  } else {
    folders.forget(path);
    if (recursive) removeContent(folders, path, onRemoved);
    folders.forget(path);
    rmdirSync(folders.open(parentOf(path)).pathOf(nameOf(path)));
  }
  onRemoved?.(path);
}

function removeContent(folders: FolderCache, path: BytePath, onRemoved: RemovalObserver | undefined): void {
  for (const name of entryNames(folders.open(path))) {
    const status = statusOf(folders.open(path), name);
    if (status !== undefined) removeEntry(folders, joinPath(path, name), status, true, onRemoved);
  }
}

/** The names of all entries. */
export function entryNames(folder: TargetFolder): BytePath[] {
  return readdirSync(folder.ownPath(), { encoding: "buffer" }).map(bytePathOf);
}

const newFolderMode = 0o700;

/**
 * Makes a folder, or takes the one that is there; anything else of that name is removed, unless nothing may be
 * overwritten: then it throws. True when the folder is new, and so certainly empty.
 */
export function makeFolder(folders: FolderCache, path: BytePath, mode: OverwriteMode): boolean {
  const folder = folders.open(parentOf(path));
  const name = nameOf(path);
  if (tryMakeFolder(folder, name)) return true;
  const status = statusOf(folder, name);
  if (status?.isDirectory()) return false;
  if (status !== undefined) {
    if (mode === "never") {
      throw new CofferError("already-exists", "what is there is no folder, and nothing may be overwritten");
    }
    unlinkSync(folder.pathOf(name));
  }
  mkdirSync(folder.pathOf(name), newFolderMode);
  return true;
}

function tryMakeFolder(folder: TargetFolder, name: BytePath): boolean {
  try {
    mkdirSync(folder.pathOf(name), newFolderMode);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}
