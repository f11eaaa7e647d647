/**
 * Strings as Go's JSON encoder (1.22 and later) writes them; documents must have exactly these bytes to get the ids
 * that restic gives them. Source: the section on names and other strings of docs/format.md.
 */
import { CofferError } from "../errors.ts";
import { utf8Decode } from "./bytes.ts";
import { decodeRune, runeBytes, runeCodePoint, undecodable } from "./runes.ts";

/** Halves of surrogate pairs are here too: whether they pair is looked at on the slow path only. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what has to be found.
const mayNeedEscape = /["\\<>&\u2028\u2029\x00-\x1f\ud800-\udfff]/;

const shortEscapes: ReadonlyMap<number, string> = new Map([
  [0x22, '\\"'],
  [0x5c, "\\\\"],
  [0x08, "\\b"],
  [0x0c, "\\f"],
  [0x0a, "\\n"],
  [0x0d, "\\r"],
  [0x09, "\\t"],
]);

/** The JSON string, with its quotes, of a text. A surrogate without its other half becomes `\ufffd`. */
export function encodeJsonString(text: string): string {
  if (!mayNeedEscape.test(text)) return `"${text}"`;
  let result = '"';
  for (const character of text) result += encodeCodePoint(character.codePointAt(0) ?? 0, character);
  return `${result}"`;
}

/** The JSON string of bytes that ought to be UTF-8; each byte that cannot be decoded becomes `\ufffd`. */
export function encodeJsonBytes(bytes: Uint8Array): string {
  if (isValidUtf8(bytes)) return encodeJsonString(utf8Decode(bytes));
  let result = '"';
  for (let offset = 0; offset < bytes.length; ) {
    const rune = decodeRune(bytes, offset);
    result += rune === undecodable ? "\\ufffd" : encodeCodePoint(runeCodePoint(rune));
    offset += runeBytes(rune);
  }
  return `${result}"`;
}

/** True when Go, and so restic, takes the bytes for UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
export function isValidUtf8(bytes: Uint8Array): boolean {
  for (let offset = 0; offset < bytes.length; ) {
    const rune = decodeRune(bytes, offset);
    if (rune === undecodable) return false;
    offset += runeBytes(rune);
  }
  return true;
}

/** `["a","b"]`. */
export function encodeJsonStrings(texts: readonly string[]): string {
  return `[${texts.map(encodeJsonString).join(",")}]`;
}

const maxDepth = 200;

/**
 * Any JSON value with Go's string escapes; the keys of objects keep their order. Integers may be bigints. Throws
 * `limit-exceeded` beyond 200 levels, which only hostile data has.
 */
export function encodeJsonValue(value: unknown, depth = 0): string {
  if (depth > maxDepth) throw new CofferError("limit-exceeded", `JSON value expected at most ${maxDepth} levels`);
  if (typeof value === "string") return encodeJsonString(value);
  if (Array.isArray(value)) return `[${value.map((item) => encodeJsonValue(item, depth + 1)).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(
      ([key, member]) => `${encodeJsonString(key)}:${encodeJsonValue(member, depth + 1)}`,
    );
    return `{${members.join(",")}}`;
  }
  return typeof value === "bigint" ? String(value) : (JSON.stringify(value) ?? "null");
}

function encodeCodePoint(codePoint: number, character: string = String.fromCodePoint(codePoint)): string {
  const short = shortEscapes.get(codePoint);
  if (short !== undefined) return short;
  if (codePoint < 0x20 || codePoint === 0x3c || codePoint === 0x3e || codePoint === 0x26)
    return unicodeEscape(codePoint);
  if (codePoint === 0x2028 || codePoint === 0x2029) return unicodeEscape(codePoint);
  if (codePoint >= 0xd800 && codePoint <= 0xdfff) return "\\ufffd";
  return character;
}

function unicodeEscape(codePoint: number): string {
  return `\\u${codePoint.toString(16).padStart(4, "0")}`;
}
