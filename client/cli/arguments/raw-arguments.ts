/**
 * Arguments as the bytes that the system passed. Node decodes arguments as UTF-8 and loses what is not; Linux shows
 * the bytes in /proc. Elsewhere the decoded text is all there is.
 */
import { readFileSync, readlinkSync } from "node:fs";
import type { ArgumentText } from "./parse.ts";

const replacementCharacter = "\ufffd";

/** The bytes of an argument, or of a flag's value inside one. `count`: how many arguments the program got in all. */
export function bytesOfArgument(argument: ArgumentText, count: number): Uint8Array {
  if (argument.text.includes(replacementCharacter)) {
    const raw = readRawArguments();
    // The last of the process's arguments are the program's own, behind Node's and the script's name.
    const bytes = raw?.[raw.length - count + argument.index];
    if (bytes !== undefined) return bytes.subarray(argument.prefixLength);
  }
  return Buffer.from(argument.text);
}

function readRawArguments(): Buffer[] | undefined {
  try {
    const all = readFileSync("/proc/self/cmdline");
    const pieces: Buffer[] = [];
    for (let start = 0; start < all.length; ) {
      const end = all.indexOf(0, start);
      pieces.push(all.subarray(start, end < 0 ? all.length : end));
      start = end < 0 ? all.length : end + 1;
    }
    return pieces;
  } catch {
    return undefined;
  }
}

/** The bytes of the working directory. */
export function workingDirectoryBytes(): Uint8Array {
  const text = process.cwd();
  if (!text.includes(replacementCharacter)) return Buffer.from(text);
  try {
    return readlinkSync("/proc/self/cwd", { encoding: "buffer" });
  } catch {
    return Buffer.from(text);
  }
}
