/** Targets from lists: `--files-from`, `--files-from-verbatim`, `--files-from-raw`. Source: docs/CLI.md, selection in backup. */
import { CofferError } from "../../shared/errors.ts";
import { type ByteString, toByteString, toBytes, toDisplay } from "./byte-paths.ts";
import { expandGlob } from "./glob.ts";
import { localSource, type SourceFiles } from "./source.ts";

/** The contents of the lists, in the order of the flags. */
export interface TargetLists {
  readonly globs?: readonly Uint8Array[] | undefined;
  readonly verbatim?: readonly Uint8Array[] | undefined;
  readonly raw?: readonly Uint8Array[] | undefined;
}

/**
 * All targets of the lists: globs, verbatim, raw. `warn` is told of globs without match, which are no failure. Throws `usage` on
 * a bad glob and on a raw list that is not complete.
 */
export function readTargetLists(
  lists: TargetLists,
  workingDirectory: Uint8Array,
  warn: (text: string) => void,
  source: SourceFiles = localSource,
): Uint8Array[] {
  const directory = toByteString(workingDirectory);
  const globs = (lists.globs ?? []).flatMap(linesOf).map(trim).filter(isPattern);
  const expanded = globs.flatMap((glob) => {
    const paths = expandGlob(glob, directory, source);
    if (paths.length === 0) warn(`pattern "${toDisplay(glob)}" does not match any files, skipping`);
    return paths;
  });
  const verbatim = (lists.verbatim ?? []).flatMap(linesOf).filter((line) => line !== "");
  const raw = (lists.raw ?? []).flatMap(rawNames);
  return [...expanded, ...verbatim, ...raw].map(toBytes);
}

function isPattern(line: ByteString): boolean {
  return line !== "" && !line.startsWith("#");
}

/** Without line ends; a CR before the LF belongs to it. */
function linesOf(list: Uint8Array): ByteString[] {
  return withoutByteOrderMark(list)
    .split("\n")
    .map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
}

/** A list in UTF-16, as editors on Windows write it, becomes UTF-8. */
function withoutByteOrderMark(list: Uint8Array): ByteString {
  const text = toByteString(list);
  if (text.startsWith("\xff\xfe")) return toByteString(Buffer.from(new TextDecoder("utf-16le").decode(list)));
  if (text.startsWith("\xfe\xff")) return toByteString(Buffer.from(new TextDecoder("utf-16be").decode(list)));
  return text.startsWith("\xef\xbb\xbf") ? text.slice(3) : text;
}

const spaces = "[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+";
const outerSpaces = new RegExp(`^${spaces}|${spaces}$`, "g");

/** Without white space at both ends, that of Unicode included where the line is UTF-8. */
function trim(line: ByteString): ByteString {
  const text = toDisplay(line);
  if (text.includes("\ufffd")) return line.replace(/^[\t\n\v\f\r ]+|[\t\n\v\f\r ]+$/g, "");
  return toByteString(Buffer.from(text.replace(outerSpaces, "")));
}

function rawNames(list: Uint8Array): ByteString[] {
  if (list.length === 0) return [];
  const text = toByteString(list);
  if (!text.endsWith("\0")) throw new CofferError("usage", "--files-from-raw: trailing zero byte missing");
  const names = text.slice(0, -1).split("\0");
  if (names.includes("")) throw new CofferError("usage", "--files-from-raw: empty filename in listing");
  return names;
}
