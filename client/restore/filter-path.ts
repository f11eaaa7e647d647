/** Paths as filters want them. */
import { decodePath } from "../filter/path-text.ts";
import { ascii, type BytePath, bytesOf } from "./byte-path.ts";

/** Absolute, and without loss. */
export function filterPathOf(path: BytePath): string {
  return `/${ascii.test(path) ? path : decodePath(bytesOf(path))}`;
}
