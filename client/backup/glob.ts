/**
 * Globs of `--files-from`: one component at a time, `*`, `?`, `[a-z]`, `[^a-z]` and `\` as in Go's path/filepath. Nothing crosses a
 * slash, `**` is the same as `*`, and leading dots are not special.
 */
import { CofferError } from "../../shared/errors.ts";
import { type ByteString, cleanPath, joinPath, toBytes, toDisplay } from "./byte-paths.ts";
import type { SourceFiles } from "./source.ts";

type GlobSource = Pick<SourceFiles, "linkStatus" | "targetStatus" | "list">;

/**
 * The paths that a pattern stands for, in order of names; relative ones lie below `workingDirectory` and stay relative. A pattern
 * without special characters stands for itself if it exists. What cannot be read has no matches. Throws `usage` on a bad pattern.
 */
export function expandGlob(pattern: ByteString, workingDirectory: ByteString, source: GlobSource): ByteString[] {
  compileComponent(pattern);
  return expand(pattern, (path) => toBytes(path.startsWith("/") ? path : `${workingDirectory}/${path}`), source);
}

function expand(pattern: ByteString, locate: (path: ByteString) => Buffer, source: GlobSource): ByteString[] {
  if (!/[*?[\\]/.test(pattern)) return exists(locate(pattern), source) ? [pattern] : [];
  const slash = pattern.lastIndexOf("/");
  const folder = slash < 0 ? "." : slash === 0 ? "/" : pattern.slice(0, slash);
  const matches = compileComponent(pattern.slice(slash + 1));
  const folders = /[*?[\\]/.test(folder) ? expand(folder, locate, source) : [folder];
  return folders.flatMap((path) => {
    const names = namesIn(locate(path), source).filter((name) => matches(toDisplay(name)));
    return names.map((name) => cleanPath(joinPath(path, name)));
  });
}

function exists(path: Buffer, source: GlobSource): boolean {
  try {
    source.linkStatus(path);
    return true;
  } catch {
    return false;
  }
}

function namesIn(path: Buffer, source: GlobSource): ByteString[] {
  try {
    return source.targetStatus(path).type === "dir" ? source.list(path).sort() : [];
  } catch {
    return [];
  }
}

/** What tells whether a name matches. Throws `usage` on a bracket that is not closed, a range without ends, a lone backslash. */
function compileComponent(component: ByteString): (name: string) => boolean {
  const pattern = Array.from(toDisplay(component));
  let source = "";
  for (let index = 0; index < pattern.length; ) {
    const character = pattern[index] ?? "";
    if (character === "[") {
      const charClass = parseClass(component, pattern, index + 1);
      source += charClass.source;
      index = charClass.next;
    } else if (character === "*" || character === "?") {
      source += character === "*" ? "[^/]*" : "[^/]";
      index++;
    } else {
      const literal = character === "\\" ? pattern[++index] : character;
      if (literal === undefined) throw badPattern(component);
      source += escapeLiteral(literal);
      index++;
    }
  }
  const regExp = new RegExp(`^${source}$`, "su");
  return (name) => regExp.test(name);
}

function parseClass(
  component: ByteString,
  pattern: readonly string[],
  start: number,
): { readonly source: string; readonly next: number } {
  let index = start;
  const isNegated = pattern[index] === "^";
  if (isNegated) index++;
  const ranges: string[] = [];
  const takeEnd = (): string => {
    let character = pattern[index++];
    if (character === "-" || character === "]") throw badPattern(component);
    if (character === "\\") character = pattern[index++];
    if (character === undefined) throw badPattern(component);
    return character;
  };
  while (pattern[index] !== "]" || ranges.length === 0) {
    const low = takeEnd();
    let high = low;
    if (pattern[index] === "-") {
      index++;
      high = takeEnd();
    }
    // A range that goes backwards matches nothing.
    ranges.push(low <= high ? `${escapeLiteral(low)}-${escapeLiteral(high)}` : "");
  }
  const inside = ranges.join("");
  if (inside === "") return { source: isNegated ? "[^/]" : "(?!)", next: index + 1 };
  return { source: isNegated ? `[^/${inside}]` : `[${inside}]`, next: index + 1 };
}

/** By number, so that nothing is special. */
function escapeLiteral(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

function badPattern(component: ByteString): CofferError {
  return new CofferError("usage", `pattern: ${toDisplay(component)}: syntax error in pattern`);
}
