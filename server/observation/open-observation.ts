/** Puts together what observes the server: metrics, audit log, readiness, and the throttling of logins. */
import type { AppDependencies } from "../app.ts";
import { auditObserver } from "../audit/audit-log.ts";
import { type LoginThrottle, MemoryLoginThrottle } from "../auth/login-throttle.ts";
import type { ProcessMetrics } from "../metrics/prom-client.ts";
import { ServerMetrics } from "../metrics/server-metrics.ts";
import { Readiness } from "../pages/readiness.ts";
import { batchLimits } from "../routes/batch.ts";
import type { StorageProbe } from "../storage/probe.ts";
import { openAccessLog, type ReopenableLog } from "./log-file.ts";
import type { ObservationOptions } from "./observation-options.ts";
import type { Observer } from "./observer.ts";

/** The dependencies of the application that are put together here. */
type ObservingDependencies = Pick<
  AppDependencies,
  "accessLogFormat" | "allowedOrigins" | "loginThrottle" | "metrics" | "observers" | "pages" | "trustedProxies"
>;

export interface OpenObservation {
  /** For `createApp`. */
  readonly dependencies: ObservingDependencies;
  /** To be called when there is a server, with what counts its connections. */
  watch(countConnections: () => number): void;
  /** Absent without an audit log. */
  readonly auditLog?: ReopenableLog;
}

export interface ObservationPlaces {
  readonly probe: StorageProbe;
  readonly log: (line: string) => void;
  /** Writes to standard output. */
  readonly print: (text: string) => void;
  /** Users have passwords, so somebody may guess them. */
  readonly hasPasswords: boolean;
  /** Absent in a process that serves alone. */
  readonly shareThrottle?: (own: MemoryLoginThrottle) => LoginThrottle;
  /** The metrics of all processes that serve together. Absent in one that serves alone. */
  readonly gatherMetrics?: GatherMetrics;
}

/** Has this process' metrics asked for by `own`, and returns what asks all processes. */
export type GatherMetrics = (own: () => Promise<ProcessMetrics>) => () => Promise<readonly ProcessMetrics[]>;

const batchCapabilities = {
  names: ["batch"],
  limits: {
    batchParts: batchLimits.parts,
    batchPartBytes: batchLimits.partBytes,
    batchTotalBytes: batchLimits.totalBytes,
  },
};

/** It tells who did what: nobody else's business. */
const auditLogFile = { name: "audit log", mode: 0o600 };

/** Throws `unavailable` when the audit log cannot be opened. */
export async function openObservation(
  options: ObservationOptions,
  { probe, log, print, hasPasswords, shareThrottle = (own) => own, gatherMetrics }: ObservationPlaces,
): Promise<OpenObservation> {
  const { metrics: access, accessLogFormat, allowedOrigins, minimumFreeBytes, trustedProxies } = options;
  const auditLog =
    options.auditLog === undefined ? undefined : await openAccessLog(options.auditLog, { log, print }, auditLogFile);
  let countConnections = (): number => 0;
  const metrics = access === "off" ? undefined : await openMetrics(log, probe, () => countConnections(), gatherMetrics);
  const observers: Observer[] = [];
  if (auditLog !== undefined) observers.push(auditObserver(auditLog));
  if (metrics !== undefined) observers.push(metrics.observer);
  const isPublic = access === "for-everybody";
  return {
    dependencies: {
      observers,
      accessLogFormat,
      allowedOrigins,
      pages: { readiness: new Readiness({ probe, minimumFreeBytes, log }), capabilities: batchCapabilities },
      ...(hasPasswords ? { loginThrottle: shareThrottle(new MemoryLoginThrottle()) } : {}),
      ...(metrics === undefined ? {} : { metrics: { page: () => metrics.page(), isPublic } }),
      ...(trustedProxies === undefined ? {} : { trustedProxies }),
    },
    watch: (count) => {
      countConnections = count;
    },
    ...(auditLog === undefined ? {} : { auditLog }),
  };
}

async function openMetrics(
  log: (line: string) => void,
  probe: StorageProbe,
  openConnections: () => number,
  gatherMetrics: GatherMetrics | undefined,
): Promise<ServerMetrics> {
  // Loaded only when it is wanted: it would double the time that a start takes.
  const { default: client } = await import("prom-client");
  return new ServerMetrics(client, { log, probe, openConnections, ...(gatherMetrics && { gather: gatherMetrics }) });
}
