/** Small text files that people wrote with an editor, perhaps on another system. */

/** The text of UTF-8 or, with a byte order mark, UTF-16 bytes; the mark is removed. */
export function decodeText(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  return new TextDecoder("utf-8").decode(bytes);
}
