/**
 * Paths as byte strings: JavaScript strings in which each unit is one byte (latin1). Names are bytes and need not be UTF-8;
 * in this form they compare in byte order, are keys of maps, and are smaller than Buffers.
 */
import { decodeRune, runeBytes, runeCodePoint, undecodable } from "../../shared/format/runes.ts";
import { asBuffer } from "../platform/file-status.ts";

/** A string of units 0 to 255, each one byte. */
export type ByteString = string;

export function toByteString(bytes: Uint8Array): ByteString {
  return asBuffer(bytes).toString("latin1");
}

/** The bytes, in memory of their own. */
export function toBytes(text: ByteString): Buffer {
  return Buffer.from(text, "latin1");
}

/** For people: as UTF-8, with U+FFFD for each byte that belongs to no character, as Go shows it. */
export function toDisplay(text: ByteString): string {
  return displayBytes(toBytes(text));
}

/** As `toDisplay`, for bytes. */
export function displayBytes(bytes: Uint8Array): string {
  const text = asBuffer(bytes).toString("utf8");
  return text.includes("\ufffd") ? displayRunes(bytes) : text;
}

/** Node's decoder replaces each broken sequence by one U+FFFD; Go replaces each byte of it. */
function displayRunes(bytes: Uint8Array): string {
  let text = "";
  for (let offset = 0; offset < bytes.length; ) {
    const rune = decodeRune(bytes, offset);
    text += rune === undecodable ? "\ufffd" : String.fromCodePoint(runeCodePoint(rune));
    offset += runeBytes(rune);
  }
  return text;
}

/**
 * The shortest path that means the same lexically, as Go's filepath.Clean gives it: no empty, "." or inner ".." components, no
 * slash at the end. The empty path becomes ".".
 */
export function cleanPath(path: ByteString): ByteString {
  const isAbsolute = path.startsWith("/");
  const kept: ByteString[] = [];
  for (const component of path.split("/")) {
    if (component === "" || component === ".") continue;
    if (component !== "..") kept.push(component);
    else if (kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else if (!isAbsolute) kept.push("..");
  }
  const joined = kept.join("/");
  if (isAbsolute) return `/${joined}`;
  return joined === "" ? "." : joined;
}

/** The cleaned absolute path; `workingDirectory` is absolute. */
export function absolutePath(path: ByteString, workingDirectory: ByteString): ByteString {
  return cleanPath(path.startsWith("/") ? path : `${workingDirectory}/${path}`);
}

/** A name below a cleaned folder. */
export function joinPath(folder: ByteString, name: ByteString): ByteString {
  return folder === "/" ? `/${name}` : `${folder}/${name}`;
}

/** The folder that holds a cleaned absolute path; that of "/" is "/". */
export function folderOfPath(path: ByteString): ByteString {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}

/** The last component of a cleaned absolute path. */
export function nameOfPath(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** True for the folder itself and everything below it; both cleaned. */
export function isInside(path: ByteString, folder: ByteString): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}
