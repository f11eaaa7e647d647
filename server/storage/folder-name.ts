/** Names of folders that can lead to a repository. */

const reservedNames: ReadonlySet<string> = new Set(["data", "index", "keys", "locks", "snapshots", "config", "-"]);

/** True for the names that mean something inside a repository; below "-" is what the server has beyond restic's protocol. */
export function isReservedName(name: string): boolean {
  return reservedNames.has(name);
}

/** Paths below this name belong to the server itself. */
const serverName = "-";

/**
 * False for what would leave the folder, cannot be a name, or already means something: inside a repository, or as the first name (its
 * depth is 0) of the server's own pages.
 */
export function isFolderName(name: string, depth = 0): boolean {
  if (depth === 0 && name === serverName) return false;
  if (name === "" || name === "." || name === ".." || isReservedName(name)) return false;
  return !name.includes("\0") && !name.includes("/");
}
