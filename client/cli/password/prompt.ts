/** Passwords from standard input: typed at a terminal without being shown, or the first line of what is piped in. */
import { writeSync } from "node:fs";
import { isatty, ReadStream } from "node:tty";
import type { Cancellation } from "../signals.ts";

const standardInput = 0;
const longestLineBytes = 1 << 16;

export function isTerminalInput(): boolean {
  return isatty(standardInput);
}

/** Asks on standard error and reads a line that the terminal does not show. Ctrl-C cancels the program. */
export async function promptForPassword(prompt: string, cancellation: Cancellation): Promise<string> {
  const input = new ReadStream(standardInput);
  writeSync(2, prompt);
  input.setRawMode(true);
  try {
    const line = await readHiddenLine(input, cancellation);
    writeSync(2, "\n");
    return line;
  } finally {
    input.setRawMode(false);
    input.destroy();
  }
}

/** What keys do while a password is typed. */
function readHiddenLine(input: ReadStream, cancellation: Cancellation): Promise<string> {
  const line = new HiddenLine();
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      input.off("data", onData);
      cancellation.signal.removeEventListener("abort", onAbort);
      settle();
    };
    const onAbort = (): void => finish(() => reject(cancellation.signal.reason));
    const onData = (bytes: Buffer): void => {
      const outcome = line.type(bytes);
      if (outcome === "interrupted") cancellation.interrupt("SIGINT");
      else if (outcome === "finished") finish(() => resolve(line.text()));
    };
    if (cancellation.signal.aborted) return onAbort();
    cancellation.signal.addEventListener("abort", onAbort, { once: true });
    input.on("data", onData);
    input.once("error", (error) => finish(() => reject(error)));
    input.once("end", () => finish(() => resolve(line.text())));
  });
}

export type TypingOutcome = "unfinished" | "finished" | "interrupted";

const keys = {
  interrupt: 0x03,
  endOfInput: 0x04,
  backspace: 0x08,
  lineFeed: 0x0a,
  enter: 0x0d,
  killLine: 0x15,
  del: 0x7f,
};

/** A line as it is typed, byte by byte, with the editing keys of a terminal. */
export class HiddenLine {
  #bytes: number[] = [];

  type(bytes: Uint8Array): TypingOutcome {
    for (const byte of bytes) {
      if (byte === keys.interrupt) return "interrupted";
      if (byte === keys.enter || byte === keys.lineFeed || byte === keys.endOfInput) return "finished";
      if (byte === keys.backspace || byte === keys.del) this.#removeCharacter();
      else if (byte === keys.killLine) this.#bytes = [];
      else this.#bytes.push(byte);
    }
    return "unfinished";
  }

  text(): string {
    return Buffer.from(this.#bytes).toString("utf8");
  }

  /** A character of UTF-8 may be several bytes. */
  #removeCharacter(): void {
    while (((this.#bytes.at(-1) ?? 0) & 0xc0) === 0x80) this.#bytes.pop();
    this.#bytes.pop();
  }
}

/** Lines of standard input when it is no terminal; what is behind a line is kept for the next one. */
class InputLines {
  #source: AsyncIterator<Buffer> | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #isAtEnd = false;

  /** Without its line feed; empty at the end of the input. */
  async next(signal: AbortSignal): Promise<string> {
    this.#source ??= process.stdin.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
    let end = this.#rest.indexOf(keys.lineFeed);
    while (end < 0 && !this.#isAtEnd && this.#rest.length < longestLineBytes) {
      const read = await orAborted(this.#source.next(), signal);
      if (read.done) this.#isAtEnd = true;
      else this.#rest = Buffer.concat([this.#rest, read.value]);
      end = this.#rest.indexOf(keys.lineFeed);
    }
    const line = end < 0 ? this.#rest : this.#rest.subarray(0, end);
    this.#rest = this.#rest.subarray(end < 0 ? this.#rest.length : end + 1);
    const text = line.toString("utf8");
    return text.endsWith("\r") ? text.slice(0, -1) : text;
  }
}

const inputLines = new InputLines();

export function readLineFromInput(signal: AbortSignal): Promise<string> {
  return inputLines.next(signal);
}

/** Settles as the promise does, or rejects with the signal's reason. */
function orAborted<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
