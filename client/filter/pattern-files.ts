/** Files with one pattern in each line. Source: docs/cli.md, pattern files. */
import { readFile } from "node:fs/promises";
import { CofferError } from "../../shared/errors.ts";
import { decodePath } from "./path-text.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The patterns of a file; in error messages and as a path the name is as given. Throws `usage` when it cannot be read. */
export async function readPatternFile(name: string, environment: Environment): Promise<string[]> {
  let content: Uint8Array;
  try {
    content = await readFile(name);
  } catch (cause) {
    throw new CofferError("usage", `failed to read patterns from file "${name}": open ${name}: ${reasonOf(cause)}`, {
      cause,
    });
  }
  return parsePatternFile(content, environment);
}

/** Lines, trimmed; empty ones and those that begin with # are left out; then variables are replaced by their values. */
export function parsePatternFile(content: Uint8Array, environment: Environment): string[] {
  return decodeText(content)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => expandVariables(line, environment))
    .filter((line) => line !== "");
}

/** UTF-16 if the file begins with its byte order mark, else UTF-8, whose mark is dropped. Bytes that are not UTF-8 stay themselves. */
function decodeText(content: Uint8Array): string {
  const [first, second, third] = content;
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(content);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(content);
  return decodePath(first === 0xef && second === 0xbb && third === 0xbf ? content.subarray(3) : content);
}

/** `${name}`, `$name`, and `$` with one of the characters that shells give a meaning. A `${` without an end is dropped. */
const variable = /\$(?:\{(?<braced>[^}]*)\}|(?<name>[A-Za-z_]\w*|[$*#@!?\-0-9])|(?<open>\{))/g;

function expandVariables(line: string, environment: Environment): string {
  return line.replace(variable, (...match: unknown[]) => {
    const { braced, name } = match.at(-1) as { braced?: string; name?: string };
    const wanted = braced ?? name ?? "";
    if (wanted === "$") return "$";
    return Object.hasOwn(environment, wanted) ? (environment[wanted] ?? "") : "";
  });
}

/** As restic words it. */
function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOENT") return "no such file or directory";
  if (code === "EACCES") return "permission denied";
  return error instanceof Error ? error.message : String(error);
}
