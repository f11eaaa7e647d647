/** Texts and names in double quotes, as Go writes them. */
import { utf8Encode } from "../../../shared/format/bytes.ts";
import { quoteName } from "../../../shared/format/quoting.ts";

/** `"text"` with escapes for quotes and everything that is not printable. */
export function quoteText(text: string): string {
  return quoteBytes(utf8Encode(text));
}

/** The same for bytes that need not be UTF-8. */
export function quoteBytes(bytes: Uint8Array): string {
  return `"${quoteName(bytes)}"`;
}

/** The name as it is, in quotes only when it holds something that a terminal would not show. */
export function quoteIfNeeded(name: Uint8Array): string {
  const quoted = quoteName(name);
  const plain = new TextDecoder().decode(name);
  return quoted.replaceAll(/\\(["\\])/g, "$1") === plain ? plain : `"${quoted}"`;
}
