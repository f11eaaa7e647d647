/** A command line in one text, split into words as a shell does it: quotes and backslashes, but nothing is expanded. */
import { plainError } from "../exit-status.ts";

const piece = /\s+|'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.?)|([^\s'"\\]+)|(['"])/gsy;

/** Throws `usage` when a quote is not closed. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (const [whole, single, double, escaped, plain, openQuote] of text.matchAll(piece)) {
    if (openQuote !== undefined) {
      throw plainError(`${openQuote === "'" ? "single" : "double"}-quoted string not terminated`);
    }
    const part = single ?? double?.replaceAll(/\\(.)/gs, "$1") ?? escaped ?? plain;
    if (part !== undefined) word = (word ?? "") + part;
    else if (/^\s/.test(whole) && word !== undefined) {
      words.push(word);
      word = undefined;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}
