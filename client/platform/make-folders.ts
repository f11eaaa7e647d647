/** Making a folder with the missing ones above it. */
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { hasSystemCode } from "./system-errors.ts";

/**
 * Throws the system's error, ENOTDIR for anything but a folder in the way. Node's own recursive form never ends where a folder cannot be
 * made although its parent is there, as in /proc.
 */
export function makeFolders(folder: string | Buffer, mode: number): void {
  if (isFolder(folder)) return;
  try {
    mkdirSync(folder, { mode });
    return;
  } catch (error) {
    const parent = parentOf(folder);
    // Somebody else may have made it in between.
    if (hasSystemCode(error, "EEXIST") && isFolder(folder)) return;
    if (!hasSystemCode(error, "ENOENT") || parent === undefined || isFolder(parent)) throw error;
    makeFolders(parent, mode);
  }
  mkdirSync(folder, { mode });
}

function isFolder(path: string | Buffer): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Undefined for a root. Each unit of the latin1 text is a byte, so that names that are no text pass. */
function parentOf(path: string | Buffer): string | Buffer | undefined {
  const text = typeof path === "string" ? path : path.toString("latin1");
  const parent = dirname(text);
  if (parent === text) return undefined;
  return typeof path === "string" ? parent : Buffer.from(parent, "latin1");
}
