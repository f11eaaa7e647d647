/** The access log (and the audit log) as a file that can be rotated, or on standard output. */
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

export interface LogFile {
  /** For messages. */
  readonly name: string;
  /** Of a new file. */
  readonly mode: number;
}

const accessLogFile: LogFile = { name: "access log", mode: 0o644 };

/** Opens a log: `-` is standard output. Throws `unavailable` when the file cannot be opened. Later failures only cost lines. */
export async function openAccessLog(
  path: string,
  report: (line: string) => void,
  file: LogFile = accessLogFile,
): Promise<ReopenableLog> {
  if (path === "-")
    return { write: (line) => void process.stdout.write(line), reopen: () => undefined, close: async () => undefined };
  try {
    await (await open(path, "a", file.mode)).close();
  } catch (cause) {
    throw new CofferError("unavailable", `cannot open the ${file.name}: ${(cause as Error).message}`, { cause });
  }
  let stream = openStream(path, report, file);
  return {
    write: (line) => void stream.write(line),
    reopen: () => {
      stream.end();
      stream = openStream(path, report, file);
    },
    close: () => new Promise((resolve) => stream.once("close", () => resolve()).end()),
  };
}

function openStream(path: string, report: (line: string) => void, { name, mode }: LogFile): WriteStream {
  const stream = createWriteStream(path, { flags: "a", mode });
  stream.on("error", (error) => report(`${name}: ${error.message}`));
  return stream;
}
