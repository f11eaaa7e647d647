/** From a location to a ready backend: the adapter, and around it the wrappers in the one right order. */
import type { Backend } from "../backends/backend.ts";
import { BatchingBackend } from "../backends/batching.ts";
import { type ExtendedOptions, optionsOfNamespace } from "../backends/extended-options.ts";
import { LimitedBackend } from "../backends/limit.ts";
import { parseLocation, type RestLocation, stripPassword } from "../backends/location.ts";
import { RateLimitedBackend, RateLimiter } from "../backends/rate-limit.ts";
import { RetryBackend, type RetryReport } from "../backends/retry.ts";
import { Semaphore } from "../backends/semaphore.ts";
import { BackendWrapper } from "../backends/wrapper.ts";
import type { TlsFiles } from "./tls-files.ts";
import type { TlsOptions, UndiciTransportOptions } from "./undici-transport.ts";

const defaultRestConnections = 5;
const defaultLocalConnections = 2;

export interface BackendOptions extends TlsFiles {
  /** How many operations run at once; `rest.connections` and `local.connections` of the extended options are the same thing. */
  readonly connections?: number;
  /** `-o KEY=VALUE`; keys of other backends are ignored. */
  readonly extendedOptions?: ExtendedOptions;
  /** Used when the URL has neither user nor password. */
  readonly restUsername?: string;
  readonly restPassword?: string;
  readonly userAgent?: string;
  readonly stuckRequestTimeoutMs?: number;
  /** KiB per second; 0 is no limit. */
  readonly limitUploadKiBps?: number;
  readonly limitDownloadKiBps?: number;
  /** How long failed operations are repeated; 15 minutes unless said otherwise. */
  readonly retryMaximumMs?: number;
  readonly onRetry?: (report: RetryReport) => void;
  /** Where HTTP_PROXY and the like are looked up; without it every line is direct. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

interface OpenedAdapter {
  /** The adapter, with no more operations at once than it has connections. */
  readonly limited: Backend;
  readonly countConnections: () => number;
}

/** A backend with all its wrappers, and how many connections it has opened. */
export class OpenedBackend extends BackendWrapper {
  readonly #countConnections: () => number;

  constructor(backend: Backend, countConnections: () => number) {
    super(backend);
    this.#countConnections = countConnections;
  }

  /** Connections opened to the server so far; 0 for a local folder. */
  get openedConnections(): number {
    return this.#countConnections();
  }
}

/**
 * Connects to nothing yet: a server is asked when it is first used. Throws `usage` for a location or options that make no
 * sense.
 */
export async function openBackend(location: string, options: BackendOptions = {}): Promise<OpenedBackend> {
  const place = parseLocation(location);
  const { connections } = optionsOfNamespace(options.extendedOptions ?? new Map(), place.kind);
  const wanted = connections ?? options.connections;
  const { limited, countConnections } =
    place.kind === "rest"
      ? await openRest(place, stripPassword(location), wanted ?? defaultRestConnections, options)
      : await openLocal(place.path, wanted ?? defaultLocalConnections, options);
  // A slot is taken for each attempt, not for the pauses between them: a failing file does not block the others.
  const retried = new RetryBackend(limited, {
    ...(options.onRetry === undefined ? {} : { onRetry: options.onRetry }),
    ...(options.retryMaximumMs === undefined ? {} : { maximumMs: options.retryMaximumMs }),
  });
  return new OpenedBackend(retried, countConnections);
}

async function openRest(
  place: RestLocation,
  location: string,
  connections: number,
  options: BackendOptions,
): Promise<OpenedAdapter> {
  const [{ RestBackend }, { UndiciTransport }] = await Promise.all([
    import("../backends/rest.ts"),
    import("./undici-transport.ts"),
  ]);
  const transport = new UndiciTransport({
    origin: place.origin,
    connections,
    ...(place.socketPath === undefined ? {} : { socketPath: place.socketPath }),
    ...(await proxyOptionOf(place, options)),
    ...(place.origin.startsWith("https:") ? { tls: await tlsOptionsOf(options) } : {}),
    ...(options.stuckRequestTimeoutMs === undefined ? {} : { stuckRequestTimeoutMs: options.stuckRequestTimeoutMs }),
    ...limitersOf(options),
  });
  const headers = headersOf(place, options);
  const adapter = new RestBackend({ transport, location, basePath: place.basePath, headers, connections });
  // What waits for the slots of the limit may go together, in one of them.
  const slots = new Semaphore(connections);
  const limited = new BatchingBackend(new LimitedBackend(adapter, slots), adapter, slots);
  return { limited, countConnections: () => transport.openedConnections };
}

async function proxyOptionOf(
  { origin, socketPath }: RestLocation,
  { environment }: BackendOptions,
): Promise<Pick<UndiciTransportOptions, "proxy">> {
  const isAsked = Object.keys(environment ?? {}).some((name) => /^https?_proxy$/i.test(name));
  if (environment === undefined || !isAsked || socketPath !== undefined) return {};
  const { proxyFor } = await import("./proxy.ts");
  const proxy = proxyFor(origin, environment);
  return proxy === undefined ? {} : { proxy };
}

async function tlsOptionsOf(options: BackendOptions): Promise<TlsOptions> {
  const { readTlsOptions } = await import("./tls-files.ts");
  return readTlsOptions(options);
}

async function openLocal(path: string, connections: number, options: BackendOptions): Promise<OpenedAdapter> {
  const { LocalBackend } = await import("./local-backend.ts");
  const local = await LocalBackend.open(path, { connections });
  const limits = limitersOf(options);
  const adapter = limits.upload || limits.download ? new RateLimitedBackend(local, limits) : local;
  return { limited: new LimitedBackend(adapter), countConnections: () => 0 };
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
