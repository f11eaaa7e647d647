/** Paths of the REST protocol: what a request is about. Source: the section on URLs of docs/PROTOCOL.md. */
import { type FileHandle, type FileType, fileTypes, type Id, isId } from "../format/layout.ts";

/** The folders lead from the server's data folder to the repository; there are at most two. */
export type RequestTarget =
  | { readonly kind: "repository"; readonly folders: readonly string[] }
  | { readonly kind: "config"; readonly folders: readonly string[] }
  | { readonly kind: "list"; readonly folders: readonly string[]; readonly type: FileType }
  | { readonly kind: "object"; readonly folders: readonly string[]; readonly type: FileType; readonly id: Id };

const maxFolders = 2;
const maxPathLength = 8192;

/** The path of a file below the repository's URL, which ends in a slash. Packs are not spread over folders here. */
export function requestPathOf(handle: FileHandle): string {
  return handle.type === "config" ? "config" : `${handle.type}/${handle.id}`;
}

/** The path of a listing below the repository's URL. */
export function listPathOf(type: FileType): string {
  return `${type}/`;
}

/**
 * What the path of a URL (percent-encoded, without query) means; undefined when it means nothing, which is answered like an
 * absent file. Folders end at the first reserved word: a repository cannot be called `data` or `config`. No folder is
 * empty, `.` or `..`, or has NUL or a slash in it, so a target never lies outside the data folder.
 */
export function parseRequestPath(path: string): RequestTarget | undefined {
  const decoded = decodePath(path);
  if (decoded === undefined || !decoded.startsWith("/")) return undefined;
  const segments = decoded.slice(1).split("/");
  const firstReserved = segments.findIndex(isReserved);
  const folderCount = firstReserved < 0 ? segments.length - 1 : firstReserved;
  const folders = segments.slice(0, folderCount);
  if (folderCount > maxFolders || !folders.every(isFolderName)) return undefined;
  return targetOf(folders, segments.slice(folderCount));
}

function targetOf(folders: readonly string[], rest: readonly string[]): RequestTarget | undefined {
  const [word = "", name, ...more] = rest;
  if (more.length > 0) return undefined;
  if (word === "" && name === undefined) return { kind: "repository", folders };
  if (word === "config") return name === undefined ? { kind: "config", folders } : undefined;
  if (!isFileType(word) || name === undefined) return undefined;
  if (name === "") return { kind: "list", folders, type: word };
  return isId(name) ? { kind: "object", folders, type: word, id: name } : undefined;
}

/**
 * The path that a URL's path stands for when it is not in its shortest form: with `//`, `/./` or `/../` in it, or `/.`
 * or `/..` at its end. Undefined when it is, as is nearly every one. Works on the escaped path; escaped dots stay.
 */
export function canonicalPath(path: string): string | undefined {
  if (!/\/(?:\/|\.\.?(?:\/|$))/.test(path)) return undefined;
  const kept: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  const endsInSlash = path.endsWith("/") && kept.length > 0;
  return `/${kept.join("/")}${endsInSlash ? "/" : ""}`;
}

/** Undefined for escapes that are not UTF-8 and for what no file system could hold. */
function decodePath(path: string): string | undefined {
  if (path.length > maxPathLength) return undefined;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

function isReserved(segment: string): boolean {
  return segment === "config" || isFileType(segment);
}

function isFileType(segment: string): segment is FileType {
  return (fileTypes as readonly string[]).includes(segment);
}

function isFolderName(segment: string): boolean {
  return segment !== "" && segment !== "." && segment !== ".." && !segment.includes("\0");
}
