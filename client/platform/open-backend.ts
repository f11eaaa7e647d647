/** From a location to a ready backend: the adapter, and around it the wrappers in the one right order. */
import type { Backend } from "../backends/backend.ts";
import { LimitedBackend } from "../backends/limit.ts";
import { parseLocation, type RestLocation, stripPassword } from "../backends/location.ts";
import { RateLimitedBackend, RateLimiter } from "../backends/rate-limit.ts";
import { RetryBackend, type RetryReport } from "../backends/retry.ts";
import type { TlsOptions } from "./undici-transport.ts";

const defaultRestConnections = 5;
const defaultLocalConnections = 2;

export interface BackendOptions {
  /** `-o rest.connections=N` or `-o local.connections=N`. */
  readonly connections?: number;
  /** Used when the URL has neither user nor password. */
  readonly restUsername?: string;
  readonly restPassword?: string;
  readonly userAgent?: string;
  readonly tls?: TlsOptions;
  readonly stuckRequestTimeoutMs?: number;
  /** KiB per second. */
  readonly limitUploadKiBps?: number;
  readonly limitDownloadKiBps?: number;
  /** How long failed operations are repeated; 15 minutes unless said otherwise. */
  readonly retryMaximumMs?: number;
  readonly onRetry?: (report: RetryReport) => void;
}

/** A backend, and how many connections it has opened so far: 0 for a local folder. */
export interface OpenedBackend extends Backend {
  readonly openedConnections: number;
}

/**
 * Opens nothing yet but what a local folder needs: a server is asked when it is first used. Throws `usage` for a location that
 * makes no sense.
 */
export async function openBackend(location: string, options: BackendOptions = {}): Promise<OpenedBackend> {
  const place = parseLocation(location);
  const { adapter, countConnections } =
    place.kind === "rest" ? await openRest(place, location, options) : await openLocal(place.path, options);
  // A slot is taken for each attempt, not for the pauses between them: a failing file does not block the others.
  const limited = new LimitedBackend(adapter);
  const retried = new RetryBackend(limited, {
    ...(options.onRetry === undefined ? {} : { onRetry: options.onRetry }),
    ...(options.retryMaximumMs === undefined ? {} : { maximumMs: options.retryMaximumMs }),
  });
  return Object.defineProperty(retried, "openedConnections", { get: countConnections }) as unknown as OpenedBackend;
}

interface OpenedAdapter {
  readonly adapter: Backend;
  readonly countConnections: () => number;
}

async function openRest(place: RestLocation, location: string, options: BackendOptions): Promise<OpenedAdapter> {
  const { RestBackend } = await import("../backends/rest.ts");
  const { UndiciTransport } = await import("./undici-transport.ts");
  const connections = options.connections ?? defaultRestConnections;
  const limits = limitersOf(options);
  const transport = new UndiciTransport({
    origin: place.origin,
    connections,
    ...(place.socketPath === undefined ? {} : { socketPath: place.socketPath }),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    ...(options.stuckRequestTimeoutMs === undefined ? {} : { stuckRequestTimeoutMs: options.stuckRequestTimeoutMs }),
    ...limits,
  });
  const adapter = new RestBackend({
    transport,
    location: stripPassword(location),
    basePath: place.basePath,
    headers: headersOf(place, options),
    connections,
  });
  return { adapter, countConnections: () => transport.openedConnections };
}

async function openLocal(path: string, options: BackendOptions): Promise<OpenedAdapter> {
  const { LocalBackend } = await import("./local-backend.ts");
  const local = await LocalBackend.open(path, { connections: options.connections ?? defaultLocalConnections });
  const limits = limitersOf(options);
  const adapter = limits.upload || limits.download ? new RateLimitedBackend(local, limits) : local;
  return { adapter, countConnections: () => 0 };
}

function limitersOf(options: BackendOptions): { readonly upload?: RateLimiter; readonly download?: RateLimiter } {
  const { limitUploadKiBps, limitDownloadKiBps } = options;
  return {
    ...(limitUploadKiBps ? { upload: new RateLimiter(limitUploadKiBps * 1024) } : {}),
    ...(limitDownloadKiBps ? { download: new RateLimiter(limitDownloadKiBps * 1024) } : {}),
  };
}

function headersOf(place: RestLocation, options: BackendOptions): Record<string, string> {
  const username = place.credentials?.username ?? options.restUsername ?? "";
  const password = place.credentials?.password ?? options.restPassword ?? "";
  const headers: Record<string, string> = { "user-agent": options.userAgent ?? "coffer" };
  if (username !== "" || password !== "") {
    headers["authorization"] = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
  }
  return headers;
}
