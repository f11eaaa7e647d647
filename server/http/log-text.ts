/** Text of strangers in the lines of a log: nothing that they send can end a field or a line, or turn around what a terminal shows. */

/** One line of JSON in ASCII: every other character is escaped, line separators of Unicode and marks of direction included. */
export function jsonLine(record: Readonly<Record<string, unknown>>): string {
  const escapeUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `${JSON.stringify(record).replaceAll(/[^\x20-\x7e]/g, escapeUnit)}\n`;
}

/** A field in double quotes. */
export function quoted(text: string | undefined): string {
  return `"${(text ?? "").replaceAll(/["\\]/g, "\\$&").replaceAll(/[^\x20-\x7e]/g, escapeLatin1)}"`;
}

/** Headers and targets come as bytes, each of which is one character. */
function escapeLatin1(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

/** A field that ends at the next blank: what is not a visible character of ASCII is written as its bytes. "-" says that there is none. */
export function bareField(text: string): string {
  if (text === "") return "-";
  if (text === "-") return "\\x2d";
  return text.replaceAll(/[^\x21-\x7e]|["\\]/gu, (character) =>
    Array.from(Buffer.from(character), (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join(""),
  );
}
