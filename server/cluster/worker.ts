/** A process that serves beside others. */
import cluster from "node:cluster";
import type { MemoryLoginThrottle } from "../auth/login-throttle.ts";
import { listen } from "../listening/listen.ts";
import type { ProcessMetrics } from "../metrics/prom-client.ts";
import { needsQuota } from "../start/open-quota.ts";
import { type OpenServer, openServer } from "../start/open-server.ts";
import type { ServerOptions } from "../start/options.ts";
import { type Channel, Line } from "./line.ts";
import type { PrimaryOffer, WorkerOffer, WorkerTask } from "./offers.ts";
import { RemoteQuotaLedger } from "./shared-ledger.ts";
import { SharedLoginThrottle } from "./shared-throttle.ts";

type Log = (line: string) => void;

/** True in a process that `serveByWorkers` has started. */
export function isWorker(): boolean {
  return cluster.isWorker;
}

/** Does what the primary process tells it to. Without that process it ends. */
export function serveAsWorker(options: ServerOptions, log: Log): void {
  ignoreSignals();
  const worker = new ServingWorker(options, log);
  worker.attach(channelToPrimary());
}

/** A terminal and a service manager send them to all processes at once; what to do, the primary process says. */
function ignoreSignals(): void {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
}

function channelToPrimary(): Channel {
  return {
    // When the primary process has gone, this one ends by itself.
    send: (message) => void process.send?.(message, undefined, undefined, () => undefined),
    onMessage: (listener) => void process.on("message", listener),
  };
}

class ServingWorker {
  readonly #options: ServerOptions;
  readonly #log: Log;
  #server: OpenServer | undefined;
  #throttle: SharedLoginThrottle | undefined;
  #metrics: (() => Promise<ProcessMetrics>) | undefined;

  constructor(options: ServerOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  attach(channel: Channel): void {
    const offer: WorkerOffer = {
      serve: (task) => this.#serve(task, line),
      stop: () => void this.#stop(),
      reload: () => this.#server?.reload(),
      metrics: async () => this.#metrics?.(),
      learnLogin: (news) => this.#throttle?.learn(news),
    };
    const line: Line<PrimaryOffer> = new Line(channel, offer);
  }

  async #serve({ address, index, workers }: WorkerTask, line: Line<PrimaryOffer>): Promise<string> {
    // One speaks for all, and of the start the primary process has told.
    let mayAnnounce = false;
    const { cpuProfile } = this.#options;
    const options =
      cpuProfile === undefined ? this.#options : { ...this.#options, cpuProfile: `${cpuProfile}.${index}` };
    this.#server = await openServer(options, {
      log: this.#log,
      announce: (text) => {
        if (mayAnnounce) this.#log(text);
      },
      maxDiskTransfers: Math.ceil(options.maxDiskTransfers / workers),
      openLedger: async (policy) => (needsQuota(options, policy) ? new RemoteQuotaLedger(line) : undefined),
      shareThrottle: (own: MemoryLoginThrottle) => {
        this.#throttle = new SharedLoginThrottle(own, (news) => line.tell("spreadLogin", news));
        return this.#throttle;
      },
      gatherMetrics: (own) => {
        this.#metrics = own;
        return () => line.call("gatherMetrics");
      },
    });
    mayAnnounce = index === 0;
    return listen(this.#server.server, address);
  }

  async #stop(): Promise<void> {
    await this.#server?.drain();
    await this.#server?.finishProfile();
    process.exit(0);
  }
}
