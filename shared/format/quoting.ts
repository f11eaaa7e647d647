/**
 * Names of tree nodes: bytes, quoted as Go quotes a string, without the quotes around it. In a tree this text becomes a
 * JSON string on top. Source: the section on names and other strings of docs/format.md.
 */
import { CofferError } from "../errors.ts";
import { utf8Encode } from "./bytes.ts";
import { isPrintable, type Printable } from "./printable.ts";
import { decodeRune, runeBytes, runeCodePoint, undecodable } from "./runes.ts";

const quote = 0x22;
const backslash = 0x5c;
const newline = 0x0a;

/** Escapes of one letter, by code point. */
const letterOf: ReadonlyMap<number, string> = new Map([
  [0x22, '"'],
  [0x5c, "\\"],
  [0x07, "a"],
  [0x08, "b"],
  [0x0c, "f"],
  [0x0a, "n"],
  [0x0d, "r"],
  [0x09, "t"],
  [0x0b, "v"],
]);
const codePointOf: ReadonlyMap<string, number> = new Map(
  [...letterOf].map(([codePoint, letter]) => [letter, codePoint]),
);

/** The quoted form of a name. Nothing is lost: every byte string has one, and `unquoteName` gives the bytes back. */
export function quoteName(name: Uint8Array, printable: Printable = isPrintable): string {
  return quotePlainAscii(name) ?? quoteRunes(name, printable);
}

/** The name as text when every byte stands for itself, which is nearly always. */
function quotePlainAscii(name: Uint8Array): string | undefined {
  for (let index = 0; index < name.length; index++) {
    const byte = name[index] ?? 0;
    if (byte < 0x20 || byte > 0x7e || byte === quote || byte === backslash) return undefined;
  }
  return asciiText(name);
}

/** Names are at most a few hundred bytes; longer ones go the slow way round the limit on arguments. */
function asciiText(bytes: Uint8Array): string | undefined {
  return bytes.length > 4096 ? undefined : String.fromCharCode.apply(null, bytes as unknown as number[]);
}

function quoteRunes(name: Uint8Array, printable: Printable): string {
  let quoted = "";
  for (let offset = 0; offset < name.length; ) {
    const rune = decodeRune(name, offset);
    quoted += rune === undecodable ? hexEscape(name[offset] ?? 0) : quoteCodePoint(runeCodePoint(rune), printable);
    offset += runeBytes(rune);
  }
  return quoted;
}

function quoteCodePoint(codePoint: number, printable: Printable): string {
  const letter = letterOf.get(codePoint);
  if (letter !== undefined) return `\\${letter}`;
  if (printable(codePoint)) return String.fromCodePoint(codePoint);
  if (codePoint < 0x20 || codePoint === 0x7f) return hexEscape(codePoint);
  if (codePoint <= 0xffff) return `\\u${codePoint.toString(16).padStart(4, "0")}`;
  return `\\U${codePoint.toString(16).padStart(8, "0")}`;
}

function hexEscape(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

/**
 * The bytes of a quoted name. Besides what `quoteName` writes it takes every escape that Go takes: `\ooo`, and escapes of
 * characters that need none. Throws `malformed` on invalid escapes, a raw newline, an unescaped quote and lone surrogates.
 */
export function unquoteName(quoted: string): Uint8Array {
  const plain = unquotePlainAscii(quoted);
  if (plain !== undefined) return plain;
  if (findSpecial(quoted, 0) === quoted.length) return utf8Encode(quoted);
  // A UTF-16 unit stands for at most three bytes.
  const bytes = new Uint8Array(quoted.length * 3);
  let length = 0;
  for (let position = 0; position < quoted.length; ) {
    const plainEnd = findSpecial(quoted, position);
    const next = plainEnd === quoted.length ? { bytes: noBytes, end: plainEnd } : readEscape(quoted, plainEnd);
    for (const part of [utf8Encode(quoted.slice(position, plainEnd)), next.bytes]) {
      bytes.set(part, length);
      length += part.length;
    }
    position = next.end;
  }
  return bytes.slice(0, length);
}

/** The bytes when every character stands for itself and is one byte; a call of TextEncoder costs more than all else. */
function unquotePlainAscii(quoted: string): Uint8Array | undefined {
  const bytes = new Uint8Array(quoted.length);
  for (let index = 0; index < quoted.length; index++) {
    const unit = quoted.charCodeAt(index);
    if (unit > 0x7f || unit === quote || unit === backslash || unit === newline) return undefined;
    bytes[index] = unit;
  }
  return bytes;
}

const noBytes = new Uint8Array();
const specialCharacter = /["\\\n]/g;

/** Where the next character is that does not stand for itself; the length of the text when there is none. */
function findSpecial(quoted: string, position: number): number {
  specialCharacter.lastIndex = position;
  return specialCharacter.exec(quoted)?.index ?? quoted.length;
}

const escapeForm = /\\(?:([abfnrtv"\\])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))/y;

/** What the escape at `position` stands for, and where it ends. */
function readEscape(quoted: string, position: number): { bytes: Uint8Array; end: number } {
  escapeForm.lastIndex = position;
  const match = escapeForm.exec(quoted);
  if (match === null) throw malformedName(quoted, position);
  const [text, letter, hex, short, long, octal] = match;
  const end = position + text.length;
  if (letter !== undefined) return { bytes: Uint8Array.of(codePointOf.get(letter) ?? 0), end };
  if (hex !== undefined) return { bytes: Uint8Array.of(Number.parseInt(hex, 16)), end };
  if (octal !== undefined) return { bytes: Uint8Array.of(byteOf(octal, quoted, position)), end };
  return { bytes: utf8Encode(characterOf(short ?? long ?? "", quoted, position)), end };
}

function byteOf(octal: string, quoted: string, position: number): number {
  const byte = Number.parseInt(octal, 8);
  if (byte > 0xff) throw malformedName(quoted, position);
  return byte;
}

function characterOf(hex: string, quoted: string, position: number): string {
  const codePoint = Number.parseInt(hex, 16);
  if (codePoint > 0x10ffff || (codePoint >= 0xd800 && codePoint <= 0xdfff)) throw malformedName(quoted, position);
  return String.fromCodePoint(codePoint);
}

function malformedName(quoted: string, position: number): CofferError {
  const shown = JSON.stringify(quoted.slice(position, position + 12));
  return new CofferError("malformed", `node name expected an escape as Go writes it at ${position}, got ${shown}`);
}
