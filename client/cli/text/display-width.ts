/** How many columns of a terminal a text takes: wide characters two, combining ones none. */

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const zero = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: everything of ASCII is one wide.
const plain = /^[\x00-\x7f]*$/;

export function displayWidth(text: string): number {
  if (plain.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += widthOf(character);
  return width;
}

/** The longest beginning of the text that is at most `width` columns wide. */
export function cutToWidth(text: string, width: number): string {
  if (plain.test(text)) return text.slice(0, Math.max(0, width));
  let used = 0;
  let result = "";
  for (const character of text) {
    used += widthOf(character);
    if (used > width) break;
    result += character;
  }
  return result;
}

/** The text with blanks behind it up to `width` columns. */
export function padToWidth(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - displayWidth(text)));
}

function widthOf(character: string): number {
  if (zero.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}
