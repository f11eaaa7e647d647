/** What a server on disk has not finished yet. */
import { type Dirent, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** The names of the files in which uploads grow, whatever folder below the server's own they are in. */
export function unfinishedUploads(dataPath: string): string[] {
  const folder = join(dataPath, ".coffer/uploads");
  if (!existsSync(folder)) return [];
  const entries: Dirent[] = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
}
