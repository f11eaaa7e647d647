/** The processes that serve: starts them, replaces those that end, and answers what they ask. */
import { type ChildProcess, fork } from "node:child_process";
import type { Socket } from "node:net";
import { CofferError } from "../../shared/errors.ts";
import type { ProcessMetrics } from "../metrics/prom-client.ts";
import type { QuotaLedger } from "../quota/ledger.ts";
import { LocalNameTurns } from "../storage/name-turns.ts";
import { ConnectionSharing, type Taker } from "./connections.ts";
import { Line } from "./line.ts";
import type { HandOver, PrimaryOffer, WorkerOffer } from "./offers.ts";
import { LedgerAccount, type LedgerOffer } from "./shared-ledger.ts";
import { TurnsAccount } from "./shared-turns.ts";
import { workerEnvironment } from "./worker-environment.ts";

/** What ends a worker sooner may end the next one, too: each is replaced later than the one before. */
const shortLifeMs = 5_000;
const shortestRestMs = 100;
/** A worker that hangs must not keep the metrics of the others. */
const metricsLimitMs = 2_000;

/** What is stored, and how it is counted anew. */
export interface CountedLedger {
  readonly ledger: QuotaLedger;
  recount(): Promise<unknown>;
}

/** One worker process and the line to it. */
interface Member extends Taker {
  readonly process: ChildProcess;
  readonly line: Line<WorkerOffer>;
  readonly account: LedgerAccount | undefined;
  readonly turns: TurnsAccount;
  /** Undefined until it serves. */
  servesSinceMs: number | undefined;
}

export class Workers {
  readonly #count: number;
  readonly #ledger: CountedLedger | undefined;
  readonly #log: (line: string) => void;
  readonly #members = new Map<number, Member>();
  readonly #connections = new ConnectionSharing();
  readonly #turns = new LocalNameTurns();
  #isStopping = false;
  #isClean = true;
  /** In a row. */
  #shortLives = 0;
  #onEmpty: (() => void) | undefined;

  constructor(count: number, ledger: CountedLedger | undefined, log: (line: string) => void) {
    this.#count = count;
    this.#ledger = ledger;
    this.#log = log;
  }

  /** Starts all. Rejects with what the first one says that cannot serve, and then none is left. */
  async start(): Promise<void> {
    try {
      // The first one alone: what it finds wrong, the others would find, too.
      await this.#begin(0);
      await Promise.all(Array.from({ length: this.#count - 1 }, (_, i) => this.#begin(i + 1)));
    } catch (error) {
      this.#isStopping = true;
      this.kill();
      throw error;
    }
  }

  /** Has a new connection served, of which nothing was read. */
  give(socket: Socket): void {
    this.#connections.give(socket);
  }

  /** Resolves when all have answered their requests and ended; with false when one of them has ended otherwise. */
  async stop(): Promise<boolean> {
    this.#isStopping = true;
    this.#connections.close();
    if (this.#members.size === 0) return this.#isClean;
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    for (const { line } of this.#members.values()) line.tell("stop");
    await empty;
    return this.#isClean;
  }

  kill(): void {
    for (const member of this.#members.values()) member.process.kill("SIGKILL");
  }

  reload(): void {
    for (const { line } of this.#members.values()) line.tell("reload");
  }

  async #begin(index: number): Promise<void> {
    const member = this.#fork(index);
    this.#members.set(index, member);
    const onEnd = (how: string): void => this.#ended(index, member, how);
    member.process.once("exit", (status, signal) => onEnd(signal ?? `status ${status}`));
    // It could not be started, or not be told something.
    member.process.on("error", (error) => {
      if (member.process.pid === undefined) onEnd(error.message);
    });
    await member.line.call("serve", { index, workers: this.#count });
    // It may have ended as soon as it had answered.
    if (this.#members.get(index) !== member) throw new CofferError("unavailable", "it has ended already");
    member.servesSinceMs = performance.now();
    this.#connections.add(member);
  }

  #fork(index: number): Member {
    const child = fork(process.argv[1] ?? "", process.argv.slice(2), {
      env: workerEnvironment(process.env),
      // Metrics can be no numbers, which JSON cannot say.
      serialization: "advanced",
    });
    const account = this.#ledger === undefined ? undefined : new LedgerAccount(this.#ledger.ledger);
    const turns = new TurnsAccount(this.#turns);
    const offer: PrimaryOffer = {
      ...(account?.offer ?? noLedger),
      ...turns.offer,
      gatherMetrics: () => this.#gatherMetrics(),
      spreadLogin: (news) => {
        for (const [other, { line }] of this.#members) if (other !== index) line.tell("learnLogin", news);
      },
      tookConnection: (number) => this.#connections.confirm(member, number),
      closedConnection: () => this.#connections.forget(member),
      print: (text) => void process.stdout.write(text),
    };
    const channel = {
      // A worker that has gone is told of by its exit.
      send: (message: unknown) => void child.send(message as object, () => undefined),
      onMessage: (listener: (message: unknown) => void) => void child.on("message", listener),
    };
    const member: Member = {
      process: child,
      line: new Line<WorkerOffer>(channel, offer),
      account,
      turns,
      servesSinceMs: undefined,
      send: (number, socket, onFailed) => {
        const message: HandOver = { kind: "connection", number };
        child.send(message, socket, { keepOpen: true }, (error) => {
          if (error !== null) onFailed();
        });
      },
    };
    return member;
  }

  #ended(index: number, member: Member, how: string): void {
    if (this.#members.get(index) !== member) return;
    this.#members.delete(index);
    this.#connections.remove(member);
    member.line.end();
    member.turns.close();
    void this.#closeAccount(member);
    if (this.#isStopping) {
      if (how !== "status 0") this.#complain(`worker ${index} (process ${member.process.pid}) ended with ${how}`);
      if (this.#members.size === 0) this.#onEmpty?.();
    } else if (member.servesSinceMs !== undefined) {
      const who = `worker ${index} (process ${member.process.pid})`;
      this.#log(`${who} ended with ${how}: another one will serve in its place`);
      if (performance.now() - member.servesSinceMs >= shortLifeMs) this.#shortLives = 0;
      setTimeout(() => void this.#replace(index), this.#nextRestMs());
    }
  }

  #complain(line: string): void {
    this.#isClean = false;
    this.#log(line);
  }

  /** What the worker was about to store or remove may have happened or not: only a count of what is there tells. */
  async #closeAccount({ account }: Member): Promise<void> {
    const isSure = await account?.close();
    if (isSure === false) await this.#ledger?.recount();
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
      this.#log(`worker ${index} (process ${this.#members.get(index)?.process.pid}) serves in its place`);
    } catch (error) {
      if (this.#isStopping) return;
      this.#log(`worker ${index} cannot serve: ${(error as Error).message}`);
      this.#members.get(index)?.process.kill("SIGKILL");
      setTimeout(() => void this.#replace(index), this.#nextRestMs());
    }
  }

  async #gatherMetrics(): Promise<readonly ProcessMetrics[]> {
    const asked = Array.from(this.#members.values(), ({ line }) => {
      return line.callWithin(metricsLimitMs, "metrics").catch(() => undefined);
    });
    return (await Promise.all(asked)).filter((metrics) => metrics !== undefined);
  }
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
