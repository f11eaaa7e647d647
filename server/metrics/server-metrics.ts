/** The metrics of this process: rest-server's counters, the runtime's own, and what else an operator needs. One object owns them. */
import type { Counter, Gauge, Histogram, Registry } from "prom-client";
import { combineObservers, type Observer } from "../observation/observer.ts";
import type { PageContent } from "../pages/page.ts";
import type { StorageProbe, StorageSpace } from "../storage/probe.ts";
import { LabelSets } from "./label-sets.ts";
import type { ProcessMetrics, PromClient } from "./prom-client.ts";
import { transferCounters } from "./transfer-counters.ts";

export interface MetricsSettings {
  readonly log: (line: string) => void;
  /** How many combinations of user, repository and type are counted apart from each other. */
  readonly mostLabelSets?: number;
  /** How many connections are open now. */
  readonly openConnections?: () => number;
  readonly probe?: StorageProbe;
  /** Makes what asks all processes of the server for their metrics, this one included. Absent: there is only this one. */
  readonly gather?: (own: () => Promise<ProcessMetrics>) => () => Promise<readonly ProcessMetrics[]>;
}

const defaultLabelSets = 5_000;
const durationBucketsSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const countedMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"]);

/** Every process of a server has one of these. The values of all add up, but for those of the storage, which are the same in all. */
export class ServerMetrics {
  readonly registry: Registry;
  readonly observer: Observer;
  readonly #client: PromClient;
  readonly #gatherAll: (() => Promise<readonly ProcessMetrics[]>) | undefined;

  constructor(client: PromClient, settings: MetricsSettings) {
    this.registry = new client.Registry();
    this.#client = client;
    this.#gatherAll = settings.gather?.(() => this.registry.getMetricsAsJSON());
    client.collectDefaultMetrics({ register: this.registry });
    const labelSets = new LabelSets(settings.mostLabelSets ?? defaultLabelSets, settings.log);
    this.observer = combineObservers([
      transferCounters(client, this.registry, labelSets),
      requestMetrics(client, this.registry),
    ]);
    if (settings.openConnections !== undefined) addConnections(client, this.registry, settings.openConnections);
    if (settings.probe?.space !== undefined) addSpace(client, this.registry, settings.probe);
  }

  /** The text that Prometheus collects. */
  async page(): Promise<PageContent> {
    const metrics = await this.#gatherAll?.();
    const registry = metrics === undefined ? this.registry : this.#client.AggregatorRegistry.aggregate([...metrics]);
    return { status: 200, contentType: this.registry.contentType, text: await registry.metrics() };
  }
}

function requestMetrics(client: PromClient, registry: Registry): Observer {
  const registers = [registry];
  const requests: Counter = new client.Counter({
    name: "coffer_http_requests_total",
    help: "Requests by method and class of status; 4xx includes those whose client went away before the answer",
    labelNames: ["method", "status"],
    registers,
  });
  const durations: Histogram = new client.Histogram({
    name: "coffer_http_request_duration_seconds",
    help: "Time from the headers of a request to the end of its answer",
    labelNames: ["method"],
    buckets: durationBucketsSeconds,
    registers,
  });
  const running: Gauge = new client.Gauge({
    name: "coffer_http_requests_running",
    help: "Requests that are being answered now",
    registers,
  });
  const refusedLogins: Counter = new client.Counter({
    name: "coffer_refused_logins_total",
    help: "Logins with wrong credentials (login-failed), and those refused after too many of them (login-throttled)",
    labelNames: ["action"],
    registers,
  });
  return {
    requestBegan: () => running.inc(),
    requestEnded: ({ method: sentMethod, status, durationMs }) => {
      const method = countedMethods.has(sentMethod) ? sentMethod : "other";
      running.dec();
      requests.inc({ method, status: `${Math.floor(status / 100)}xx` });
      durations.observe({ method }, durationMs / 1_000);
    },
    loginRefused: ({ action }) => refusedLogins.inc({ action }),
  };
}

function addConnections(client: PromClient, registry: Registry, openConnections: () => number): void {
  new client.Gauge({
    name: "coffer_open_connections",
    help: "Connections of clients",
    registers: [registry],
    collect() {
      this.set(openConnections());
    },
  });
}

function addSpace(client: PromClient, registry: Registry, probe: StorageProbe): void {
  addSpaceGauge(client, registry, probe, {
    name: "coffer_storage_free_bytes",
    help: "Free bytes of the file system that holds the data folder",
    aggregator: "min",
    sizeOf: ({ freeBytes }) => freeBytes,
  });
  addSpaceGauge(client, registry, probe, {
    name: "coffer_storage_used_bytes",
    help: "Bytes in use on the file system that holds the data folder, whoever uses them",
    aggregator: "max",
    sizeOf: ({ freeBytes, totalBytes }) => totalBytes - freeBytes,
  });
}

interface SpaceGauge {
  readonly name: string;
  readonly help: string;
  readonly aggregator: "min" | "max";
  readonly sizeOf: (space: StorageSpace) => number;
}

/** Its value is no number while the storage does not tell. */
function addSpaceGauge(client: PromClient, registry: Registry, probe: StorageProbe, gauge: SpaceGauge): void {
  const { sizeOf, ...configuration } = gauge;
  new client.Gauge({
    ...configuration,
    registers: [registry],
    async collect() {
      const space = await probe.space?.().catch(() => undefined);
      this.set(space === undefined ? Number.NaN : sizeOf(space));
    },
  });
}
