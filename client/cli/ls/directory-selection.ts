/** Which entries `ls DIR...` lists: each folder itself and what is directly in it, or all that is below it. */
import { posix } from "node:path";

/** Paths of a snapshot as latin1 text, so that bytes that are not UTF-8 compare. */
export class DirectorySelection {
  /** As typed. */
  readonly directories: readonly string[];
  readonly #cleaned: readonly string[];
  readonly #isRecursive: boolean;

  constructor(directories: readonly string[], isRecursive: boolean) {
    this.directories = directories;
    this.#cleaned = directories
      .map((directory) => asKey(Buffer.from(posix.join("/", directory, "."))))
      .map(withoutSlash);
    this.#isRecursive = isRecursive;
  }

  selects(path: Uint8Array): boolean {
    if (this.#cleaned.length === 0) return true;
    const key = asKey(path);
    const parent = key.slice(0, key.lastIndexOf("/"));
    return this.#cleaned.some(
      (directory) =>
        key === directory || parent === directory || (this.#isRecursive && key.startsWith(`${directory}/`)),
    );
  }

  /** True when something below the path may be listed. */
  mayDescend(path: Uint8Array): boolean {
    if (this.#cleaned.length === 0) return true;
    const key = asKey(path);
    return this.#cleaned.some((directory) => {
      if (`${directory}/`.startsWith(`${key}/`)) return true;
      return this.#isRecursive && key.startsWith(`${directory}/`);
    });
  }
}

function asKey(path: Uint8Array): string {
  return Buffer.from(path.buffer, path.byteOffset, path.length).toString("latin1");
}

/** The root is "", so that what is in it begins with it and a slash. */
function withoutSlash(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}
