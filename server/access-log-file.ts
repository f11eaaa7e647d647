/** The access log as a file that can be rotated, or on standard output. */
import { createWriteStream, type WriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { CofferError } from "../shared/errors.ts";
import type { AccessLog } from "./http/access-log.ts";

export interface ReopenableLog extends AccessLog {
  /** Goes on in a new file of the same name, after the old one was moved away. */
  reopen(): void;
  /** Resolves when all lines have been written. */
  close(): Promise<void>;
}

/** Opens a log: `-` is standard output. Throws `unavailable` when the file cannot be opened. Later failures only cost lines. */
export async function openAccessLog(path: string, report: (line: string) => void): Promise<ReopenableLog> {
  if (path === "-")
    return { write: (line) => void process.stdout.write(line), reopen: () => undefined, close: async () => undefined };
  try {
    await (await open(path, "a", 0o644)).close();
  } catch (cause) {
    throw new CofferError("unavailable", `cannot open the access log: ${(cause as Error).message}`, { cause });
  }
  let stream = openStream(path, report);
  return {
    write: (line) => void stream.write(line),
    reopen: () => {
      stream.end();
      stream = openStream(path, report);
    },
    close: () => new Promise((resolve) => stream.once("close", () => resolve()).end()),
  };
}

function openStream(path: string, report: (line: string) => void): WriteStream {
  const stream = createWriteStream(path, { flags: "a", mode: 0o644 });
  stream.on("error", (error) => report(`access log: ${error.message}`));
  return stream;
}
