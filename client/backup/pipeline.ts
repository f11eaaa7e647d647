/**
 * Everything between a task for a worker and a pack in the index: workers, pack buffers, tree packs, uploads, index files, and the one
 * place where a failure of any of them ends the backup. Order of durability: packs, then the index that names them, then (by the
 * caller) the snapshot. Source: docs/format.md, section 9.2.
 */
import { CofferError, hasErrorCode } from "../../shared/errors.ts";
import { toHex } from "../../shared/format/bytes.ts";
import { compileKernels } from "../../shared/kernels/kernels.ts";
import { cancellationOf } from "../backends/cancellation.ts";
import { IndexWriter } from "./index-writer.ts";
import type { BatchReply, CutReply, PackReply, SealingSettings, SegmentReply } from "./messages.ts";
import { packBufferBytes } from "./pack-builder.ts";
import { PackMemory } from "./pack-memory.ts";
import type { BackupRepository } from "./repository-view.ts";
import { addStages } from "./stage-clock.ts";
import { TreeStore } from "./tree-store.ts";
import { type PackToStore, UploadQueue } from "./upload-queue.ts";
import { Wake } from "./wake.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface PipelineOptions {
  readonly settings: Omit<SealingSettings, "kernelsModule" | "key" | "version">;
  readonly workers: number;
  /** Nothing is saved. */
  readonly dryRun: boolean;
  /** Nothing is saved before it has resolved. */
  readonly permitted: Promise<unknown>;
  readonly signal: AbortSignal | undefined;
}

/** What takes the answers of the workers. */
export interface ReplyHandler {
  batchDone(reply: BatchReply): void;
  segmentCut(reply: CutReply): void;
  segmentDone(reply: SegmentReply): void;
}

/** After a failure, the packs that are stored get this long to be indexed. */
const salvageMs = 20_000;

/** More buffers hide the way to the server better; each takes up a pack's size of memory. */
const buffersInFlight = 3;
/** The memory that all pack buffers together should not exceed, if one for each worker and one in flight allow it. */
const buffersTargetBytes = 160 * 1024 * 1024;

export class Pipeline {
  /** Raised whenever something happened that the main loop may have waited for. */
  readonly wake: Wake = new Wake();
  readonly pool: WorkerPool;
  readonly trees: TreeStore;
  readonly #repository: BackupRepository;
  readonly #options: PipelineOptions;
  readonly #memory: PackMemory;
  readonly #uploads: UploadQueue;
  readonly #index: IndexWriter;
  readonly #abort = new AbortController();
  readonly #onCancelled = (): void => {
    if (this.#options.signal !== undefined) this.fail(cancellationOf(this.#options.signal));
  };
  #handler: ReplyHandler | undefined;
  #failure: Error | undefined;

  constructor(repository: BackupRepository, options: PipelineOptions) {
    this.#repository = repository;
    this.#options = options;
    const { config, masterKey: key, index } = repository;
    const { packSizeBytes } = options.settings;
    const settings = { ...options.settings, kernelsModule: compileKernels(), key, version: config.version };
    this.#memory = PackMemory.create(bufferCount(options.workers, packSizeBytes), packBufferBytes(packSizeBytes));
    this.#index = new IndexWriter({
      save: (json) => this.#saveIndex(json),
      failed: (error) => this.fail(error),
      now: () => performance.now(),
    });
    this.#uploads = new UploadQueue({
      save: (pack) => this.#savePack(pack),
      permitted: this.#untilFailed(options.permitted),
      stored: ({ id, bytes, blobs, header }) => this.#index.add({ id, blobs, header, sizeBytes: bytes.length }),
      failed: (error) => this.fail(error),
    });
    this.trees = new TreeStore(settings, index.table, (pack) => this.#uploads.add(pack));
    const { shared: table } = index.table;
    const polynomial = config.chunkerPolynomial;
    this.pool = new WorkerPool({ ...settings, polynomial, table, packMemory: this.#memory.shared }, options.workers, {
      replied: (reply) => this.#replied(reply),
      failed: (error) => this.fail(error),
    });
    options.permitted.catch((error: unknown) => this.fail(error));
    options.signal?.addEventListener("abort", this.#onCancelled, { once: true });
    if (options.signal?.aborted) this.#onCancelled();
  }

  /** Who takes the answers; set before the first task is submitted. */
  handleReplies(handler: ReplyHandler): void {
    this.#handler = handler;
  }

  /** Ends the backup with the first error that is told; everything that runs is cancelled. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error instanceof Error ? error : new CofferError("internal", String(error));
    this.#uploads.stop();
    this.#memory.stop();
    this.#abort.abort(this.#failure);
    this.wake.raise();
  }

  /** Rejects with the failure once there is one; never resolves. For what waits for things that know nothing of the backup. */
  failed(): Promise<never> {
    return new Promise((_resolve, reject) => {
      const onFailed = (): void => reject(this.#failure);
      if (this.#failure !== undefined) onFailed();
      else this.#abort.signal.addEventListener("abort", onFailed, { once: true });
    });
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** After all tasks are answered and all trees stored: everything is on its way, then stored, then indexed. The stages, summed. */
  async finish(): Promise<Record<string, number>> {
    // A worker that dies now never answers.
    const stages = await Promise.race([this.pool.finish(), this.failed()]);
    this.trees.finish();
    await this.#uploads.settled();
    this.throwIfFailed();
    await this.#untilFailed(this.#options.permitted);
    await this.#index.finish();
    this.throwIfFailed();
    return addStages(stages, this.trees.stages);
  }

  /**
   * Ends threads and uploads. After a failure, packs that are stored are still indexed, so that the next backup need not send them again;
   * a lock that is lost forbids it, since others may be removing packs by now.
   */
  async close(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#onCancelled);
    this.#memory.stop();
    await this.pool.end();
    if (this.#failure === undefined) return;
    await this.#uploads.settled();
    if (hasErrorCode(this.#failure, "lock-lost", "locked")) return;
    try {
      await this.#index.finish();
    } catch {
      // The failure that ended the backup is the one to report.
    }
  }

  #replied(reply: BatchReply | CutReply | SegmentReply | PackReply): void {
    if (this.#failure !== undefined) return;
    try {
      if (reply.kind === "pack") this.#packDone(reply);
      else if (reply.kind === "batch") this.#handler?.batchDone(reply);
      else if (reply.kind === "cut") this.#handler?.segmentCut(reply);
      else this.#handler?.segmentDone(reply);
    } catch (error) {
      this.fail(error);
    }
    this.wake.raise();
  }

  #packDone({ buffer, id, lengthBytes, blobs, header }: PackReply): void {
    const bytes = this.#memory.view(buffer).subarray(0, lengthBytes);
    const release = (): void => this.#memory.release(buffer);
    this.#uploads.add({ id: toHex(id), bytes, blobs, header, isMetadata: false, release });
  }

  async #savePack({ id, bytes, isMetadata }: PackToStore): Promise<void> {
    if (this.#options.dryRun) return;
    await this.#repository.backend.save({ type: "data", id, isMetadata }, bytes, this.#abort.signal);
  }

  async #saveIndex(json: Uint8Array): Promise<void> {
    if (this.#options.dryRun) return;
    const signal = this.#failure === undefined ? this.#abort.signal : AbortSignal.timeout(salvageMs);
    await this.#repository.saveDocument("index", json, signal);
  }

  /** The same promise, but a failure of the backup ends the wait for it. */
  #untilFailed(promise: Promise<unknown>): Promise<unknown> {
    const either = Promise.race([promise, this.failed()]);
    // Its rejection has been told by `fail`; nobody need wait for it.
    either.catch(() => undefined);
    return either;
  }
}

/** One for each worker to fill, the others on their way; fewer when packs are large. */
function bufferCount(workers: number, packSizeBytes: number): number {
  const affordable = Math.floor(buffersTargetBytes / packSizeBytes);
  return Math.max(workers + 1, Math.min(workers + buffersInFlight, affordable));
}
