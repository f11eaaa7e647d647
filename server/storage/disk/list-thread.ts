/** The main thread's end of the thread that lists folders. */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { CofferError } from "../../../shared/errors.ts";
import type { ListBatch, ListReply, ListRequest } from "./list-protocol.ts";

/** A batch is garbage as soon as it is sent; more room would only be filled. */
const youngHeapMebibytes = 8;

/** A thread costs 15 MiB, and clients ask for several lists at a time, then long for none. */
const keptIdleMs = 60_000;

type Settle = (reply: ListReply | Error) => void;

/** Starts its thread for the first list and keeps it until there have been none for a while. It does not keep the process alive. */
export class ListThread {
  #worker: Worker | undefined;
  #listsOpened = 0;
  #listsOpen = 0;
  #idleTimer: NodeJS.Timeout | undefined;
  readonly #waiting = new Map<number, Settle>();

  /**
   * The files of a folder, batch by batch; while one is used, the next is made. Throws errors of the file system as they
   * are, and `unavailable` when the thread has ended.
   */
  async *list(open: NonNullable<ListRequest["open"]>): AsyncIterable<ListBatch> {
    this.#listsOpened += 1;
    const list = this.#listsOpened;
    this.#listsOpen += 1;
    clearTimeout(this.#idleTimer);
    try {
      let coming = this.#ask({ list, open });
      for (let batch = await coming; batch !== undefined; batch = await coming) {
        coming = this.#ask({ list });
        // Whoever leaves early does not wait for what is coming.
        coming.catch(() => undefined);
        yield batch;
      }
    } finally {
      this.#worker?.postMessage({ list, close: true } satisfies ListRequest);
      this.#listsOpen -= 1;
      if (this.#listsOpen === 0) this.#idleTimer = setTimeout(() => this.#rest(), keptIdleMs).unref();
    }
  }

  #rest(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
  }

  async #ask(request: ListRequest): Promise<ListBatch | undefined> {
    const worker = this.#running();
    const reply = await new Promise<ListReply | Error>((resolve) => {
      this.#waiting.set(request.list, resolve);
      worker.ref();
      worker.postMessage(request);
    });
    if (reply instanceof Error) throw reply;
    if ("batch" in reply) return reply.batch;
    if ("isEnd" in reply) return undefined;
    throw Object.assign(new Error(reply.error.message), { code: reply.error.code });
  }

  #running(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const entry = new URL(`./list-worker${extname(import.meta.url)}`, import.meta.url);
    const worker = new Worker(entry, {
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: youngHeapMebibytes },
    });
    worker.on("message", (reply: ListReply) => this.#settle(reply.list, reply));
    worker.on("error", (cause) => this.#lose(worker, cause));
    worker.on("exit", () => this.#lose(worker, undefined));
    this.#worker = worker;
    return worker;
  }

  #settle(list: number, reply: ListReply | Error): void {
    this.#waiting.get(list)?.(reply);
    this.#waiting.delete(list);
    if (this.#waiting.size === 0) this.#worker?.unref();
  }

  /** The next list starts a new thread. */
  #lose(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const list of [...this.#waiting.keys()]) {
      this.#settle(list, new CofferError("unavailable", "the thread that lists folders has ended", { cause }));
    }
  }
}
