/**
 * HTTP on Node through undici: one pool of kept-alive connections for files, and one connection of its own for locks.
 * Pipelining is 1: an upload never waits behind another one on the same line. HTTP/1.1 only: with HTTP/2 all requests
 * would share one TCP connection, and one lost packet would stop them all.
 */
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import type { buildConnector, Dispatcher, Pool } from "undici";
import { CofferError } from "../../shared/errors.ts";
import { cancellationOf, pause } from "../backends/cancellation.ts";
import type { RateLimiter } from "../backends/rate-limit.ts";
import type { HttpRequest, HttpResponse, HttpTransport, Lane } from "../backends/transport.ts";
import { HttpExchange } from "./http-exchange.ts";
import type { HttpProxy } from "./proxy.ts";
import { maxHeadBytes, ReusedMemory } from "./reused-memory.ts";

/** Below the 75 s of common proxies and the 90 s and more of backup servers: the client lets go first. */
const keepAliveMs = 60_000;
const defaultStuckRequestTimeoutMs = 5 * 60_000;
const defaultConnectTimeoutMs = 30_000;

/** Certificates and keys in PEM form. */
export interface TlsOptions {
  /** Replace the system's authorities. */
  readonly authorities?: readonly string[];
  readonly clientCertificate?: { readonly certificates: string; readonly key: string };
  /** Accept any certificate: no protection against a false server. */
  readonly isInsecure?: boolean;
}

export interface UndiciTransportOptions {
  /** Scheme, host and port: "http://127.0.0.1:8000". */
  readonly origin: string;
  /** Connect to this Unix socket instead of the origin's host. */
  readonly socketPath?: string;
  /** Go through this proxy. */
  readonly proxy?: HttpProxy;
  readonly connections: number;
  /** A request on whose connection no byte moves for so long is ended with `request-timeout`. A slow one is not. 0: never. */
  readonly stuckRequestTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  readonly tls?: TlsOptions;
  readonly upload?: RateLimiter;
  readonly download?: RateLimiter;
  /** Makes the pool of a lane; to put something in between in tests. */
  readonly createPool?: (origin: string, options: Pool.Options) => Dispatcher;
}

export class UndiciTransport implements HttpTransport {
  readonly #options: UndiciTransportOptions;
  readonly #stuckMs: number;
  readonly #pools: Map<Lane, Dispatcher> = new Map();
  #openedConnections = 0;
  #closing: Promise<void> | undefined;

  constructor(options: UndiciTransportOptions) {
    this.#options = options;
    this.#stuckMs = options.stuckRequestTimeoutMs ?? defaultStuckRequestTimeoutMs;
  }

  /** Connections opened since the start; for reports, and for the test that they stay few. */
  get openedConnections(): number {
    return this.#openedConnections;
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    if (request.signal?.aborted) throw cancellationOf(request.signal);
    if (this.#closing !== undefined)
      throw new CofferError("internal", "a request was made after the backend was closed");
    const exchange = new HttpExchange(request, this.#options.download);
    this.#poolOf(request.lane).dispatch(this.#dispatchOptionsOf(request), exchange);
    return exchange.response;
  }

  close(): Promise<void> {
    this.#closing ??= Promise.all([...this.#pools.values()].map((pool) => pool.close())).then(() => undefined);
    return this.#closing;
  }

  #poolOf(lane: Lane): Dispatcher {
    let pool = this.#pools.get(lane);
    if (pool === undefined) {
      const connections = lane === "locks" ? 1 : this.#options.connections;
      const createPool = this.#options.createPool ?? ((origin, options) => new (loadUndici().Pool)(origin, options));
      pool = createPool(this.#plainProxy?.origin ?? this.#options.origin, { ...this.#poolOptions(), connections });
      this.#pools.set(lane, pool);
    }
    return pool;
  }

  /** A proxy that is sent the requests themselves. To a server that speaks TLS it only gives a line. */
  get #plainProxy(): HttpProxy | undefined {
    return this.#options.origin.startsWith("http:") ? this.#options.proxy : undefined;
  }

  #poolOptions(): Pool.Options {
    // An idle connection must not look like a stuck request.
    const idleMs = Math.min(keepAliveMs, this.#stuckMs || keepAliveMs);
    return {
      pipelining: 1,
      keepAliveTimeout: idleMs,
      keepAliveMaxTimeout: idleMs,
      // A server that announces how long it keeps connections gets the last request a second before.
      keepAliveTimeoutThreshold: 1000,
      // undici's own limits are on the whole wait for a head; ours are on progress, and on the socket.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: maxHeadBytes,
      connect: (parameters, callback) => this.#connect(parameters, callback),
    };
  }

  #connect(parameters: buildConnector.Options, callback: buildConnector.Callback): void {
    const { proxy } = this.#options;
    if (proxy === undefined || this.#plainProxy !== undefined) this.#connectDirectly(parameters, callback);
    else this.#connectThrough(proxy, parameters, callback).catch((error: Error) => callback(error, null));
  }

  /** TLS over the proxy's line. Such a socket cannot read into memory of ours. */
  async #connectThrough(
    proxy: HttpProxy,
    parameters: buildConnector.Options,
    callback: buildConnector.Callback,
  ): Promise<void> {
    const { openTunnel } = await import("./proxy-tunnel.ts");
    const timeoutMs = this.#options.connectTimeoutMs ?? defaultConnectTimeoutMs;
    const target = `${parameters.hostname}:${parameters.port || 443}`;
    const httpSocket = await openTunnel(proxy, target, timeoutMs);
    const connect = loadUndici().buildConnector({
      ...tlsOptionsOf(this.#options.tls),
      allowH2: false,
      timeout: timeoutMs,
    } as buildConnector.BuildOptions);
    connect({ ...parameters, httpSocket }, (...[error, socket]) => {
      if (error !== null) {
        httpSocket.destroy();
        callback(error, null);
        return;
      }
      this.#openedConnections += 1;
      this.#watch(socket);
      callback(null, socket);
    });
  }

  #connectDirectly(parameters: buildConnector.Options, callback: buildConnector.Callback): void {
    const memory = new ReusedMemory(this.#options.download?.pieceBytes);
    const connect = loadUndici().buildConnector({
      ...tlsOptionsOf(this.#options.tls),
      allowH2: false,
      timeout: this.#options.connectTimeoutMs ?? defaultConnectTimeoutMs,
      ...(this.#options.socketPath === undefined ? {} : { socketPath: this.#options.socketPath }),
      onread: memory.onRead,
    } as buildConnector.BuildOptions);
    connect(parameters, (...[error, socket]) => {
      // undici's own connector leaves the second argument out when it fails.
      if (error !== null) {
        callback(error, null);
        return;
      }
      this.#openedConnections += 1;
      memory.attach(socket);
      this.#watch(socket);
      callback(null, socket);
    });
  }

  /**
   * Node's socket timeout is a watchdog for progress: it starts anew whenever bytes arrive or leave, even in the middle of
   * one large write. So a slow transfer goes on and a dead one ends.
   */
  #watch(socket: Socket): void {
    socket.setTimeout(this.#stuckMs, () => {
      const message = `request timeout: no byte moved for ${this.#stuckMs / 1000} s`;
      socket.destroy(new CofferError("request-timeout", message));
    });
  }

  #dispatchOptionsOf(request: HttpRequest): Dispatcher.DispatchOptions {
    const { method, body, signal } = request;
    const path = this.#plainProxy === undefined ? request.path : this.#options.origin + request.path;
    const headers = this.#headersOf(request);
    // undici closes the connection after each HEAD unless told that the server does not answer it with a body.
    const options = { method, path, headers, reset: false };
    if (body === undefined) return options;
    const limiter = this.#options.upload;
    // A body is given to the system whole: then an answer that comes before its end (403 for a file that exists) does not
    // cost the connection. Only a limited rate needs pieces.
    if (limiter === undefined || body.length === 0) return { ...options, body };
    const pieces = Readable.from(pacedPieces(body, limiter, signal), { objectMode: false, highWaterMark: 1 });
    return { ...options, headers: { ...headers, "content-length": String(body.length) }, body: pieces };
  }

  /** With what a proxy that is sent the request wants to know. */
  #headersOf({ headers }: HttpRequest): Record<string, string> {
    const proxy = this.#plainProxy;
    if (proxy === undefined) return { ...headers };
    const authorization = proxy.authorization === undefined ? {} : { "proxy-authorization": proxy.authorization };
    return { ...headers, host: new URL(this.#options.origin).host, ...authorization };
  }
}

async function* pacedPieces(
  body: Uint8Array,
  limiter: RateLimiter,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < body.length; offset += limiter.pieceBytes) {
    const piece = body.subarray(offset, offset + limiter.pieceBytes);
    const waitMs = limiter.reserve(piece.length);
    if (waitMs > 0) await pause(waitMs, signal);
    yield piece;
  }
}

function tlsOptionsOf(tls: TlsOptions | undefined): object {
  if (tls === undefined) return {};
  return {
    ...(tls.authorities === undefined ? {} : { ca: [...tls.authorities] }),
    ...(tls.clientCertificate === undefined
      ? {}
      : { cert: tls.clientCertificate.certificates, key: tls.clientCertificate.key }),
    ...(tls.isInsecure ? { rejectUnauthorized: false } : {}),
  };
}

interface UndiciParts {
  readonly Pool: typeof Pool;
  readonly buildConnector: typeof buildConnector;
}

let undiciParts: UndiciParts | undefined;

/**
 * Loading all of undici takes 0.1 s, more than half of what a short command needs; its pool and connector take a third of
 * that. Should a later version keep its parts elsewhere, the whole is loaded.
 */
function loadUndici(): UndiciParts {
  if (undiciParts === undefined) {
    const require = createRequire(import.meta.url);
    try {
      undiciParts = {
        Pool: require("undici/lib/dispatcher/pool.js"),
        buildConnector: require("undici/lib/core/connect.js"),
      };
    } catch {
      undiciParts = require("undici") as UndiciParts;
    }
  }
  return undiciParts;
}
