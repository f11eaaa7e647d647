/** Which repository a stored file counts for. */
import { isFolderName, isReservedName } from "./folder-name.ts";
import type { StoredUsage } from "./storage.ts";

const greatestDepth = 2;

/**
 * What has one of a repository's own names below at most two folders belongs to that repository. The names are those of the folders
 * that lead to the file; a file that is itself called `config` comes with its own name, because that is one of them.
 */
export function usageOf(names: readonly string[], sizeBytes: number): StoredUsage {
  const depth = names.findIndex(isReservedName);
  const folders = names.slice(0, Math.max(0, depth));
  const isInRepository = depth >= 0 && depth <= greatestDepth && folders.every(isFolderName);
  return isInRepository ? { folders, sizeBytes } : { sizeBytes };
}
