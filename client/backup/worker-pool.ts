/** The workers of a backup: started when there is work for them, each given little more than it can do at once. */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { CofferError, type ErrorCode, errorCodes } from "../../shared/errors.ts";
import type {
  BatchReply,
  CutReply,
  PackReply,
  PlainError,
  SegmentReply,
  WorkerReply,
  WorkerRequest,
  WorkerSettings,
  WorkerTask,
} from "./messages.ts";
import { addStages } from "./stage-clock.ts";

/** Enough that a worker never waits for the next task; more only makes the end uneven. */
const tasksPerWorker = 2;

/**
 * What a worker allocates in JavaScript is garbage at once. In a nursery that fits the processor's cache that costs a tenth less time, and
 * memory, than in one of the usual size, which grows to 48 MiB.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 4 };

export interface WorkerPoolEvents {
  replied(reply: BatchReply | CutReply | SegmentReply | PackReply): void;
  /** A worker cannot go on. What it promised to store is lost, so the backup must end. */
  failed(error: Error): void;
}

interface Member {
  readonly worker: Worker;
  /** Tasks given and not answered. */
  load: number;
  readonly ended: Promise<unknown>;
  /** Called when it has answered `finish`; set by `finish`. */
  onFinished: ((stages: Readonly<Record<string, number>>) => void) | undefined;
  hasFinished: boolean;
}

export class WorkerPool {
  readonly #settings: WorkerSettings;
  readonly #maxWorkers: number;
  readonly #events: WorkerPoolEvents;
  readonly #members: Member[] = [];
  readonly #waiting: WorkerTask[] = [];
  #hasEnded = false;

  constructor(settings: WorkerSettings, maxWorkers: number, events: WorkerPoolEvents) {
    this.#settings = settings;
    this.#maxWorkers = maxWorkers;
    this.#events = events;
  }

  /** Threads that were started. */
  get threads(): number {
    return this.#members.length;
  }

  /** Tasks that no worker has yet. */
  get waitingTasks(): number {
    return this.#waiting.length;
  }

  /** True when a worker could begin another task at once, if there was one. */
  get hasIdleWorker(): boolean {
    return this.#members.length < this.#maxWorkers || this.#members.some(({ load }) => load === 0);
  }

  submit(task: WorkerTask): void {
    this.#waiting.push(task);
    this.#distribute();
  }

  /** Before all others: what finishes something that was begun. */
  submitFirst(task: WorkerTask): void {
    this.#waiting.unshift(task);
    this.#distribute();
  }

  /** After all tasks are answered: hands over the packs that are begun, and ends the threads. The stages, summed. */
  async finish(): Promise<Record<string, number>> {
    const finished = this.#members.map((member) => {
      return new Promise<Readonly<Record<string, number>>>((resolve) => {
        member.onFinished = resolve;
        member.worker.postMessage({ kind: "finish" } satisfies WorkerRequest);
      });
    });
    return addStages(...(await Promise.all(finished)));
  }

  /**
   * Ends the threads; tasks and packs that are begun are lost. Each ends by itself, after what it is doing, which stopping the pack
   * memory cuts short: ended from outside amid a native call, a thread takes the process with it (SIGABRT).
   */
  async end(): Promise<void> {
    this.#hasEnded = true;
    for (const { worker } of this.#members) worker.postMessage({ kind: "end" } satisfies WorkerRequest);
    await Promise.all(this.#members.map(({ ended }) => ended));
  }

  #distribute(): void {
    for (let task = this.#waiting[0]; task !== undefined; task = this.#waiting[0]) {
      const member = this.#leastLoaded();
      if (member === undefined || this.#hasEnded) return;
      this.#waiting.shift();
      member.load++;
      member.worker.postMessage(task satisfies WorkerRequest);
    }
  }

  /** A member that takes another task. One more is started when all that there are have work. */
  #leastLoaded(): Member | undefined {
    let best: Member | undefined;
    for (const member of this.#members) {
      if (best === undefined || member.load < best.load) best = member;
    }
    if ((best === undefined || best.load > 0) && this.#members.length < this.#maxWorkers) best = this.#start();
    return best !== undefined && best.load < tasksPerWorker ? best : undefined;
  }

  #start(): Member {
    // The same file extension as this file's: .ts from source, .js when built.
    const entry = new URL(`./backup-worker${extname(import.meta.url)}`, import.meta.url);
    // Descriptors belong to the main thread, so a worker must not close them when it ends.
    const worker = new Worker(entry, { workerData: this.#settings, trackUnmanagedFds: false, resourceLimits });
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    const member: Member = { worker, load: 0, ended, onFinished: undefined, hasFinished: false };
    worker.on("message", (reply: WorkerReply) => this.#receive(member, reply));
    worker.on("error", (error) => this.#fail(workerError(error)));
    worker.on("messageerror", (error) => this.#fail(workerError(error)));
    worker.on("exit", (status) => {
      if (!member.hasFinished) this.#fail(new CofferError("internal", `a backup worker ended with status ${status}`));
    });
    this.#members.push(member);
    return member;
  }

  #receive(member: Member, reply: WorkerReply): void {
    if (this.#hasEnded) return;
    if (reply.kind === "finished") {
      member.hasFinished = true;
      member.onFinished?.(reply.stages);
    } else if (reply.kind === "failed") {
      this.#fail(workerError(reply.error));
    } else {
      if (reply.kind === "batch" || reply.kind === "segment") member.load--;
      this.#distribute();
      this.#events.replied(reply);
    }
  }

  #fail(error: Error): void {
    if (!this.#hasEnded) this.#events.failed(error);
  }
}

/** Errors lose their class between threads; ours keep their code. */
function workerError(error: PlainError): CofferError {
  const code = (error.code ?? "") in errorCodes ? (error.code as ErrorCode) : "internal";
  return new CofferError(code, code === "internal" ? `a backup worker failed: ${error.message}` : error.message, {
    cause: error,
  });
}
