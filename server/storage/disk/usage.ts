/** What a data folder holds, for the start of its accounting. */
import { type Dirent, readdirSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import type { StoredUsage } from "../storage.ts";
import { usageOf } from "../usage-place.ts";
import { failedWith, fileSystemError } from "./file-system.ts";
import { isUnfinishedUpload, ownFolder } from "./uploads.ts";

/**
 * The sizes of all files, folder by folder; nothing for a data folder that does not exist. Temporary files are left out. It
 * blocks: before the first request nobody waits, and handing each call to a thread takes ten times as long. Throws `unavailable`.
 */
export function* measureUsage(dataFolder: string): Iterable<StoredUsage> {
  try {
    yield* measureFolder(dataFolder, [], new Set());
  } catch (error) {
    throw fileSystemError(error, `cannot measure ${dataFolder}`);
  }
}

/** Links are followed, as the server does it; a folder that several names lead to counts once. */
function* measureFolder(path: string, names: readonly string[], visited: Set<string>): Iterable<StoredUsage> {
  const own = statusOf(path);
  if (own === undefined || visited.has(`${own.dev}:${own.ino}`)) return;
  visited.add(`${own.dev}:${own.ino}`);
  let sizeBytes = 0;
  for (const entry of entriesOf(path)) {
    if (isUnfinishedUpload(entry.name) || (names.length === 0 && entry.name === ownFolder)) continue;
    const entryPath = join(path, entry.name);
    const status = entry.isDirectory() ? undefined : statusOf(entryPath);
    if (entry.isDirectory() || status?.isDirectory() === true) {
      yield* measureFolder(entryPath, [...names, entry.name], visited);
    } else if (status?.isFile() === true) {
      if (entry.name === "config") yield usageOf([...names, entry.name], status.size);
      else sizeBytes += status.size;
    }
  }
  if (sizeBytes > 0) yield usageOf(names, sizeBytes);
}

/** Empty for what cannot be looked into (a file system's lost+found): the server can store nothing there either. */
function entriesOf(folder: string): readonly Dirent[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    // Links last: what has a name of its own counts under that one.
    return [
      ...entries.filter((entry) => !entry.isSymbolicLink()),
      ...entries.filter((entry) => entry.isSymbolicLink()),
    ];
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR", "EACCES", "EPERM")) return [];
    throw error;
  }
}

/** Undefined for a link that leads nowhere, and for what was removed just now. */
function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES", "EPERM")) return undefined;
    throw error;
  }
}
