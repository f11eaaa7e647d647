/**
 * Paths and names are bytes, not text. Inside the restore they are kept as strings in which each character is one
 * byte: such strings can be compared, cut, joined and used as keys of a map without loss.
 */
import { CofferError } from "../../shared/errors.ts";

/** Each character is one byte, 0 to 255. Relative to the target, "/" between names, "" for the target itself. */
export type BytePath = string;

export function bytePathOf(bytes: Uint8Array): BytePath {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

export function bytesOf(path: BytePath): Buffer {
  return Buffer.from(path, "latin1");
}

/** The path as text, for messages; bytes that are not UTF-8 become replacement characters. */
export function textOf(path: BytePath): string {
  return bytesOf(path).toString();
}

/** Then text and bytes are the same. */
export const ascii: RegExp = /^[\0-\x7f]*$/;

/** A path for calls of node:fs: text where that is the same, which is cheaper, else bytes. */
export function systemPathOf(path: BytePath): string | Buffer {
  return ascii.test(path) ? path : bytesOf(path);
}

export function joinPath(folder: BytePath, name: BytePath): BytePath {
  return folder === "" ? name : `${folder}/${name}`;
}

/** The folder of a path, "" for a name alone. */
export function parentOf(path: BytePath): BytePath {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

export function nameOf(path: BytePath): BytePath {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Most names: letters, digits, and a dot that is not the first. */
const plainName = /^[A-Za-z0-9_-][A-Za-z0-9._ -]*$/;

/**
 * A snapshot is data from somewhere else: a name in it must be the name of one entry of the folder it stands in, and
 * nothing that leads elsewhere. Throws `malformed`.
 */
export function checkEntryName(name: BytePath): void {
  if (plainName.test(name)) return;
  const shown = JSON.stringify(textOf(name));
  if (name === "") throw new CofferError("malformed", "an item without a name is not restored");
  if (name === "." || name === ".." || name.includes("/") || name.includes("\0")) {
    throw new CofferError("malformed", `the name ${shown} leads out of its folder and is not restored`);
  }
  if (process.platform === "win32" && /[\\:]/.test(name)) {
    throw new CofferError("malformed", `the name ${shown} leads out of its folder on this system and is not restored`);
  }
}
