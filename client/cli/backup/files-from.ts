/** Targets that are read from files: globs, names as they are, names that end with zero bytes. Source: docs/cli.md. */

import { readFile } from "node:fs/promises";
import { openStandardInput } from "../../platform/standard-input.ts";
import { fatalError, plainError, reasonOf } from "../exit-status.ts";
import { decodeText } from "../text/decode.ts";
import { quoteText } from "../text/quote.ts";
import { expandGlob } from "./glob.ts";

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

export interface TargetFiles {
  readonly filesFrom: readonly string[];
  readonly filesFromVerbatim: readonly string[];
  readonly filesFromRaw: readonly string[];
}

/** All targets that the files name, in the order globs, verbatim, raw. `warn` is told of globs that match nothing. */
export async function readTargetFiles(files: TargetFiles, warn: (text: string) => void): Promise<Uint8Array[]> {
  const targets: Uint8Array[] = [];
  for (const path of files.filesFrom) targets.push(...expandGlobs(await readSource(path), warn));
  for (const path of files.filesFromVerbatim) targets.push(...splitLines(await readSource(path)));
  for (const path of files.filesFromRaw) targets.push(...splitRaw(await readSource(path)));
  return targets;
}

/** `-` is standard input. */
async function readSource(path: string): Promise<Buffer> {
  if (path === "-") {
    const chunks: Buffer[] = [];
    for await (const chunk of openStandardInput() as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks);
  }
  try {
    return await readFile(path);
  } catch (error) {
    throw plainError(reasonOf(error), { cause: error });
  }
}

/** Lines with one pattern each; comments and empty lines are passed over. Throws `usage` for a bad pattern. */
function expandGlobs(content: Buffer, warn: (text: string) => void): Uint8Array[] {
  const targets: Uint8Array[] = [];
  for (const line of decodeText(content).split("\n")) {
    const pattern = line.trim();
    if (pattern === "" || pattern.startsWith("#")) continue;
    const matches = expandGlob(pattern);
    if (matches.length === 0) warn(`pattern ${quoteText(pattern)} does not match any files, skipping`);
    targets.push(...matches);
  }
  return targets;
}

/** Lines as they are; only empty ones are passed over. */
function splitLines(content: Buffer): Buffer[] {
  return splitAt(content, lineFeed)
    .map((line) => (line.at(-1) === carriageReturn ? line.subarray(0, -1) : line))
    .filter((line) => line.length > 0);
}

/** Names that each end with a zero byte. Throws `usage` when the last one does not, or one is empty. */
function splitRaw(content: Buffer): Buffer[] {
  if (content.length === 0) return [];
  if (content.at(-1) !== 0) throw fatalError("--files-from-raw: trailing zero byte missing");
  const names = splitAt(content.subarray(0, -1), 0);
  if (names.some((name) => name.length === 0)) throw fatalError("--files-from-raw: empty filename in listing");
  return names;
}

function splitAt(content: Buffer, separator: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let start = 0; start <= content.length; ) {
    const found = content.indexOf(separator, start);
    const end = found < 0 ? content.length : found;
    pieces.push(content.subarray(start, end));
    start = end + 1;
  }
  return pieces;
}
