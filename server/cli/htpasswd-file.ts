/** Changing an htpasswd file: everything that a change is not about stays as it is, byte for byte. */
import { randomBytes } from "node:crypto";
import { type FileHandle, open, readFile, realpath, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CofferError } from "../../shared/errors.ts";
import { ownerModes } from "../storage/disk/file-system.ts";
import { makeFolders } from "../storage/disk/folders.ts";

/** Gives a user this hash: in the user's line, or in a new one at the end. */
export function withUser(text: string, user: string, hash: string): string {
  const lines = linesOf(text);
  // Of several lines the last one counts, so that is the one to change.
  const index = lines.findLastIndex((line) => userOf(line) === user);
  if (index >= 0) {
    const [, before = "", after = ""] = /^(\s*[^:]*:)[^:\r\n]*([\s\S]*)$/.exec(lines[index] ?? "") ?? [];
    return lines.with(index, `${before}${hash}${after}`).join("");
  }
  const isOpen = text !== "" && !text.endsWith("\n");
  return `${text}${isOpen ? "\n" : ""}${user}:${hash}\n`;
}

/** Without all lines of a user; undefined when there are none. */
export function withoutUser(text: string, user: string): string | undefined {
  const lines = linesOf(text);
  const kept = lines.filter((line) => userOf(line) !== user);
  return kept.length === lines.length ? undefined : kept.join("");
}

/** With their line breaks. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

function userOf(line: string): string | undefined {
  const content = line.trimStart();
  return content.startsWith("#") || !content.includes(":") ? undefined : content.split(":")[0];
}

/**
 * Replaces the file by what `change` makes of its text. Whoever reads it meanwhile gets the old file or the new one, whole; mode and
 * owner stay. A missing file is made when `makes` says so. Of two changes at a time, the later one throws `unavailable`.
 */
export async function changeHtpasswd(
  path: string,
  change: (text: string) => string,
  { makes }: { readonly makes: boolean },
): Promise<void> {
  try {
    if (makes) await makeFolders(dirname(path), ownerModes.folder);
    // The file behind a link is changed, not the link.
    const target = await realpath(path).catch((error: NodeJS.ErrnoException) => {
      if (makes && error.code === "ENOENT") return path;
      throw error;
    });
    await changeAlone(target, change);
  } catch (cause) {
    if (cause instanceof CofferError) throw cause;
    throw new CofferError("unavailable", `cannot change ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** Only one has the file with the lock's name. */
async function changeAlone(target: string, change: (text: string) => string): Promise<void> {
  const lock = `${target}.lock`;
  const lockFile = await open(lock, "wx", 0o600).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "EEXIST") throw cause;
    const advice = `if no other "coffer-server user" is running, remove ${lock}`;
    throw new CofferError("unavailable", `${target} is being changed by another command: ${advice}`, { cause });
  });
  try {
    await lockFile.close();
    await replace(target, change);
  } finally {
    await unlink(lock);
  }
}

async function replace(target: string, change: (text: string) => string): Promise<void> {
  const before = await stat(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  const changed = change(before === undefined ? "" : await readFile(target, "utf8"));
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(8).toString("hex")}`);
  const file = await open(temporary, "wx", 0o600);
  try {
    try {
      if (before !== undefined) await copyOwner(file, before);
      await file.writeFile(changed);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  const folder = await open(dirname(target));
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The owner first: changing it takes some bits of the mode away. */
async function copyOwner(
  file: FileHandle,
  { uid, gid, mode }: { uid: number; gid: number; mode: number },
): Promise<void> {
  const own = await file.stat();
  if (own.uid !== uid || own.gid !== gid) await file.chown(uid, gid);
  await file.chmod(mode & 0o7777);
}
