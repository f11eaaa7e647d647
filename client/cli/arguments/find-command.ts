/**
 * Which argument is the command's name: the first one that is neither a flag nor the value of one. Only the flags that every
 * command has are known at this point; another flag in front of the name is taken to have a value, as restic does.
 */
import type { FlagTable } from "./flag.ts";

export interface FoundWord {
  readonly text: string;
  readonly index: number;
}

/** The first word at or after `from`, or undefined when there are only flags. */
export function findWord(texts: readonly string[], globalFlags: FlagTable, from = 0): FoundWord | undefined {
  const standAlone = new Set<string>(["--help", "-h"]);
  for (const flag of Object.values(globalFlags)) {
    if (flag.impliedText === undefined) continue;
    standAlone.add(`--${flag.name}`);
    if (flag.shorthand !== undefined) standAlone.add(`-${flag.shorthand}`);
  }
  for (let index = from; index < texts.length; index++) {
    const text = texts[index] ?? "";
    if (text === "--") return undefined;
    if (text === "" || text === "-") continue;
    if (!text.startsWith("-")) return { text, index };
    const mayTakeNext = !text.includes("=") && (text.startsWith("--") || text.length === 2);
    if (mayTakeNext && !standAlone.has(text)) index++;
  }
  return undefined;
}

/** Names that a mistyped one may have meant: at most two letters changed, or the beginning of the name. */
export function suggestNames(typed: string, names: readonly string[]): string[] {
  const lower = typed.toLowerCase();
  return names.filter((name) => editDistance(lower, name) <= 2 || name.startsWith(lower)).sort();
}

/** Letters to insert, delete or replace (Levenshtein). */
function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replace = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replace, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[to.length] ?? 0;
}
