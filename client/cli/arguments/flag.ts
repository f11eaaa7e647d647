/**
 * Flags as tables of values: each knows its names, how a text becomes its value, and what to say when it cannot. The
 * parser (parse.ts) and the help (help.ts) only read these tables.
 */
import { parseGoBoolean, parseGoDuration, parseGoInteger } from "./go-values.ts";

export interface FlagNames {
  readonly name: string;
  /** One letter. */
  readonly shorthand?: string;
  /** What help shows for the value: "file", "n". Absent for flags without a value. */
  readonly placeholder?: string;
  readonly help: string;
  /** What help shows as the default. */
  readonly defaultText?: string;
  /** Still works, is not in the help, and prints a line that ends with this hint. */
  readonly deprecated?: string;
}

export interface Flag<Value> extends FlagNames {
  readonly initial: Value;
  /** The value that the flag takes when it stands alone. Without it, a value has to follow. */
  readonly impliedText?: string;
  /** The value after one more occurrence. Throws `InvalidValue`. */
  add(text: string, previous: Value): Value;
}

// biome-ignore lint/suspicious/noExplicitAny: a table holds flags of all types of values.
export type FlagTable = Readonly<Record<string, Flag<any>>>;

/** The values of a table's flags, by key. */
export type FlagValues<Table extends FlagTable> = {
  readonly [Key in keyof Table]: Table[Key] extends Flag<infer Value> ? Value : never;
};

export function booleanFlag(names: FlagNames): Flag<boolean> {
  return { ...names, initial: false, impliedText: "true", add: (text) => parseGoBoolean(text) };
}

/** `-v`, `-vv`, `--verbose=2`. */
export function countFlag(names: FlagNames): Flag<number> {
  const add = (text: string, previous: number): number => (text === "+1" ? previous + 1 : Number(parseGoInteger(text)));
  return { ...names, initial: 0, impliedText: "+1", add };
}

/** A text; the last occurrence wins. */
export function textFlag(names: FlagNames, initial = ""): Flag<string> {
  return { ...names, initial, add: (text) => text };
}

/** A text that is absent unless given. */
export function optionalTextFlag(names: FlagNames): Flag<string | undefined> {
  return { ...names, initial: undefined, add: (text) => text };
}

/** Every occurrence is one element, as it is. */
export function arrayFlag(names: FlagNames): Flag<readonly string[]> {
  return { ...names, initial: [], add: (text, previous) => [...previous, text] };
}

/** Every occurrence is a list with commas between the elements. */
export function listFlag(names: FlagNames): Flag<readonly string[]> {
  return { ...names, initial: [], add: (text, previous) => [...previous, ...splitList(text)] };
}

export function integerFlag(names: FlagNames, initial = 0): Flag<number> {
  return { ...names, initial, add: (text) => Number(parseGoInteger(text)) };
}

export function unsignedFlag(names: FlagNames, initial = 0): Flag<number> {
  return { ...names, initial, add: (text) => Number(parseGoInteger(text, "unsigned")) };
}

/** `5m`, `1h30m`; the value is in milliseconds. */
export function durationFlag(names: FlagNames, initialMs = 0): Flag<number> {
  return { ...names, initial: initialMs, add: (text) => parseGoDuration(text) };
}

/** A value that `parse` understands; it throws `InvalidValue` otherwise. */
export function parsedFlag<Value>(names: FlagNames, initial: Value, parse: (text: string) => Value): Flag<Value> {
  return { ...names, initial, add: (text) => parse(text) };
}

/** An element may be in double quotes, as in CSV files, to hold a comma. */
function splitList(text: string): string[] {
  if (text === "") return [];
  const elements: string[] = [];
  for (const match of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,]*))(?:,|$)/g)) {
    if (match.index === text.length && elements.length > 0 && !text.endsWith(",")) break;
    elements.push(match[1] === undefined ? (match[2] ?? "") : match[1].replaceAll('""', '"'));
  }
  return elements;
}
