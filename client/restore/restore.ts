/**
 * Restores a snapshot: walks its trees once and makes folders, links and special files; has the content of files fetched in
 * ranges of packs and written by workers, a batch at a time while the next is planned; removes what is too much; and
 * reads again what was written. What cannot be restored is reported, and the rest is.
 */

import { closeSync } from "node:fs";
import { CofferError } from "../../shared/errors.ts";
import type { Id } from "../../shared/format/layout.ts";
import { compileKernels, type KernelsModule } from "../../shared/kernels/kernels.ts";
import { throwIfCancelled } from "../backends/cancellation.ts";
import { makeFolders } from "../platform/make-folders.ts";
import { SharedBuffers } from "../reading/shared-buffers.ts";
import type { BlobSource } from "../reading/source.ts";
import { LocalTasks, type TaskRunner, TaskWorkers, usualWorkerCount } from "../reading/task-workers.ts";
import { TreeSource } from "../reading/tree-source.ts";
import { workerEntry } from "../reading/worker-entry.ts";
import { type BatchContext, type WrittenBatch, writeBatch } from "./batch-runner.ts";
import { ContentWriter } from "./content-writer.ts";
import { DeletionVisitor } from "./deletion.ts";
import type { FileBatch } from "./file-batch.ts";
import type { RestoreAnswer, RestoreSetup, RestoreTask } from "./file-tasks.ts";
import { FileWriter } from "./file-writer.ts";
import type { RestoreEvents, RestoreOptions, RestoreResult } from "./options.ts";
import { RestoreReport } from "./report.ts";
import { RestoreVisitor } from "./restore-visitor.ts";
import { FolderCache, hasDescriptorPaths, openFolder, openTarget } from "./target-folder.ts";
import { type WalkVisitor, walkTree } from "./tree-walk.ts";
import { VerificationVisitor, WrittenFiles } from "./verification.ts";

/** Enough to keep connections and workers busy between two batches. */
const maxBatchesWriting = 3;

/**
 * Restores what is selected of a snapshot. Failed items are told by `itemFailed` and counted. Throws `not-found` when the
 * subfolder is not in the snapshot, `forbidden` when the target cannot be made, `cancelled`, and what the repository says
 * when it can no longer be reached.
 */
export async function restore(
  source: BlobSource,
  options: RestoreOptions,
  events: RestoreEvents = {},
  signal?: AbortSignal,
): Promise<RestoreResult> {
  const startedMs = performance.now();
  throwIfCancelled(signal);
  const run = new Restore(source, options, events, signal);
  try {
    const verifiedFiles = await run.run();
    const { totals, errorCount } = run.report;
    return { ...totals, errorCount, verifiedFiles, durationMs: performance.now() - startedMs };
  } finally {
    await run.close();
  }
}

class Restore {
  readonly report: RestoreReport;
  readonly #source: BlobSource;
  readonly #options: RestoreOptions;
  readonly #events: RestoreEvents;
  readonly #signal: AbortSignal | undefined;
  readonly #kernels: KernelsModule = compileKernels();
  readonly #trees: TreeSource;
  readonly #buffers: SharedBuffers;
  readonly #concurrency: number;
  readonly #written: WrittenFiles | undefined;
  #descriptor: number | undefined;
  #folders: FolderCache | undefined;
  #linkFolders: FolderCache | undefined;
  #runner: TaskRunner<RestoreTask, RestoreAnswer> | undefined;
  /** Batches whose content is being written. */
  readonly #writing = new Set<Promise<unknown>>();
  /** Settles when all batches that were started are finished, in their order. */
  #finished: Promise<void> = Promise.resolve();
  /** Why no further batch is begun. */
  #failure: { readonly error: unknown } | undefined;
  #fileNumber = 0;

  constructor(source: BlobSource, options: RestoreOptions, events: RestoreEvents, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#options = options;
    this.#events = events;
    this.#signal = signal;
    this.report = new RestoreReport(events);
    this.#trees = new TreeSource(source, this.#kernels);
    this.#concurrency = source.backend.connections + usualWorkerCount();
    this.#buffers = new SharedBuffers(this.#concurrency);
    this.#written = options.verify === true ? new WrittenFiles() : undefined;
  }

  /** How many files were verified. */
  async run(): Promise<number> {
    const root = await this.#findRoot();
    this.#openTarget();
    const visitor = new RestoreVisitor(this.#options, this.report, this.#folders, {
      worthThreads: () => {
        this.#runner ??= this.#makeRunner(true);
      },
      full: (batch) => this.#start(batch),
    });
    await this.#walk(root, visitor);
    await this.#start(visitor.takeBatch());
    await this.#finished;
    if (this.#options.delete === true && !visitor.hasRefusedNames && this.#folders !== undefined) {
      await this.#walk(root, new DeletionVisitor(this.#options, this.report, this.#folders));
    }
    return this.#written === undefined ? 0 : this.#verify(root, this.#written);
  }

  async close(): Promise<void> {
    this.#buffers.close();
    await Promise.allSettled([...this.#writing, this.#finished]);
    await this.#runner?.close();
    this.#folders?.close();
    this.#linkFolders?.close();
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
  }

  async #findRoot(): Promise<Id> {
    let tree = this.#options.snapshot.tree;
    let walked = "";
    for (const name of (this.#options.subfolder ?? "").split("/").filter((part) => part !== "" && part !== ".")) {
      walked = walked === "" ? name : `${walked}/${name}`;
      const nodes = await this.#trees.load(tree, this.#signal);
      const wanted = Buffer.from(name);
      const node = nodes.find((candidate) => wanted.equals(candidate.name));
      if (node === undefined) throw new CofferError("not-found", `path ${walked}: not found`);
      if (node.subtree === undefined) throw new CofferError("not-found", `path ${walked}: not a directory`);
      tree = node.subtree;
    }
    return tree;
  }

  #openTarget(): void {
    const target = Buffer.from(this.#options.target);
    try {
      if (this.#options.dryRun !== true) makeFolders(target, 0o700);
      this.#descriptor = hasDescriptorPaths() ? openFolder(target) : undefined;
      this.#folders = new FolderCache(openTarget(target, this.#descriptor));
      this.#linkFolders = new FolderCache(openTarget(target, this.#descriptor));
    } catch (cause) {
      if (this.#options.dryRun === true && (cause as NodeJS.ErrnoException).code === "ENOENT") return;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new CofferError("forbidden", `cannot create target directory: ${reason}`, { cause });
    }
  }

  async #walk(root: Id, visitor: WalkVisitor): Promise<void> {
    const loadTree = (id: Id) => this.#trees.load(id, this.#signal);
    await walkTree(root, visitor, { loadTree, selection: this.#options.select, signal: this.#signal });
  }

  /** Begins to carry out a batch; settles when there is room for one more. */
  async #start(batch: FileBatch): Promise<void> {
    throwIfCancelled(this.#signal);
    if (this.#failure !== undefined) throw this.#failure.error;
    const previous = this.#finished;
    const writing = writeBatch(batch, this.#contextFor(batch));
    this.#finished = this.#finishInOrder(writing, previous);
    // Whoever waits for it gets the error; until then it is not unhandled.
    this.#finished.catch(() => {});
    this.#writing.add(writing);
    writing
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#writing.delete(writing));
    if (this.#writing.size >= maxBatchesWriting) await Promise.race(this.#writing);
  }

  async #finishInOrder(writing: Promise<WrittenBatch>, previous: Promise<void>): Promise<void> {
    const [batch] = await Promise.all([writing, previous]);
    batch.finish();
  }

  #contextFor(batch: FileBatch): BatchContext {
    this.#runner ??= this.#makeRunner(batch.isWorthThreads);
    const runner = this.#runner;
    return {
      index: this.#source.index,
      options: this.#options,
      report: this.report,
      runner,
      concurrency: this.#concurrency,
      signal: this.#signal,
      execution: this.#executionWith(runner),
    };
  }

  #executionWith(runner: TaskRunner<RestoreTask, RestoreAnswer>): BatchContext["execution"] {
    if (this.#options.dryRun === true || this.#folders === undefined || this.#linkFolders === undefined)
      return undefined;
    const parts = { source: this.#source, runner, buffers: this.#buffers, concurrency: this.#concurrency };
    const written = this.#written;
    return {
      writer: new ContentWriter({ ...parts, signal: this.#signal }),
      folders: this.#folders,
      linkFolders: this.#linkFolders,
      nextFileNumber: () => this.#fileNumber++,
      onWritten: written === undefined ? undefined : (file) => written.add(file.path),
    };
  }

  #makeRunner(withThreads: boolean): TaskRunner<RestoreTask, RestoreAnswer> {
    if (this.#folders === undefined) return refuseTasks;
    const setup: RestoreSetup = {
      kernels: this.#kernels,
      key: this.#source.masterKey,
      target: this.#options.target,
      targetDescriptor: this.#descriptor,
    };
    if (!withThreads) return new LocalTasks(new FileWriter(setup));
    return new TaskWorkers(workerEntry("./file-worker", import.meta.url), setup, usualWorkerCount());
  }

  async #verify(root: Id, written: WrittenFiles): Promise<number> {
    const startedMs = performance.now();
    this.#events.verifyStarted?.();
    const visitor = new VerificationVisitor({
      index: this.#source.index,
      runner: this.#runner ?? refuseTasks,
      written,
      concurrency: this.#concurrency,
      failed: (path, error) => this.report.failed(path, error),
    });
    await this.#walk(root, visitor);
    await visitor.finish();
    this.#events.verifyFinished?.(visitor.fileCount, performance.now() - startedMs);
    return visitor.fileCount;
  }
}

/** For a dry run into nothing: there is nothing to compare. */
const refuseTasks: TaskRunner<RestoreTask, RestoreAnswer> = {
  run: () => Promise.reject(new CofferError("internal", "a dry run into a missing target has no tasks")),
  pin: () => refuseTasks,
  close: async () => {},
};
