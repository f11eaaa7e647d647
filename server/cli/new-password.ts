/** A new password: typed twice at a terminal without being shown, or the first line of a file or of standard input. */
import { readFile } from "node:fs/promises";
import { isatty, ReadStream } from "node:tty";
import { CofferError } from "../../shared/errors.ts";

/** bcrypt looks at no more than that: two passwords that differ only behind it would be one. */
const longestPasswordBytes = 72;
const longestInputBytes = 65_536;
const standardInput = 0;

/** Throws `usage` for what cannot be a password. */
export async function readNewPassword(user: string, passwordFile: string | undefined): Promise<string> {
  if (passwordFile !== undefined) return requirePassword(firstLine(await readPasswordFile(passwordFile)));
  if (!isatty(standardInput)) return requirePassword(firstLine(await readInput()));
  const password = requirePassword(await prompt(`New password of ${user}: `));
  if ((await prompt("Once more: ")) !== password) usage("the two passwords differ: nothing was changed");
  return password;
}

function requirePassword(password: string): string {
  const bytes = Buffer.byteLength(password);
  if (bytes === 0) usage("expected a password, got an empty line");
  if (bytes > longestPasswordBytes) usage(`expected a password of at most ${longestPasswordBytes} bytes, got ${bytes}`);
  if (password.includes("\0")) usage("expected a password without NUL, which bcrypt takes for its end");
  return password;
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]?.replace(/\r$/, "") ?? "";
}

async function readPasswordFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new CofferError("usage", `cannot read the password file: ${(cause as Error).message}`, { cause });
  }
}

async function readInput(): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of process.stdin as AsyncIterable<Buffer>) {
    pieces.push(piece);
    bytes += piece.length;
    if (piece.includes("\n") || bytes > longestInputBytes) break;
  }
  return Buffer.concat(pieces).toString("utf8");
}

/** On standard error, so that it is seen when the output goes elsewhere. */
async function prompt(text: string): Promise<string> {
  const input = new ReadStream(standardInput);
  // Before the question: whatever is typed after it must not show.
  input.setRawMode(true);
  process.stderr.write(text);
  try {
    return await readHiddenLine(input);
  } finally {
    input.setRawMode(false);
    input.destroy();
    process.stderr.write("\n");
  }
}

const interruptKey = "\x03";
const endKeys: readonly string[] = ["\r", "\n", "\x04"];

function readHiddenLine(input: ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = "";
    input.setEncoding("utf8");
    input.on("data", (keys: string) => {
      for (const key of keys) {
        if (key === interruptKey) return reject(new CofferError("cancelled", "interrupted: nothing was changed"));
        if (endKeys.includes(key)) return resolve(line);
        line = edit(line, key);
      }
    });
    input.once("error", reject);
    input.once("end", () => resolve(line));
  });
}

function edit(line: string, key: string): string {
  if (key === "\x7f" || key === "\b") return Array.from(line).slice(0, -1).join("");
  return key === "\x15" ? "" : line + key;
}

function usage(message: string): never {
  throw new CofferError("usage", message);
}
