/**
 * HTTP through `fetch`, for browsers: the browser keeps connections alive and limits them. On Node there is a better transport, which
 * can keep a connection after a HEAD.
 */
import { CofferError } from "../../shared/errors.ts";
import { BodyMemory } from "./body-memory.ts";
import { cancellationOf } from "./cancellation.ts";
import type { HttpRequest, HttpResponse, HttpTransport, ResponseHead } from "./transport.ts";

const defaultStuckRequestTimeoutMs = 5 * 60_000;
const keptErrorBytes = 1024;

export interface FetchTransportOptions {
  /** Scheme, host and port. */
  readonly origin: string;
  /** An answer of which no byte arrives for so long is ended with `request-timeout`. Uploads show no progress and are not watched. */
  readonly stuckRequestTimeoutMs?: number;
}

export class FetchTransport implements HttpTransport {
  readonly #origin: string;
  readonly #stuckMs: number;
  readonly #running: Set<Promise<unknown>> = new Set();

  constructor(options: FetchTransportOptions) {
    this.#origin = options.origin;
    this.#stuckMs = options.stuckRequestTimeoutMs ?? defaultStuckRequestTimeoutMs;
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    const exchange = this.#exchange(request);
    this.#running.add(exchange);
    try {
      return await exchange;
    } finally {
      this.#running.delete(exchange);
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  async #exchange(request: HttpRequest): Promise<HttpResponse> {
    const watchdog = new Watchdog(request.body === undefined ? this.#stuckMs : 0, request.signal);
    try {
      const response = await fetch(this.#origin + request.path, {
        method: request.method,
        headers: request.headers,
        redirect: "manual",
        cache: "no-store",
        signal: watchdog.signal,
        ...(request.body === undefined ? {} : { body: ownBytes(request.body) }),
      });
      watchdog.restart(this.#stuckMs);
      const head = headOf(response);
      const memory = memoryFor(request, head);
      for await (const piece of piecesOf(response)) {
        watchdog.restart(this.#stuckMs);
        take(memory, piece, response.ok);
      }
      return { ...head, body: memory.received };
    } catch (error) {
      if (watchdog.signal.aborted) throw cancellationOf(watchdog.signal);
      if (error instanceof CofferError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new CofferError("unavailable", `the connection to the server failed: ${reason}`, { cause: error });
    } finally {
      watchdog.stop();
    }
  }
}

/** A signal that is raised with the caller's, or when nothing restarts the watchdog in time. */
class Watchdog {
  readonly signal: AbortSignal;
  readonly #stuck: AbortController = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(timeoutMs: number, signal: AbortSignal | undefined) {
    this.signal = signal ? AbortSignal.any([signal, this.#stuck.signal]) : this.#stuck.signal;
    this.restart(timeoutMs);
  }

  /** 0: not watched. */
  restart(timeoutMs: number): void {
    this.stop();
    if (timeoutMs === 0) return;
    this.#timer = setTimeout(() => {
      const message = `request timeout: no byte moved for ${timeoutMs / 1000} s`;
      this.#stuck.abort(new CofferError("request-timeout", message));
    }, timeoutMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function headOf(response: Response): ResponseHead {
  const headers = Object.fromEntries(response.headers);
  const length = headers["content-length"] ?? "";
  const { status } = response;
  return /^\d{1,15}$/.test(length) ? { status, headers, lengthBytes: Number(length) } : { status, headers };
}

function memoryFor(request: HttpRequest, head: ResponseHead): BodyMemory {
  const subject = `${request.method} ${request.path}`;
  const isError = head.status < 200 || head.status > 299;
  if (isError || request.method === "HEAD") return new BodyMemory({ limitBytes: keptErrorBytes, subject });
  const { limitBytes } = request;
  return new BodyMemory({ given: request.memoryFor?.(head), lengthBytes: head.lengthBytes, limitBytes, subject });
}

function take(memory: BodyMemory, piece: Uint8Array, isWanted: boolean): void {
  // An error answer is read to its end, but only its beginning is kept.
  memory.append(isWanted ? piece : piece.subarray(0, keptErrorBytes - memory.received.length));
}

async function* piecesOf(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  let isDone = false;
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) yield piece.value;
    isDone = true;
  } finally {
    // Left early: the rest of the body would keep its connection.
    if (!isDone) await reader.cancel().catch(() => undefined);
  }
}

/** fetch does not take memory that threads share. */
function ownBytes(body: Uint8Array): Uint8Array<ArrayBuffer> {
  return body.buffer instanceof ArrayBuffer ? (body as Uint8Array<ArrayBuffer>) : body.slice();
}
