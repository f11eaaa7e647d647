/** One HTTP request and its answer, as undici's handler: takes bytes as they arrive and settles when the last one is there. */
import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import { CofferError } from "../../shared/errors.ts";
import { cancellationOf } from "../backends/cancellation.ts";
import type { RateLimiter } from "../backends/rate-limit.ts";
import type { HttpRequest, HttpResponse, ResponseHead } from "../backends/transport.ts";

/** Of an error answer this much is kept, for the message. */
const keptErrorBytes = 1024;
/** An error answer is read to its end up to this length, so that its connection lives on; a longer one costs it. */
const drainedErrorBytes = 8 * 1024 * 1024;
/** More than this is not allocated on a server's word alone: the memory grows as bytes arrive. */
const trustedLengthBytes = 32 * 1024 * 1024;
const unknownLengthBytes = 64 * 1024;

type Controller = Dispatcher.DispatchController;

export class HttpExchange implements Dispatcher.DispatchHandler {
  /** Settles once the answer is complete. */
  readonly response: Promise<HttpResponse>;
  readonly #request: HttpRequest;
  readonly #download: RateLimiter | undefined;
  #resolve: (response: HttpResponse) => void = () => undefined;
  #reject: (error: CofferError) => void = () => undefined;
  #controller: Controller | undefined;
  #head: ResponseHead | undefined;
  #memory: Uint8Array = new Uint8Array(0);
  #isOwnMemory = true;
  #receivedBytes = 0;

  constructor(request: HttpRequest, download: RateLimiter | undefined) {
    this.#request = request;
    this.#download = download;
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    request.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.#request.signal?.aborted) controller.abort(cancellationOf(this.#request.signal));
  }

  onResponseStart(_controller: Controller, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return;
    this.#head = headOf(status, headers);
    this.#memory = this.#isSuccess() ? this.#memoryForBody(this.#head) : new Uint8Array(keptErrorBytes);
  }

  /** The chunk lies in memory that the next read overwrites: it is copied here and now. */
  onResponseData(controller: Controller, chunk: Uint8Array): void {
    if (this.#isSuccess()) this.#take(chunk);
    else this.#takeError(controller, chunk);
    const waitMs = this.#download?.reserve(chunk.length) ?? 0;
    if (waitMs < 1) return;
    controller.pause();
    setTimeout(() => controller.resume(), waitMs);
  }

  onResponseEnd(): void {
    const head = this.#head;
    if (head !== undefined) this.#settle(() => this.#resolve({ ...head, body: this.#body() }));
  }

  onResponseError(_controller: Controller, error: Error): void {
    this.#settle(() => this.#reject(translateTransportError(error)));
  }

  readonly #onAbort = (): void => {
    const { signal } = this.#request;
    if (signal === undefined) return;
    // A request that still waits for a connection has no controller; it ends when it would start.
    this.#controller?.abort(cancellationOf(signal));
    this.#settle(() => this.#reject(cancellationOf(signal)));
  };

  #settle(settle: () => void): void {
    this.#request.signal?.removeEventListener("abort", this.#onAbort);
    settle();
  }

  #isSuccess(): boolean {
    const status = this.#head?.status ?? 0;
    return status >= 200 && status < 300;
  }

  #body(): Uint8Array {
    return this.#memory.subarray(0, Math.min(this.#receivedBytes, this.#memory.length));
  }

  #memoryForBody(head: ResponseHead): Uint8Array {
    const { lengthBytes } = head;
    if (this.#request.method === "HEAD") return new Uint8Array(0);
    if (lengthBytes !== undefined && lengthBytes > this.#request.limitBytes) throw this.#tooLong(lengthBytes);
    const given = this.#request.memoryFor?.(head);
    if (given !== undefined) {
      this.#isOwnMemory = false;
      return given;
    }
    return new Uint8Array(Math.min(lengthBytes ?? unknownLengthBytes, trustedLengthBytes));
  }

  #take(chunk: Uint8Array): void {
    const neededBytes = this.#receivedBytes + chunk.length;
    if (neededBytes > this.#memory.length) {
      if (!this.#isOwnMemory || neededBytes > this.#request.limitBytes) throw this.#tooLong(neededBytes);
      const grown = new Uint8Array(Math.max(neededBytes, Math.min(2 * this.#memory.length, this.#request.limitBytes)));
      grown.set(this.#memory.subarray(0, this.#receivedBytes));
      this.#memory = grown;
    }
    this.#memory.set(chunk, this.#receivedBytes);
    this.#receivedBytes = neededBytes;
  }

  #takeError(controller: Controller, chunk: Uint8Array): void {
    const roomBytes = this.#memory.length - this.#receivedBytes;
    if (roomBytes > 0) this.#memory.set(chunk.subarray(0, roomBytes), this.#receivedBytes);
    this.#receivedBytes += chunk.length;
    if (this.#receivedBytes <= drainedErrorBytes) return;
    // The status is known; reading on would cost more than a new connection.
    this.onResponseEnd();
    controller.abort(new CofferError("unavailable", "the error answer is too long to be read to its end"));
  }

  #tooLong(lengthBytes: number): CofferError {
    const limitBytes = this.#isOwnMemory ? this.#request.limitBytes : this.#memory.length;
    const message = `${this.#request.method} ${this.#request.path}: expected at most ${limitBytes} bytes, got ${lengthBytes}`;
    return new CofferError("limit-exceeded", message);
  }
}

function headOf(status: number, headers: IncomingHttpHeaders): ResponseHead {
  const joined: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name.toLowerCase()] = Array.isArray(value) ? value.join(", ") : value;
  }
  const length = joined["content-length"];
  return /^\d{1,15}$/.test(length ?? "")
    ? { status, headers: joined, lengthBytes: Number(length) }
    : { status, headers: joined };
}

/** Errors of TLS that no retry will mend, with what to do about them. */
const adviceOfTlsCode: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "give its certificate with --cacert FILE",
  SELF_SIGNED_CERT_IN_CHAIN: "give the certificate of its authority with --cacert FILE",
  UNABLE_TO_GET_ISSUER_CERT: "give the certificate of its authority with --cacert FILE",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "give the certificate of its authority with --cacert FILE",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "give the certificate of its authority with --cacert FILE",
  CERT_HAS_EXPIRED: "renew it, or check this machine's clock",
  CERT_NOT_YET_VALID: "check this machine's clock",
  CERT_REVOKED: "replace it",
  ERR_TLS_CERT_ALTNAME_INVALID: "use the host name that the certificate was made for",
  ERR_SSL_WRONG_VERSION_NUMBER: "the server does not speak TLS on this port: use http:// or another port",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "the server does not speak TLS on this port: use http:// or another port",
};

/** Anything that ended an exchange early, as one of our errors. */
export function translateTransportError(error: Error): CofferError {
  if (error instanceof CofferError) return error;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const advice = adviceOfTlsCode[code];
  if (advice !== undefined) {
    return new CofferError(
      "usage",
      `the server's TLS certificate or protocol is not accepted: ${error.message}; ${advice}`,
      {
        cause: error,
      },
    );
  }
  // An AggregateError, one error per address tried, has no message of its own.
  const reason = error.message || code || error.name;
  return new CofferError("unavailable", `the connection to the server failed: ${reason}`, { cause: error });
}
