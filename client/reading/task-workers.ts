/**
 * Worker threads that answer tasks: the main thread's side. Each task goes to the worker with the fewest unanswered
 * ones. A worker that ends unasked fails everything that is under way.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { CofferError } from "../../shared/errors.ts";
import type { AnswerMessage, EndMessage, TaskMessage } from "./task-messages.ts";

/** Enough to keep the main thread, which fetches for all of them, fully busy. */
const maxWorkers = 4;

const workerOptions = {
  // What is large is kept; the garbage of small objects need not grow to tens of MiB first.
  resourceLimits: { maxYoungGenerationSizeMb: 16 },
  // Else descriptors that native calls have opened are taken for somebody else's when they are closed.
  trackUnmanagedFds: false,
};

/** How many threads read-side work should have on this machine. */
export function usualWorkerCount(): number {
  return Math.min(maxWorkers, Math.max(1, availableParallelism()));
}

/** Something that answers tasks, wherever it runs. */
export interface TaskRunner<Task, Answer> {
  /** Throws when the answerer threw, or when it ended. `transfer`: memory that moves with the task. */
  run(task: Task, transfer?: readonly ArrayBuffer[]): Promise<Answer>;
  /** A runner whose tasks all go to one thread, in their order. */
  pin(): TaskRunner<Task, Answer>;
  close(): Promise<void>;
}

interface Pending<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** `entry`: a module that calls `serveTasks`. `setup`: structured-cloneable, handed to each worker once. */
export class TaskWorkers<Task, Answer> implements TaskRunner<Task, Answer> {
  readonly #workers: WorkerLine<Task, Answer>[];

  constructor(entry: URL, setup: unknown, count: number) {
    this.#workers = Array.from({ length: Math.max(1, count) }, () => new WorkerLine<Task, Answer>(entry, setup));
  }

  run(task: Task, transfer: readonly ArrayBuffer[] = []): Promise<Answer> {
    return this.#leastLoaded().run(task, transfer);
  }

  pin(): TaskRunner<Task, Answer> {
    return this.#leastLoaded();
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.end()));
  }

  #leastLoaded(): WorkerLine<Task, Answer> {
    return this.#workers.reduce((best, worker) => (worker.load < best.load ? worker : best));
  }
}

/** One worker and the tasks that it has not answered yet. */
class WorkerLine<Task, Answer> implements TaskRunner<Task, Answer> {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending<Answer>>();
  readonly #ended: Promise<unknown>;
  #nextNumber = 0;
  #failure: Error | undefined;

  constructor(entry: URL, setup: unknown) {
    this.#worker = new Worker(entry, { ...workerOptions, workerData: setup });
    this.#worker.on("message", (message: AnswerMessage<Answer>) => this.#settle(message));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#ended = new Promise((resolve) => this.#worker.once("exit", resolve));
    this.#worker.on("exit", (status) => {
      this.#fail(new CofferError("internal", `a worker thread ended with status ${status} before its work was done`));
    });
  }

  get load(): number {
    return this.#pending.size;
  }

  run(task: Task, transfer: readonly ArrayBuffer[] = []): Promise<Answer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const number = this.#nextNumber++;
      this.#pending.set(number, { resolve, reject });
      const message: TaskMessage<Task> = { number, task };
      this.#worker.postMessage(message, transfer);
    });
  }

  pin(): TaskRunner<Task, Answer> {
    return this;
  }

  async close(): Promise<void> {}

  /** Waits until the worker has ended by itself. */
  async end(): Promise<void> {
    this.#failure ??= new CofferError("cancelled", "the worker threads were ended");
    const message: EndMessage = { end: true };
    this.#worker.postMessage(message);
    await this.#ended;
  }

  #settle({ number, answer, error }: AnswerMessage<Answer>): void {
    const pending = this.#pending.get(number);
    this.#pending.delete(number);
    if (error === undefined) pending?.resolve(answer as Answer);
    else pending?.reject(new CofferError(error.code, error.message));
  }

  #fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new CofferError("internal", String(error));
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
  }
}

/** The same in this thread, for work that is too little to be worth starting a thread. */
export class LocalTasks<Task, Answer> implements TaskRunner<Task, Answer> {
  readonly #handle: (task: Task) => Answer;
  readonly #end: () => void;

  constructor(handler: { handle(task: Task): Answer; end(): void }) {
    this.#handle = (task) => handler.handle(task);
    this.#end = () => handler.end();
  }

  async run(task: Task): Promise<Answer> {
    return this.#handle(task);
  }

  pin(): TaskRunner<Task, Answer> {
    return this;
  }

  async close(): Promise<void> {
    this.#end();
  }
}
