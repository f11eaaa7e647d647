/** The process that starts those that serve, replaces them, and keeps what they share. */
import cluster, { type Worker } from "node:cluster";
import { CofferError } from "../../shared/errors.ts";
import type { ListenAddress } from "../listening/listen.ts";
import { openTlsFiles } from "../listening/open-tls.ts";
import type { ProcessMetrics } from "../metrics/prom-client.ts";
import type { PolicyFile } from "../policy/policy-file.ts";
import type { QuotaLedger } from "../quota/ledger.ts";
import { openAuthentication } from "../start/open-authentication.ts";
import { openQuota } from "../start/open-quota.ts";
import { announceModes, openPolicy } from "../start/open-server.ts";
import type { ServerOptions } from "../start/options.ts";
import { announceStart } from "../start/serve-alone.ts";
import { handleSignals } from "../start/signals.ts";
import { openStorage } from "../storage/open-storage.ts";
import { Line } from "./line.ts";
import type { PrimaryOffer, WorkerOffer } from "./offers.ts";
import { LedgerAccount, type LedgerOffer } from "./shared-ledger.ts";

type Log = (line: string) => void;

/** What ends a worker sooner may end the next one, too: each is replaced later than the one before. */
const shortLifeMs = 5_000;
const shortestRestMs = 100;
const policyLookIntervalMs = 3_000;

/** Resolves when all workers listen. Throws `usage` and `unavailable`. */
export async function serveByWorkers(options: ServerOptions, address: ListenAddress, log: Log): Promise<void> {
  // Of what happens later, the workers tell.
  let isStarting = true;
  const announce: Log = (line) => {
    if (isStarting) log(line);
  };
  // Opened here to tell of it once, to find what is wrong before there are workers, and to sweep before anybody uploads.
  const { firstUser } = await openAuthentication(options, announce);
  const policy = await openPolicy(options, announce);
  announceModes(options, announce);
  if (options.tls) await openTlsFiles(options, announce);
  const { dataFolder, storage: location, groupAccessible: isGroupAccessible } = options;
  const storage = await openStorage({ dataFolder, location, isGroupAccessible }, process.env, announce);
  // Stays open: what is stored is counted again from time to time.
  const ledger = await openQuota(options, policy, storage, { announce, log });
  if (ledger === undefined) await storage.close();

  const workers = new Workers(options.workers, address, ledger, log);
  handleSignals({
    stop: async () => {
      await workers.stop();
      log("shutdown cleanly");
      process.exit(0);
    },
    stopNow: () => {
      workers.kill();
      process.exit(1);
    },
    reload: () => {
      workers.reload();
      void policy?.reload();
    },
  });
  await announceStart(options, address, firstUser, () => workers.start(), log);
  isStarting = false;
  if (ledger !== undefined && policy !== undefined) lookAfter(policy);
}

/** Nobody asks this process for anything, so it has to look for other quotas by itself. */
function lookAfter(policy: PolicyFile): void {
  setInterval(() => void policy.current(), policyLookIntervalMs).unref();
}

/** One worker process and the line to it. */
interface Member {
  readonly worker: Worker;
  readonly line: Line<WorkerOffer>;
  readonly account: LedgerAccount | undefined;
  /** Undefined until it listens. */
  servesSinceMs: number | undefined;
}

class Workers {
  readonly #count: number;
  /** All workers that live have to be given the same, or they would not share a socket. */
  #address: ListenAddress;
  /** Where they listen, once they do. */
  #place: string | undefined;
  readonly #ledger: QuotaLedger | undefined;
  readonly #log: Log;
  readonly #members = new Map<number, Member>();
  #isStopping = false;
  /** In a row. */
  #shortLives = 0;
  #onEmpty: (() => void) | undefined;

  constructor(count: number, address: ListenAddress, ledger: QuotaLedger | undefined, log: Log) {
    this.#count = count;
    this.#address = address;
    this.#ledger = ledger;
    this.#log = log;
    // Metrics can be no numbers, which JSON cannot say.
    cluster.setupPrimary({ serialization: "advanced" });
  }

  /** Starts all; tells where they listen. Rejects with what the first one says that cannot, and then none is left. */
  async start(): Promise<string> {
    try {
      // The first one alone: if it cannot listen, the others need not try.
      const place = await this.#begin(0);
      this.#place = place;
      const others = Array.from({ length: this.#count - 1 }, (_, i) => this.#begin(i + 1));
      await Promise.all(others);
      return place;
    } catch (error) {
      this.#isStopping = true;
      this.kill();
      throw error;
    }
  }

  /** Resolves when all have answered their requests and ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#members.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    for (const { line } of this.#members.values()) line.tell("stop");
    await empty;
  }

  kill(): void {
    for (const { worker } of this.#members.values()) worker.process.kill("SIGKILL");
  }

  reload(): void {
    for (const { line } of this.#members.values()) line.tell("reload");
  }

  async #begin(index: number): Promise<string> {
    // The socket goes with the last worker; who comes after has to get the same port again.
    if (this.#members.size === 0) this.#address = withChosenPort(this.#address, this.#place);
    const worker = cluster.fork();
    const account = this.#ledger === undefined ? undefined : new LedgerAccount(this.#ledger);
    const offer: PrimaryOffer = {
      ...(account?.offer ?? noLedger),
      gatherMetrics: () => this.#gatherMetrics(),
      spreadLogin: (news) => {
        for (const [other, { line }] of this.#members) if (other !== index) line.tell("learnLogin", news);
      },
    };
    const channel = {
      // A worker that has gone is told of by its exit.
      send: (message: unknown) => void worker.send(message as object, undefined, undefined, () => undefined),
      onMessage: (listener: (message: unknown) => void) => void worker.on("message", listener),
    };
    const line = new Line<WorkerOffer>(channel, offer);
    const member: Member = { worker, line, account, servesSinceMs: undefined };
    this.#members.set(index, member);
    worker.once("exit", (status, signal) => this.#ended(index, member, signal ?? `status ${status}`));
    const place = await line.call("serve", { address: this.#address, index, workers: this.#count });
    member.servesSinceMs = performance.now();
    return place;
  }

  #ended(index: number, { worker, line, account, servesSinceMs }: Member, how: string): void {
    this.#members.delete(index);
    line.end();
    void account?.close();
    if (this.#isStopping) {
      if (this.#members.size === 0) this.#onEmpty?.();
    } else if (servesSinceMs !== undefined) {
      this.#log(
        `worker ${index} (process ${worker.process.pid}) ended with ${how}: another one will serve in its place`,
      );
      if (performance.now() - servesSinceMs >= shortLifeMs) this.#shortLives = 0;
      setTimeout(() => void this.#replace(index), this.#nextRestMs());
    }
  }

  #nextRestMs(): number {
    const restMs = Math.min(shortestRestMs * 2 ** this.#shortLives, shortLifeMs);
    this.#shortLives += 1;
    return restMs;
  }

  /** Tries until it succeeds: the others go on meanwhile. */
  async #replace(index: number): Promise<void> {
    if (this.#isStopping) return;
    try {
      await this.#begin(index);
      this.#log(`worker ${index} (process ${this.#members.get(index)?.worker.process.pid}) serves in its place`);
    } catch (error) {
      if (this.#isStopping) return;
      this.#log(`worker ${index} cannot serve: ${(error as Error).message}`);
      this.#members.get(index)?.worker.process.kill("SIGKILL");
      setTimeout(() => void this.#replace(index), this.#nextRestMs());
    }
  }

  async #gatherMetrics(): Promise<readonly ProcessMetrics[]> {
    const asked = Array.from(this.#members.values(), ({ line }) => line.call("metrics").catch(() => undefined));
    return (await Promise.all(asked)).filter((metrics) => metrics !== undefined);
  }
}

function withChosenPort(address: ListenAddress, place: string | undefined): ListenAddress {
  if (place === undefined || address.kind !== "tcp" || address.port !== 0) return address;
  return { ...address, port: Number(place.slice(place.lastIndexOf(":") + 1)) };
}

/** Of a server on which nothing is counted, no worker asks for it. */
async function refuseLedger(): Promise<never> {
  throw new CofferError("internal", "a ledger was asked for, and there is none");
}

const noLedger: LedgerOffer = {
  reserve: refuseLedger,
  growReservation: refuseLedger,
  settleReservation: refuseLedger,
  beginRemoval: refuseLedger,
  endRemoval: refuseLedger,
};
