/**
 * Writes to standard output and standard error, in order, without ever blocking the main thread: when a pager does not read
 * on, a lock still has to be refreshed. (Node's own process.stdout blocks on pipes.)
 */
import { write } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

export type StandardStream = 1 | 2;

interface QueuedWrite {
  readonly stream: StandardStream;
  readonly bytes: Uint8Array;
}

/** Above this many waiting bytes, whoever produces much waits for `ready`. */
const comfortableBytes = 1 << 20;
const longestWriteBytes = 1 << 16;
/** When the other side has made the pipe non-blocking, "full" is an error, and has to be tried again. */
const fullPipePauseMs = 5;

export interface OutputQueueOptions {
  /** The reader of standard output has gone: nothing more is written there. Called once. */
  readonly onClosed?: () => void;
  /** For tests: how bytes are written. Calls back with the number of bytes written. */
  readonly write?: ((stream: StandardStream, bytes: Uint8Array, done: WriteCallback) => void) | undefined;
}

export type WriteCallback = (error: NodeJS.ErrnoException | null, writtenBytes: number) => void;

export class OutputQueue {
  readonly #options: OutputQueueOptions;
  #waiting: QueuedWrite[] = [];
  #waitingBytes = 0;
  #running: Promise<void> | undefined;
  #closedStreams: ReadonlySet<StandardStream> = new Set();
  #failure: Error | undefined;

  constructor(options: OutputQueueOptions = {}) {
    this.#options = options;
  }

  /** True when the reader of standard output has gone. */
  get isClosed(): boolean {
    return this.#closedStreams.has(1);
  }

  /** Why standard output could not be written, for another reason than that its reader has gone. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  write(stream: StandardStream, content: string | Uint8Array): void {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    if (bytes.length === 0 || this.#closedStreams.has(stream)) return;
    this.#waiting.push({ stream, bytes });
    this.#waitingBytes += bytes.length;
    this.#running ??= this.#run();
  }

  /** True while more waits than is comfortable. */
  get isBusy(): boolean {
    return this.#waitingBytes > comfortableBytes;
  }

  /** Settles when there is room for more. */
  async ready(): Promise<void> {
    if (this.isBusy) await this.#running;
  }

  /** Settles when everything has been written, or nobody reads any more. */
  async drained(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Forgets what waits for standard output; what waits for standard error is kept. */
  discardOutput(): void {
    this.#waiting = this.#waiting.filter((item) => item.stream === 2);
    this.#waitingBytes = this.#waiting.reduce((sum, item) => sum + item.bytes.length, 0);
  }

  async #run(): Promise<void> {
    // What is written in one go by the caller goes out in one system call.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const { stream, bytes } = this.#takeBatch();
      await this.#writeAll(stream, bytes);
    }
    this.#running = undefined;
  }

  /** Joins waiting writes to the same stream, up to a size. */
  #takeBatch(): QueuedWrite {
    const stream = this.#waiting[0]?.stream ?? 1;
    const parts: Uint8Array[] = [];
    let lengthBytes = 0;
    for (const item of this.#waiting) {
      const isTooMuch = parts.length > 0 && lengthBytes + item.bytes.length > longestWriteBytes;
      if (item.stream !== stream || isTooMuch) break;
      parts.push(item.bytes);
      lengthBytes += item.bytes.length;
    }
    this.#waiting = this.#waiting.slice(parts.length);
    this.#waitingBytes -= lengthBytes;
    return { stream, bytes: parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts) };
  }

  async #writeAll(stream: StandardStream, bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length && !this.#closedStreams.has(stream); ) {
      try {
        offset += await this.#writeOnce(stream, bytes.subarray(offset));
      } catch (error) {
        if (isSystemError(error, "EAGAIN")) await pause(fullPipePauseMs);
        else if (!isSystemError(error, "EINTR")) this.#close(stream, error);
      }
    }
  }

  #writeOnce(stream: StandardStream, bytes: Uint8Array): Promise<number> {
    const writeBytes = this.#options.write ?? ((fd, part, done) => write(fd, part, done));
    return new Promise((resolve, reject) => {
      writeBytes(stream, bytes, (error, writtenBytes) => (error ? reject(error) : resolve(writtenBytes)));
    });
  }

  #close(stream: StandardStream, error: unknown): void {
    this.#closedStreams = new Set([...this.#closedStreams, stream]);
    this.#waiting = this.#waiting.filter((item) => item.stream !== stream);
    this.#waitingBytes = this.#waiting.reduce((sum, item) => sum + item.bytes.length, 0);
    if (stream === 2) return;
    if (!isSystemError(error, "EPIPE") && error instanceof Error) this.#failure = error;
    this.#options.onClosed?.();
  }
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
