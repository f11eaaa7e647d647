/**
 * Signed requests over undici. `undici.request` instead of fetch, which would keep every upload in memory. Each request has a
 * deadline of its own: a store that is full may simply never answer.
 */
import type { Agent, Dispatcher } from "undici";
import type { S3Settings } from "./settings.ts";
import { canonicalQuery, emptyHash, escapePath, type SigningContext, signRequest } from "./signature.ts";
import { storeError, transportError } from "./store-error.ts";

export interface S3Request {
  readonly method: "GET" | "HEAD" | "PUT" | "DELETE";
  /** Empty for the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestContent;
  /** For messages: "cannot store <data/1234567890>". */
  readonly action: string;
}

/** A body that can be sent more than once. */
export interface RequestContent {
  readonly sizeBytes: number;
  /** The SHA-256 in hex: the store compares what it gets with it. */
  readonly hash: string;
  open(): Uint8Array | AsyncIterable<Uint8Array>;
}

export interface S3Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Dispatcher.ResponseData["body"];
}

export interface TransportLimits {
  /** A connection on which nothing moves for so long is given up. */
  readonly stallMs?: number;
}

const defaultStallMs = 60_000;
/** What is left of a body is read up to this size so that the connection can be used again. */
const drainedBytes = 131_072;
const connectMs = 10_000;
/** Shorter than what stores and load balancers keep: a request into a closing connection is lost. */
const keepAliveMs = 15_000;

/** What signing needs, and the connections. */
export class Transport {
  readonly #settings: S3Settings;
  readonly #agent: Agent;

  private constructor(settings: S3Settings, agent: Agent) {
    this.#settings = settings;
    this.#agent = agent;
  }

  /** Loads undici only where it is needed: that takes longer than the start of the whole server on disk. */
  static async open(settings: S3Settings, limits: TransportLimits = {}): Promise<Transport> {
    const { Agent } = await import("undici");
    const agent = new Agent({
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      // Every request has a deadline instead, which includes the sending of its body.
      headersTimeout: 0,
      // Progress of a download; time that its reader takes does not count.
      bodyTimeout: limits.stallMs ?? defaultStallMs,
      connect: { timeout: connectMs },
    });
    return new Transport(settings, agent);
  }

  /**
   * Sends a request and hands a successful answer to `consume`, all within the deadline. A `consume` that returns the body leaves
   * it to the caller: the deadline ends then. Everything but 2xx throws (store-error.ts).
   */
  async send<Result>(
    request: S3Request,
    deadlineMs: number,
    consume: (answer: S3Answer) => Promise<Result>,
  ): Promise<Result> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(new DeadlineError(deadlineMs)), deadlineMs);
    try {
      const answer = await this.#dispatch(request, deadline.signal);
      if (answer.statusCode < 200 || answer.statusCode > 299) throw await refusal(request.action, answer);
      return await consume({ status: answer.statusCode, headers: answer.headers, body: answer.body });
    } finally {
      clearTimeout(timer);
    }
  }

  async #dispatch(request: S3Request, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { method, query = {}, headers = {}, body } = request;
    const { origin, bucketPath } = this.#settings;
    const path = escapePath(`${bucketPath}/${request.key}`);
    const unsigned = { method, host: new URL(origin).host, path, query, headers, bodyHash: body?.hash ?? emptyHash };
    const signed = signRequest(unsigned, this.#signingContext());
    const queryText = canonicalQuery(query);
    try {
      return await this.#agent.request({
        origin,
        path: queryText === "" ? path : `${path}?${queryText}`,
        method,
        headers: { ...signed, ...(body === undefined ? {} : { "content-length": String(body.sizeBytes) }) },
        // An iterable is taken as well, which the types do not say.
        body: (body?.open() ?? null) as Uint8Array | null,
        signal,
        // Otherwise undici closes the connection after every HEAD.
        reset: false,
      });
    } catch (error) {
      throw transportError(request.action, error);
    }
  }

  #signingContext(): SigningContext {
    const { credentials, region } = this.#settings;
    return { credentials, region, timeMs: Date.now() };
  }

  /** Ends all connections, busy ones too. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

class DeadlineError extends Error {
  constructor(deadlineMs: number) {
    super(`the deadline of ${Math.round(deadlineMs) / 1000} s has passed`);
  }
}

async function refusal(action: string, answer: Dispatcher.ResponseData): Promise<Error> {
  const error = await storeError(action, answer.statusCode, answer.headers, answer.body);
  await discardBody(answer.body);
  return error;
}

/** Reads what little is left of a body, or gives its connection up. Never throws. */
export async function discardBody(body: S3Answer["body"]): Promise<void> {
  try {
    await body.dump({ limit: drainedBytes });
  } catch {
    body.destroy();
  }
}
