/**
 * Type and id to path: the one place where both sides learn where a file lies.
 * Source: the layout section of docs/format.md (restic repository layout "default").
 */

/** The kinds of files that have an id. The spelling is that of URLs and folders. */
export const fileTypes = ["data", "keys", "locks", "snapshots", "index"] as const;

export type FileType = (typeof fileTypes)[number];

/** 32 bytes as 64 lower-case hex digits: the SHA-256 of a file or of a blob's plaintext. */
export type Id = string;

/**
 * Names one stored file: an object of a type, or the configuration, which has no id. `isMetadata` marks a pack that
 * holds tree blobs, for a cache to know what to keep; it does not change which file is meant.
 */
export type FileHandle =
  | { readonly type: FileType; readonly id: Id; readonly isMetadata?: boolean }
  | { readonly type: "config" };

export const configHandle: FileHandle = { type: "config" };

/** The folder of a type, relative to the repository, without a trailing slash. */
export function folderOf(type: FileType): string {
  return type;
}

/** The path of a file on disk, relative to the repository: packs are spread over 256 folders. */
export function pathOf(handle: FileHandle): string {
  if (handle.type === "config") return "config";
  if (handle.type === "data") return `data/${handle.id.slice(0, 2)}/${handle.id}`;
  return `${handle.type}/${handle.id}`;
}

/** True for exactly 64 lower-case hex digits. */
export function isId(text: string): text is Id {
  // Twice as fast as counting in the expression; trees have an id for every file.
  return text.length === 64 && !/[^0-9a-f]/.test(text);
}

/** How messages name a file: `<data/1a2b3c4d5e>`, `<config/>`. */
export function describeHandle(handle: FileHandle): string {
  if (handle.type === "config") return "<config/>";
  const singular = { data: "data", keys: "key", locks: "lock", snapshots: "snapshot", index: "index" }[handle.type];
  return `<${singular}/${handle.id.slice(0, 10)}>`;
}
