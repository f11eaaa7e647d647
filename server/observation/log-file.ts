/** The access log (and the audit log) as a file that can be rotated, or on standard output. */
import { createWriteStream, type WriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { CofferError } from "../../shared/errors.ts";
import type { AccessLog } from "../http/access-log.ts";

export interface ReopenableLog extends AccessLog {
  /** Goes on in a new file of the same name, after the old one was moved away. */
  reopen(): void;
  /** Resolves when all lines have been written, or cannot be. */
  close(): Promise<void>;
}

export interface LogSettings {
  /** For messages. */
  readonly name: string;
  /** Of a new file. */
  readonly mode: number;
  /** After a failure the file is opened again, at most this often: there may be room on the disk by then. */
  readonly retryMs?: number;
}

export interface LogPlaces {
  /** For what is wrong with a log. */
  readonly log: (line: string) => void;
  /** Standard output. */
  readonly print: (text: string) => void;
}

const defaultRetryMs = 5000;
const accessLogSettings: LogSettings = { name: "access log", mode: 0o644 };

/** Opens a log: `-` is standard output. Throws `unavailable` when the file cannot be opened. Later failures only cost lines. */
export async function openAccessLog(
  path: string,
  { log: report, print }: LogPlaces,
  settings: LogSettings = accessLogSettings,
): Promise<ReopenableLog> {
  if (path === "-") return { write: print, reopen: () => undefined, close: async () => undefined };
  try {
    await (await open(path, "a", settings.mode)).close();
  } catch (cause) {
    throw new CofferError("unavailable", `cannot open the ${settings.name}: ${(cause as Error).message}`, { cause });
  }
  return new LogFile(path, report, settings);
}

class LogFile implements ReopenableLog {
  readonly #path: string;
  readonly #report: (line: string) => void;
  readonly #settings: LogSettings;
  #stream: WriteStream;
  #failedMs = Number.NEGATIVE_INFINITY;

  constructor(path: string, report: (line: string) => void, settings: LogSettings) {
    this.#path = path;
    this.#report = report;
    this.#settings = settings;
    this.#stream = this.#open();
  }

  write(line: string): void {
    const { retryMs = defaultRetryMs } = this.#settings;
    if (this.#stream.destroyed && performance.now() - this.#failedMs >= retryMs) this.#stream = this.#open();
    if (!this.#stream.destroyed) this.#stream.write(line);
  }

  reopen(): void {
    this.#stream.end();
    this.#stream = this.#open();
  }

  async close(): Promise<void> {
    this.#stream.end();
    // What could not be written was reported.
    await finished(this.#stream).catch(() => undefined);
  }

  #open(): WriteStream {
    const { name, mode } = this.#settings;
    const stream = createWriteStream(this.#path, { flags: "a", mode });
    stream.on("error", (error) => {
      this.#failedMs = performance.now();
      this.#report(`${name}: ${error.message}; lines are lost until it can be written again`);
    });
    return stream;
  }
}
