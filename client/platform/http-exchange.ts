/** One HTTP request and its answer, as undici's handler: takes bytes as they arrive and settles when the last one is there. */
import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import { CofferError } from "../../shared/errors.ts";
import { BodyMemory } from "../backends/body-memory.ts";
import { cancellationOf } from "../backends/cancellation.ts";
import type { RateLimiter } from "../backends/rate-limit.ts";
import type { HttpRequest, HttpResponse, ResponseHead } from "../backends/transport.ts";

/** Of an error answer this much is kept, for the message. */
const keptErrorBytes = 1024;
/** An error answer is read to its end up to this length, so that its connection lives on; a longer one costs it. */
const drainedErrorBytes = 8 * 1024 * 1024;
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
  #body: BodyMemory | undefined;
  #drainedBytes = 0;

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
    const head = headOf(status, headers);
    this.#head = head;
    this.#body = isSuccess(head) ? this.#memoryFor(head) : memoryOfError();
  }

  /** The chunk lies in memory that the next read overwrites: it is copied here and now. */
  onResponseData(controller: Controller, chunk: Uint8Array): void {
    if (this.#head && isSuccess(this.#head)) this.#body?.append(chunk);
    else this.#drain(controller, chunk);
    const waitMs = this.#download?.reserve(chunk.length) ?? 0;
    if (waitMs < 1) return;
    controller.pause();
    setTimeout(() => controller.resume(), waitMs);
  }

  onResponseEnd(): void {
    const head = this.#head;
    const body = this.#body?.received ?? new Uint8Array(0);
    if (head !== undefined) this.#settle(() => this.#resolve({ ...head, body }));
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

  #memoryFor(head: ResponseHead): BodyMemory {
    const { method, path, limitBytes, memoryFor } = this.#request;
    const subject = `${method} ${path}`;
    if (method === "HEAD") return new BodyMemory({ lengthBytes: 0, limitBytes: 0, subject });
    return new BodyMemory({ given: memoryFor?.(head), lengthBytes: head.lengthBytes, limitBytes, subject });
  }

  #drain(controller: Controller, chunk: Uint8Array): void {
    const keptBytes = this.#body?.received.length ?? 0;
    if (keptBytes < keptErrorBytes) this.#body?.append(chunk.subarray(0, keptErrorBytes - keptBytes));
    this.#drainedBytes += chunk.length;
    if (this.#drainedBytes <= drainedErrorBytes) return;
    // The status is known; reading on would cost more than a new connection.
    this.onResponseEnd();
    controller.abort(new CofferError("unavailable", "the error answer is too long to be read to its end"));
  }
}

function isSuccess({ status }: ResponseHead): boolean {
  return status >= 200 && status < 300;
}

function memoryOfError(): BodyMemory {
  return new BodyMemory({ lengthBytes: keptErrorBytes, limitBytes: keptErrorBytes, subject: "error answer" });
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

/** undici's codes for what is wrong on this side, such as an impossible header. */
const mistakeCodes: readonly string[] = ["UND_ERR_INVALID_ARG", "UND_ERR_CLOSED", "UND_ERR_DESTROYED"];

/** Anything that ended an exchange early, as one of our errors. */
function translateTransportError(error: Error): CofferError {
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
  if (mistakeCodes.includes(code)) {
    return new CofferError("internal", `the request cannot be sent: ${error.message}`, { cause: error });
  }
  // An AggregateError, one error per address tried, has no message of its own.
  const reason = error.message || code || error.name;
  return new CofferError("unavailable", `the connection to the server failed: ${reason}`, { cause: error });
}
