/** A process that serves beside others. */
import type { Socket } from "node:net";
import type { MemoryLoginThrottle } from "../auth/login-throttle.ts";
import type { ProcessMetrics } from "../metrics/prom-client.ts";
import { needsQuota } from "../start/open-quota.ts";
import { type OpenServer, openServer } from "../start/open-server.ts";
import type { ServerOptions } from "../start/options.ts";
import { Line } from "./line.ts";
import type { HandOver, PrimaryOffer, WorkerOffer, WorkerTask } from "./offers.ts";
import { RemoteQuotaLedger } from "./shared-ledger.ts";
import { SharedLoginThrottle } from "./shared-throttle.ts";
import { RemoteNameTurns } from "./shared-turns.ts";

type Log = (line: string) => void;

/** Does what the primary process tells it to. Without that process it ends. */
export function serveAsWorker(options: ServerOptions, log: Log): void {
  ignoreSignals();
  process.on("disconnect", () => process.exit(1));
  new ServingWorker(options, log).attach();
}

/** A terminal and a service manager send them to all processes at once; what to do, the primary process says. */
function ignoreSignals(): void {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
}

class ServingWorker {
  readonly #options: ServerOptions;
  readonly #log: Log;
  #server: OpenServer | undefined;
  #throttle: SharedLoginThrottle | undefined;
  #metrics: (() => Promise<ProcessMetrics>) | undefined;

  constructor(options: ServerOptions, log: Log) {
    // A user whom nobody is shown: only the primary process makes the first one.
    this.#options = { ...options, createFirstUser: false };
    this.#log = log;
  }

  attach(): void {
    const offer: WorkerOffer = {
      serve: (task) => this.#serve(task, line),
      stop: () => void this.#stop(),
      reload: () => this.#server?.reload(),
      metrics: async () => this.#metrics?.(),
      learnLogin: (news) => this.#throttle?.learn(news),
    };
    const line: Line<PrimaryOffer> = new Line(
      {
        send: (message) => void process.send?.(message, undefined, undefined, () => undefined),
        onMessage: (listener) => void process.on("message", listener),
      },
      offer,
    );
    process.on("message", (message, handle) => {
      if ((message as Partial<HandOver>).kind === "connection") this.#take(message as HandOver, handle, line);
    });
  }

  #take({ number }: HandOver, handle: unknown, line: Line<PrimaryOffer>): void {
    line.tell("tookConnection", number);
    const socket = handle as Socket | undefined;
    // The client has left meanwhile.
    if (socket === undefined || this.#server === undefined) {
      socket?.destroy();
      line.tell("closedConnection");
      return;
    }
    socket.once("close", () => line.tell("closedConnection"));
    this.#server.take(socket);
  }

  async #serve({ index, workers }: WorkerTask, line: Line<PrimaryOffer>): Promise<void> {
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
      print: (text) => line.tell("print", text),
      storage: {
        hasOtherProcesses: true,
        turns: new RemoteNameTurns(line),
        maxDiskTransfers: Math.ceil(options.maxDiskTransfers / workers),
      },
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
  }

  async #stop(): Promise<void> {
    await this.#server?.drain();
    await this.#server?.finishProfile();
    process.exit(0);
  }
}
