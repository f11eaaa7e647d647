/**
 * File names by pattern, as `--files-from` has them: `*`, `?`, `[a-z]`, `[^a-z]`, `\x`, each within one component of a
 * path. No `**`, no braces; names that begin with a dot are not special. Node's glob has other rules.
 */
import { lstatSync, readdirSync } from "node:fs";
import { compileComponent } from "../../filter/component-pattern.ts";
import { decodePath } from "../../filter/path-text.ts";
import { plainError } from "../exit-status.ts";

const special = /[*?[\\]/;
const slash = 0x2f;

/** Paths that match and exist, sorted within each folder; bytes, because names need not be UTF-8. Throws `usage`. */
export function expandGlob(pattern: string): Buffer[] {
  try {
    // A bad pattern is told even where nothing would be compared with it.
    for (const component of pattern.split("/")) compileComponent(component);
  } catch (error) {
    throw plainError(`pattern: ${pattern}: syntax error in pattern`, { cause: error });
  }
  return expand(pattern);
}

function expand(pattern: string): Buffer[] {
  if (!special.test(pattern)) return exists(pattern) ? [Buffer.from(pattern)] : [];
  const lastSlash = pattern.lastIndexOf("/");
  const folderPattern = pattern.slice(0, lastSlash + 1).replace(/(.)\/+$/, "$1");
  const matches = compileComponent(pattern.slice(lastSlash + 1));
  const folders = folderPattern === "" ? [Buffer.from("")] : expand(folderPattern);
  return folders.flatMap((folder) =>
    namesIn(folder)
      .filter((name) => matches(decodePath(name)))
      .map((name) => joinBytes(folder, name)),
  );
}

function namesIn(folder: Buffer): Buffer[] {
  try {
    return readdirSync(folder.length === 0 ? "." : folder, { encoding: "buffer" }).sort(Buffer.compare);
  } catch {
    return [];
  }
}

function joinBytes(folder: Buffer, name: Buffer): Buffer {
  if (folder.length === 0) return name;
  return folder.at(-1) === slash ? Buffer.concat([folder, name]) : Buffer.concat([folder, Buffer.from("/"), name]);
}

function exists(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
