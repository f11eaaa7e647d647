/** The body of a request as a storage reads it, and what becomes of a body that nobody reads to its end. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { CofferError } from "../../shared/errors.ts";
import { linger } from "./linger.ts";

/** Received, but not yet asked for: more than that waits in the network. */
const queueBytes = 131_072;

/** How much of an unwanted body is read so that the connection can be used again. Larger ones cost the connection. */
const discardedBytes = 33_554_432;

/** Requests that wait for "100 Continue" before they send their body. */
const waitingForContinue = new WeakSet<IncomingMessage>();

/** To be called for a request with `Expect: 100-continue`, instead of telling it at once to go on. */
export function holdContinue(request: IncomingMessage): void {
  waitingForContinue.add(request);
}

/**
 * The body in the chunks in which it arrives, read once. Throws `cancelled` when the client goes away before the end. Events
 * instead of a stream's own iterator: it costs half as much for each chunk.
 */
export class RequestBody implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array> {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #chunks: Buffer[] = [];
  #queuedBytes = 0;
  #receivedBytes = 0;
  #isReading = false;
  #isDiscarding = false;
  #failure: CofferError | undefined;
  #wake: (() => void) | undefined;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this;
  }

  /** What the client says about the size; undefined when it does not say it. A request without a length has no body. */
  get announcedBytes(): number | undefined {
    const { "content-length": length, "transfer-encoding": encoding } = this.#request.headers;
    if (encoding !== undefined) return undefined;
    return length === undefined ? 0 : Number(length);
  }

  /** True while somebody waits for the client to send more. */
  get isAwaited(): boolean {
    return this.#wake !== undefined;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#isReading) this.#startReading();
    while (true) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#queuedBytes -= chunk.length;
        if (this.#chunks.length === 0) this.#request.resume();
        return { done: false, value: chunk };
      }
      if (this.#request.complete && this.#request.readableEnded) return { done: true, value: undefined };
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  /**
   * To be called when the answer is given: reads what is left of the body, so that the client sees the answer and can
   * go on using the connection; a body that is too large for that ends the connection.
   */
  discard(): void {
    // What has arrived whole and was not looked at is thrown away by Node.
    if (this.#request.complete && !this.#isReading) return;
    this.#isDiscarding = true;
    this.#chunks = [];
    if (waitingForContinue.has(this.#request)) return;
    this.#receivedBytes = 0;
    if (!this.#isReading) this.#startReading();
    this.#request.resume();
  }

  /** True when the answer should say that the connection ends with it: before headers are sent. */
  get costsConnection(): boolean {
    if (this.#isReading || this.#request.complete) return false;
    if (waitingForContinue.has(this.#request)) return true;
    return Number(this.#request.headers["content-length"] ?? 0) > discardedBytes;
  }

  #startReading(): void {
    this.#isReading = true;
    const request = this.#request;
    if (waitingForContinue.delete(request)) this.#response.writeContinue();
    request.on("data", (chunk: Buffer) => this.#receive(chunk));
    request.on("end", () => this.#wake?.());
    request.on("error", () => this.#fail());
    request.on("close", () => this.#fail());
  }

  #receive(chunk: Buffer): void {
    this.#receivedBytes += chunk.length;
    if (this.#isDiscarding) {
      if (this.#receivedBytes > discardedBytes) linger(this.#request.socket);
      return;
    }
    this.#chunks.push(chunk);
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes >= queueBytes) this.#request.pause();
    this.#wake?.();
  }

  #fail(): void {
    this.#failure ??= new CofferError(
      "cancelled",
      `the client went away after ${this.#receivedBytes} bytes of its upload`,
    );
    this.#wake?.();
  }
}
