/** JSON over several lines, without understanding its values: large numbers and escapes stay as they are. */

const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/gs;
const indentation = "  ";

/** The JSON text with two blanks for each level. Empty objects and lists stay on one line. */
export function indentJson(text: string): string {
  let result = "";
  let depth = 0;
  let previous = "";
  const lineBreak = (): string => `\n${indentation.repeat(depth)}`;
  for (const [piece] of text.matchAll(token)) {
    const isOpening = previous === "{" || previous === "[";
    if (piece === "}" || piece === "]") {
      depth -= 1;
      result += isOpening ? piece : lineBreak() + piece;
    } else {
      result += isOpening || previous === "," ? lineBreak() + piece : piece;
      if (piece === ":") result += " ";
      if (piece === "{" || piece === "[") depth += 1;
    }
    previous = piece;
  }
  return result;
}
