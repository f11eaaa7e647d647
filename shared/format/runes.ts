/**
 * UTF-8, one code point at a time, as Go decodes it: overlong forms, surrogates and values above U+10FFFF are not
 * decodable, and a byte that is not decodable stands alone. File names are bytes and need not be UTF-8.
 */

/** What `decodeRune` gives for a byte that begins no code point. Consumes one byte. */
export const undecodable = -1;

/** The code point of a rune. Not for `undecodable`. */
export function runeCodePoint(rune: number): number {
  return rune >> 3;
}

/** How many bytes the rune takes up: 1 to 4, 1 when undecodable. */
export function runeBytes(rune: number): number {
  return rune === undecodable ? 1 : rune & 7;
}

/** The code point that begins at `offset` and its length, packed into one number so that nothing is allocated. */
export function decodeRune(bytes: Uint8Array, offset: number): number {
  const first = bytes[offset] ?? 0;
  if (first < 0x80) return (first << 3) | 1;
  if (first < 0xc2 || first > 0xf4) return undecodable;
  const second = bytes[offset + 1] ?? 0;
  if (!isContinuation(second)) return undecodable;
  if (first < 0xe0) return (((first & 0x1f) << 6) | (second & 0x3f)) * 8 + 2;

  const third = bytes[offset + 2] ?? 0;
  if (!isContinuation(third)) return undecodable;
  if (first < 0xf0) {
    const codePoint = ((first & 0x0f) << 12) | ((second & 0x3f) << 6) | (third & 0x3f);
    const isOverlongOrSurrogate = codePoint < 0x800 || (codePoint >= 0xd800 && codePoint <= 0xdfff);
    return isOverlongOrSurrogate ? undecodable : codePoint * 8 + 3;
  }

  const fourth = bytes[offset + 3] ?? 0;
  if (!isContinuation(fourth)) return undecodable;
  const codePoint = ((first & 0x07) << 18) | ((second & 0x3f) << 12) | ((third & 0x3f) << 6) | (fourth & 0x3f);
  return codePoint < 0x10000 || codePoint > 0x10ffff ? undecodable : codePoint * 8 + 4;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
