/** Names of folders that can lead to a repository. */

const reservedNames: ReadonlySet<string> = new Set(["data", "index", "keys", "locks", "snapshots", "config", "-"]);

/** True for the names that mean something inside a repository; below "-" is what the server has beyond restic's protocol. */
export function isReservedName(name: string): boolean {
  return reservedNames.has(name);
}

/** False for what would leave the folder, cannot be a name, or already means something inside a repository. */
export function isFolderName(name: string): boolean {
  if (name === "" || name === "." || name === ".." || isReservedName(name)) return false;
  return !name.includes("\0") && !name.includes("/");
}
