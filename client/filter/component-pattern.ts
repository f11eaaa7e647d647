/**
 * The pattern of one path component: `*`, `?`, `[a-z]`, `[^a-z]` and escapes by backslash. Compiled once, matched often, in time linear in
 * the name for each `*`: a star takes the first place where what follows fits, which is always good enough.
 * Source: docs/cli.md, patterns.
 */
import { CofferError } from "../../shared/errors.ts";

/** One character that a pattern wants. */
interface Wanted {
  readonly isNegated: boolean;
  /** Code points, first and last of each range. `?` is any range. */
  readonly ranges: readonly (readonly [number, number])[];
}

/** What stands between two stars. */
interface Chunk {
  /** The same as `wanted` when it is one fixed text, which is much faster to look for; undefined otherwise. */
  readonly text: string | undefined;
  readonly wanted: readonly Wanted[];
}

const anyCharacter: Wanted = { isNegated: false, ranges: [[0, 0x10ffff]] };
const specialCharacters = /[*?[\\]/;
const loneSurrogates = /\p{Surrogate}/u;

/** Tells whether a name fits. */
export type NameMatcher = (name: string) => boolean;

/** Throws `usage` on a bracket that is not closed or has no proper ranges, and on a backslash at the end. */
export function compileComponent(pattern: string): NameMatcher {
  if (!specialCharacters.test(pattern)) return (name) => name === pattern;
  const chunks = parseChunks(pattern);
  const [first, ...rest] = chunks;
  const last = rest.pop();
  if (first === undefined) return (name) => name === "";
  if (last === undefined) return (name) => matchAt(first, name, 0) === name.length;
  const beginning = first.text;
  const end = last.text;
  if (rest.length === 0 && beginning !== undefined && end !== undefined) {
    const shortest = beginning.length + end.length;
    if (beginning === "") return (name) => name.endsWith(end);
    return (name) => name.length >= shortest && name.startsWith(beginning) && name.endsWith(end);
  }
  return (name) => matchChunks(first, rest, last, name);
}

/** `first`*`middle`*...*`last`, where each may be empty. */
function matchChunks(first: Chunk, middle: readonly Chunk[], last: Chunk, name: string): boolean {
  let position = matchAt(first, name, 0);
  for (const chunk of middle) {
    if (position === -1) return false;
    position = endOfFirst(chunk, name, position);
  }
  return position !== -1 && matchesEnd(last, name, position);
}

/** Where the chunk ends when it begins exactly there, or -1. */
function matchAt({ text, wanted }: Chunk, name: string, position: number): number {
  if (text !== undefined) return name.startsWith(text, position) ? position + text.length : -1;
  let end = position;
  for (const one of wanted) {
    const codePoint = name.codePointAt(end);
    if (codePoint === undefined || !accepts(one, codePoint)) return -1;
    end += codePoint > 0xffff ? 2 : 1;
  }
  return end;
}

function accepts({ isNegated, ranges }: Wanted, codePoint: number): boolean {
  return ranges.some(([first, last]) => first <= codePoint && codePoint <= last) !== isNegated;
}

/** Where the first occurrence of the chunk from `position` on ends, or -1. */
function endOfFirst(chunk: Chunk, name: string, position: number): number {
  if (chunk.text !== undefined) {
    const found = name.indexOf(chunk.text, position);
    return found === -1 ? -1 : found + chunk.text.length;
  }
  for (let start = position; start <= name.length; start += characterLength(name, start)) {
    const end = matchAt(chunk, name, start);
    if (end !== -1) return end;
  }
  return -1;
}

/** True when the name ends with the chunk, which begins at `position` or later. */
function matchesEnd(chunk: Chunk, name: string, position: number): boolean {
  if (chunk.text !== undefined) return name.length - chunk.text.length >= position && name.endsWith(chunk.text);
  for (let start = position; start <= name.length; start += characterLength(name, start)) {
    if (matchAt(chunk, name, start) === name.length) return true;
  }
  return false;
}

function characterLength(name: string, position: number): number {
  return (name.codePointAt(position) ?? 0) > 0xffff ? 2 : 1;
}

function parseChunks(pattern: string): Chunk[] {
  const chunks: Chunk[] = [];
  let wanted: Wanted[] = [];
  const reader = new PatternReader(pattern);
  for (let character = reader.next(); character !== undefined; character = reader.next()) {
    if (character === "*") {
      chunks.push(chunkOf(wanted));
      wanted = [];
    } else if (character === "?") {
      wanted.push(anyCharacter);
    } else if (character === "[") {
      wanted.push(reader.readClass());
    } else {
      wanted.push(exactly(character === "\\" ? reader.escaped() : character));
    }
  }
  chunks.push(chunkOf(wanted));
  return chunks;
}

function exactly(character: string): Wanted {
  const codePoint = codePointOf(character);
  return { isNegated: false, ranges: [[codePoint, codePoint]] };
}

function chunkOf(wanted: readonly Wanted[]): Chunk {
  let text = "";
  for (const { isNegated, ranges } of wanted) {
    const [range, ...more] = ranges;
    if (isNegated || range === undefined || more.length > 0 || range[0] !== range[1])
      return { text: undefined, wanted };
    text += String.fromCodePoint(range[0]);
  }
  // A lone surrogate stands for a byte, and must not be found inside a pair.
  return { text: loneSurrogates.test(text) ? undefined : text, wanted };
}

function codePointOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}

class PatternReader {
  readonly #characters: readonly string[];
  #position = 0;

  constructor(pattern: string) {
    this.#characters = [...pattern];
  }

  next(): string | undefined {
    return this.#characters[this.#position++];
  }

  /** The character after a backslash. */
  escaped(): string {
    return this.next() ?? invalid();
  }

  /** After the opening bracket: `^` or not, at least one range, the closing bracket. */
  readClass(): Wanted {
    const isNegated = this.#characters[this.#position] === "^";
    if (isNegated) this.#position += 1;
    const ranges: [number, number][] = [];
    do ranges.push(this.#readRange());
    while (this.#characters[this.#position] !== "]");
    this.#position += 1;
    return { isNegated, ranges };
  }

  #readRange(): [number, number] {
    const first = this.#readBound();
    if (this.#characters[this.#position] !== "-") return [first, first];
    this.#position += 1;
    return [first, this.#readBound()];
  }

  #readBound(): number {
    const character = this.next();
    if (character === undefined || character === "-" || character === "]") invalid();
    return codePointOf(character === "\\" ? this.escaped() : character);
  }
}

function invalid(): never {
  throw new CofferError("usage", "syntax error in pattern");
}
