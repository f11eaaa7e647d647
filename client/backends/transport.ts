/**
 * The port below the REST backend: sends one HTTP request and takes the whole answer. Adapters: undici on Node
 * (client/platform/undici-transport.ts), fetch in browsers (fetch-transport.ts).
 *
 * A promise settles only after the response body was read to its end, on success and on every error status, so that whoever
 * limits the requests under way limits the open connections too, and each connection can carry the next request.
 */

/** Which connections a request may use. Locks have their own, so that refreshing one never waits behind uploads. */
export type Lane = "files" | "locks";

export interface ResponseHead {
  readonly status: number;
  /** By lower-case name; a repeated header's values are joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** The announced length of the body; absent when the server does not say. */
  readonly lengthBytes?: number;
}

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "DELETE";
  /** Path and query, escaped, beginning with "/". */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Must not change until the request has settled. */
  readonly body?: Uint8Array;
  readonly lane: Lane;
  /**
   * Called once when the head of an answer with status 200 to 299 has come: memory that receives the body (a view of a
   * SharedArrayBuffer is fine), or undefined for memory made by the transport. An error thrown ends the request with that error.
   */
  readonly memoryFor?: (head: ResponseHead) => Uint8Array | undefined;
  /** A body of a successful answer that is longer ends the request with `limit-exceeded`. */
  readonly limitBytes: number;
  readonly signal?: AbortSignal;
}

export interface HttpResponse extends ResponseHead {
  /** The body: a view of the memory given, else fresh memory. Of an error answer at most its first KiB. */
  readonly body: Uint8Array;
}

export interface HttpTransport {
  /**
   * Any status is an answer, not an error. Throws `unavailable` when there is no complete answer, `request-timeout` when no
   * byte moved for too long, `usage` when the server cannot be trusted, `limit-exceeded`, and the cancellation.
   */
  request(request: HttpRequest): Promise<HttpResponse>;
  /** Waits for running requests, then ends all connections. */
  close(): Promise<void>;
}
