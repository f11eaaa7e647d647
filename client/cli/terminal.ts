/**
 * The screen: messages, and below them status lines that are drawn over again and again. On anything but a terminal
 * messages are plain lines. Source: docs/cli.md, progress.
 */
import type { OutputQueue, StandardStream } from "./output-queue.ts";
import { cutToWidth } from "./text/display-width.ts";

const clearLine = "\r\x1b[2K";
const lineUp = "\x1b[1A";
const unknownWidth = 80;
const lineFeed = Buffer.from("\n");

export interface Screen {
  /** Standard output is a terminal. */
  readonly isTerminal: boolean;
  /** The terminal understands the sequences that clear a line and move up. */
  readonly canUpdate: boolean;
  /** Columns now; windows change. */
  readonly width: () => number;
  /** False when a shell has put the process into the background: then the screen belongs to another program. */
  readonly isForeground: () => boolean;
}

export class Terminal {
  readonly screen: Screen;
  readonly #queue: OutputQueue;
  #status: readonly string[] = [];
  /** The status lines as they stand on the screen now. */
  #drawn: readonly string[] = [];

  constructor(queue: OutputQueue, screen: Screen) {
    this.#queue = queue;
    this.screen = screen;
  }

  /** A message of one or more lines on standard output. */
  print(text: string): void {
    this.#printTo(1, text);
  }

  /** A line on standard output that need not be UTF-8. */
  printBytes(line: Uint8Array): void {
    this.#queue.write(1, Buffer.concat([Buffer.from(this.screen.canUpdate ? clearLine : ""), line, lineFeed]));
  }

  /** A message on standard error. */
  printError(text: string): void {
    this.#printTo(2, text);
  }

  /** Status lines from now on; none takes them away. */
  setStatus(lines: readonly string[]): void {
    this.#status = lines;
    if (this.screen.canUpdate && this.screen.isForeground()) this.#draw();
    else if (!this.screen.canUpdate) this.#printChanged();
  }

  clearStatus(): void {
    this.#status = [];
    if (this.screen.canUpdate && this.#drawn.length > 0 && this.screen.isForeground()) this.#draw();
    this.#drawn = [];
  }

  /** The first status line gives way to the message, and all are drawn again below it. */
  #printTo(stream: StandardStream, text: string): void {
    if (!this.screen.canUpdate) {
      this.#queue.write(stream, `${text}\n`);
      return;
    }
    this.#queue.write(stream, `${clearLine}${text}\n`);
    if (this.#drawn.length === 0) return;
    this.#drawn = this.#drawn.slice(1 + countLineFeeds(text));
    if (this.screen.isForeground()) this.#draw();
  }

  /** Draws all lines, clears those that are no longer needed, and leaves the cursor in the first one. */
  #draw(): void {
    const lines = this.#status.map((line) => cutToWidth(line, this.screen.width() - 2));
    const height = Math.max(lines.length, this.#drawn.length);
    if (height === 0) return;
    const texts = Array.from({ length: height }, (_, index) => `${clearLine}${lines[index] ?? ""}`);
    this.#queue.write(1, `${texts.join("\n")}\r${lineUp.repeat(height - 1)}`);
    this.#drawn = lines;
  }

  /** Without a screen to draw on, status lines are ordinary ones, printed when they differ from those before. */
  #printChanged(): void {
    const isSame =
      this.#status.length === this.#drawn.length && this.#status.every((line, index) => line === this.#drawn[index]);
    if (!isSame) for (const line of this.#status) this.#queue.write(1, `${line}\n`);
    this.#drawn = this.#status;
  }
}

/** A screen that is none: a pipe, a file. */
export const noScreen: Screen = {
  isTerminal: false,
  canUpdate: false,
  width: () => unknownWidth,
  isForeground: () => true,
};

function countLineFeeds(text: string): number {
  return text.split("\n").length - 1;
}
