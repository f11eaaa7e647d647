/**
 * Bytes to text and back, and the few operations on byte strings that every codec needs. Decoders are strict: what they
 * accept encodes to the same text again.
 */
import { CofferError } from "../errors.ts";

const hexDigits: Uint8Array = Uint8Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0));
const asciiDecoder: TextDecoder = new TextDecoder();
/** The digits of an id, by far the most frequent use: written and decoded at once. */
const idDigits: Uint8Array = new Uint8Array(64);

/**
 * Lower-case hex, two digits a byte. Decoded from a buffer, because a text that is added up from pieces is five times as slow and stays a
 * tree of its pieces in memory.
 */
export function toHex(bytes: Uint8Array): string {
  const digits = bytes.length === 32 ? idDigits : new Uint8Array(2 * bytes.length);
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] ?? 0;
    digits[2 * index] = hexDigits[byte >> 4] ?? 0;
    digits[2 * index + 1] = hexDigits[byte & 15] ?? 0;
  }
  return asciiDecoder.decode(digits);
}

/** The value of a lower-case hex digit, or 16 for any other UTF-16 unit. */
function hexDigitValue(unit: number): number {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  if (unit >= 0x61 && unit <= 0x66) return unit - 0x57;
  return 16;
}

/** The bytes of lower-case hex text. Throws `malformed` on an odd length or any other character. */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0) {
    throw new CofferError("malformed", `hex text expected an even number of digits, got ${text.length}`);
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let index = 0; index < bytes.length; index++) {
    const high = hexDigitValue(text.charCodeAt(2 * index));
    const low = hexDigitValue(text.charCodeAt(2 * index + 1));
    if (high > 15 || low > 15) {
      const found = JSON.stringify(text.slice(2 * index, 2 * index + 2));
      throw new CofferError("malformed", `hex text expected digits 0-9 and a-f, got ${found} at ${2 * index}`);
    }
    bytes[index] = (high << 4) | low;
  }
  return bytes;
}

/** Standard base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  // Pieces, because the number of arguments of a call is limited.
  for (let offset = 0; offset < bytes.length; offset += 4096) {
    binary += String.fromCharCode(...bytes.subarray(offset, offset + 4096));
  }
  return btoa(binary);
}

/** By a search for what must not be there: an expression for the whole overflows its stack at some megabytes. */
function isBase64(text: string): boolean {
  if (text.length % 4 !== 0) return false;
  const paddingLength = text.endsWith("==") ? 2 : Number(text.endsWith("="));
  return !/[^A-Za-z0-9+/]/.test(text.slice(0, text.length - paddingLength));
}

/**
 * The bytes of standard base64 text with padding. Throws `malformed` on white space, missing padding, other alphabets,
 * and on unused bits that are not zero.
 */
export function fromBase64(text: string): Uint8Array {
  if (!isBase64(text)) {
    throw new CofferError("malformed", `base64 text expected standard padded base64, got ${describeText(text)}`);
  }
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = binary.charCodeAt(index);
  // atob drops unused bits of the last digit; two texts must not mean the same bytes.
  if (text.endsWith("=") && toBase64(bytes.subarray(bytes.length - (bytes.length % 3))) !== text.slice(-4)) {
    throw new CofferError("malformed", `base64 text expected zero bits before its padding, got ${describeText(text)}`);
  }
  return bytes;
}

function describeText(text: string): string {
  return text.length <= 40 ? JSON.stringify(text) : `${JSON.stringify(text.slice(0, 40))} and ${text.length - 40} more`;
}

// With the u flag a surrogate pair is one character, so only lone surrogates match.
const loneSurrogate = /\p{Surrogate}/u;

const encoder = new TextEncoder();
// ignoreBOM: true keeps a leading U+FEFF in the text, so that decoding loses nothing.
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The UTF-8 form. Throws `malformed` on lone surrogates, which have none. */
export function utf8Encode(text: string): Uint8Array {
  if (loneSurrogate.test(text)) {
    throw new CofferError(
      "malformed",
      `text expected well-formed Unicode, got a lone surrogate in ${describeText(text)}`,
    );
  }
  return encoder.encode(text);
}

/** The text of UTF-8 bytes. Throws `malformed` on invalid UTF-8; a byte order mark is kept. */
export function utf8Decode(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch (cause) {
    throw new CofferError("malformed", `text expected valid UTF-8, got ${bytes.length} bytes that are not`, { cause });
  }
}

/** True when both have the same length and bytes. Not in constant time: see `equalTags` in sealing.ts for secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) {
    if (a[index] !== b[index]) return false;
  }
  return true;
}

/** Negative, zero or positive as `a` sorts before, with or after `b`: unsigned bytes, a prefix before its extensions. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length);
  for (let index = 0; index < common; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** A copy in memory of its own. Not `slice`, which for a Buffer of Node gives another view of the same memory. */
export function copyBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** All parts in order, in fresh memory. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** True when every byte is zero; true for no bytes. */
export function isAllZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** The unsigned 32-bit little-endian integer at `offset`. Throws `malformed` when the four bytes are not all there. */
export function readUint32LE(bytes: Uint8Array, offset: number): number {
  const byte0 = bytes[offset];
  const byte1 = bytes[offset + 1];
  const byte2 = bytes[offset + 2];
  const byte3 = bytes[offset + 3];
  if (byte0 === undefined || byte1 === undefined || byte2 === undefined || byte3 === undefined) {
    throw new CofferError("malformed", `integer expected 4 bytes at ${offset}, got ${bytes.length} bytes in all`);
  }
  return (byte0 | (byte1 << 8) | (byte2 << 16) | (byte3 << 24)) >>> 0;
}

/** Writes an unsigned 32-bit little-endian integer at `offset`. Throws `internal` when value or place do not fit. */
export function writeUint32LE(bytes: Uint8Array, offset: number, value: number): void {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw new CofferError("internal", `integer expected 0 to 4294967295, got ${value}`);
  }
  if (offset < 0 || offset + 4 > bytes.length) {
    throw new CofferError(
      "internal",
      `integer expected room for 4 bytes at ${offset}, got ${bytes.length} bytes in all`,
    );
  }
  bytes[offset] = value;
  bytes[offset + 1] = value >>> 8;
  bytes[offset + 2] = value >>> 16;
  bytes[offset + 3] = value >>> 24;
}
