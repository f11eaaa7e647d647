/**
 * Keys of a bucket. Their layout is restic's: `<prefix><folder>/<folder>/{config,data/00..ff/,index/,keys/,locks/,snapshots/}`, so that a
 * repository can be used through restic's own S3 backend at the same time.
 *
 * A bucket has no folders. What is a folder on disk is an object here whose key ends in a slash and that is empty: the mark that the
 * place of a type exists although nothing is in it. Programs that show buckets as folders make and hide the same.
 */
import { CofferError } from "../../../shared/errors.ts";
import { type FileHandle, type FileType, folderOf, pathOf } from "../../../shared/format/layout.ts";
import { isFolderName } from "../folder-name.ts";

/** Not a repository: what the server itself keeps in the bucket. */
const ownFolder = ".coffer";

const longestKeyBytes = 1_024;
/** "snapshots/" or "data/00/" and an id. */
const longestPathBytes = 80;

/** What the keys of a repository begin with. Throws `not-found` for names that cannot be part of a key. */
export function repositoryPrefix(bucketPrefix: string, folders: readonly string[]): string {
  const prefix = bucketPrefix + folders.map((folder) => `${folder}/`).join("");
  const fits = Buffer.byteLength(prefix) + longestPathBytes <= longestKeyBytes;
  if (fits && folders[0] !== ownFolder && folders.every(isKeyPart)) return prefix;
  throw new CofferError("not-found", `repository ${JSON.stringify(folders)} cannot be a part of a key`);
}

function isKeyPart(name: string): boolean {
  return isFolderName(name) && Buffer.from(name).toString() === name && !hasControlCharacter(name);
}

/** Control characters do not survive the XML of a list. */
export function hasControlCharacter(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  return /[\0-\x1f\x7f\ufffe\uffff]/.test(text);
}

export function keyOf(repository: string, handle: FileHandle): string {
  return repository + pathOf(handle);
}

/** The mark of the place of a type, and what all keys of the type begin with. */
export function markOf(repository: string, type: FileType): string {
  return `${repository}${folderOf(type)}/`;
}

/** True for what is below the server's own folder. */
export function isOwnKey(bucketPrefix: string, key: string): boolean {
  return key.startsWith(`${bucketPrefix}${ownFolder}/`);
}

/** Where the probes at the start write. */
export function probeKey(bucketPrefix: string, name: string): string {
  return `${bucketPrefix}${ownFolder}/probe/${name}`;
}
