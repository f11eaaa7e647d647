/**
 * Paths as text for patterns. A path is bytes and need not be UTF-8, but wildcards match characters. So each byte that belongs to
 * no character becomes a character of its own, the lone surrogate U+DC00 + byte, which no valid text contains: nothing is
 * lost, `?` matches one such byte, as in restic, and two different paths never look alike.
 */
import { decodeRune, runeBytes, runeCodePoint, undecodable } from "../../shared/format/runes.ts";

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
const escapeBase = 0xdc00;
const loneSurrogates = /\p{Surrogate}/u;

/** The text of a path. */
export function decodePath(path: Uint8Array): string {
  try {
    return strictDecoder.decode(path);
  } catch {
    return decodeRunes(path);
  }
}

/** The bytes of a text that `decodePath` gave. */
export function encodePath(text: string): Uint8Array {
  if (!loneSurrogates.test(text)) return encoder.encode(text);
  const bytes: number[] = [];
  for (const character of text) {
    const codePoint = character.codePointAt(0) ?? 0;
    if (codePoint > escapeBase && codePoint <= escapeBase + 0xff) bytes.push(codePoint - escapeBase);
    else bytes.push(...encoder.encode(character));
  }
  return Uint8Array.from(bytes);
}

function decodeRunes(path: Uint8Array): string {
  let text = "";
  for (let offset = 0; offset < path.length; ) {
    const rune = decodeRune(path, offset);
    text += String.fromCodePoint(rune === undecodable ? escapeBase + (path[offset] ?? 0) : runeCodePoint(rune));
    offset += runeBytes(rune);
  }
  return text;
}

const ascii = /^[\0-\x7f]*$/;

/** Lower case, character by character, as Go has it: no final sigma, no character that becomes two. */
export function lowerCase(text: string): string {
  if (ascii.test(text)) return text.toLowerCase();
  let lowered = "";
  for (const character of text) {
    const lower = character.toLowerCase();
    // Of all characters only I with a dot becomes two, of which the first is its simple form.
    lowered += lower.length > character.length ? lower.charAt(0) : lower;
  }
  return lowered;
}
