/** The main loop of a backup of files: walk, reading and trees take turns on the main thread until the root tree is stored. */
import type { Id } from "../../shared/format/layout.ts";
import type { ZoneOffset } from "../../shared/format/time.ts";
import { type ArchiveFile, type ArchiveFolder, Archiver } from "./archiver.ts";
import { type ByteString, toByteString, toBytes } from "./byte-paths.ts";
import { FileReading } from "./file-reading.ts";
import type { ItemReports } from "./item-reports.ts";
import { NodeFactory } from "./nodes.ts";
import type { BackupEvents, BackupOptions, Selection } from "./options.ts";
import type { Pipeline } from "./pipeline.ts";
import { PreviousTrees } from "./previous-trees.ts";
import type { BackupRepository } from "./repository-view.ts";
import { scan } from "./scanner.ts";
import { localSource } from "./source.ts";
import type { Statistics } from "./statistics.ts";
import { arrangeTargets, type TargetFolder } from "./targets.ts";
import { nextTurn } from "./wake.ts";
import { Walk, type WalkState } from "./walk.ts";

/** How long the walk keeps the main thread before answers of workers and servers are handled. */
const sliceMs = 5;
/**
 * Beyond these the walk waits: what it found is held in memory. The fewer files are held, the less the garbage collector has to copy;
 * workers have tasks in reserve besides these.
 */
const maxWaitingTasks = 2;
const maxWaitingFiles = 1000;
const maxCompleteFolders = 100;
/** Trees of the parent that are held before the walk gets to them. */
const treesAheadPerConnection = 4;

export interface RunContext {
  readonly repository: BackupRepository;
  readonly options: BackupOptions;
  readonly events: BackupEvents;
  readonly statistics: Statistics;
  readonly reports: ItemReports;
  readonly pipeline: Pipeline;
  readonly zone: ZoneOffset;
  readonly workers: number;
}

const everything: Selection = { rejectByPath: () => false, rejectByStatus: () => false };

export class FileRun {
  readonly #context: RunContext;
  readonly #archiver: Archiver;
  readonly #reading: FileReading<ArchiveFile>;
  readonly #walk: Walk<ArchiveFolder>;
  readonly #targets: TargetFolder;
  readonly #selection: Selection;
  #isWalked = false;
  #isStoringTrees = false;

  constructor(context: RunContext) {
    this.#context = context;
    const { options, pipeline, workers } = context;
    const workingDirectory: ByteString = toByteString(options.workingDirectory);
    const list = (path: ByteString): ByteString[] => localSource.list(toBytes(path));
    this.#targets = arrangeTargets(options.targets.map(toByteString), workingDirectory, list);
    this.#selection = {
      rejectByPath: options.rejectByPath ?? everything.rejectByPath,
      rejectByStatus: options.rejectByStatus ?? everything.rejectByStatus,
    };
    this.#archiver = this.#createArchiver();
    this.#reading = new FileReading(pipeline.pool, workers, this.#archiver);
    pipeline.handleReplies(this.#reading);
    this.#walk = new Walk(this.#archiver.root, this.#targets, {
      source: localSource,
      selection: this.#selection,
      visitor: this.#archiver,
    });
  }

  #createArchiver(): Archiver {
    const { repository, options, events, reports, statistics, pipeline, zone } = this.#context;
    const maxAhead = treesAheadPerConnection * repository.backend.connections;
    const load = (id: Id) => repository.loadTree(id);
    return new Archiver(options.parent?.tree, {
      nodes: new NodeFactory(
        localSource,
        { zone, withAccessTime: options.withAccessTime ?? false },
        {
          incomplete: (path, error) => reports.failed(path, error),
          warning: (text) => events.warning?.(text),
        },
      ),
      previousTrees: new PreviousTrees(load, maxAhead, () => pipeline.wake.raise()),
      rules: { ignoreInode: options.ignoreInode ?? false, ignoreCtime: options.ignoreCtime ?? false },
      reports,
      statistics,
      events,
      hasData: (id) => repository.index.has("data", id),
      read: (file) => this.#reading.add(file),
      storeTree: (plaintext) => pipeline.trees.store(plaintext),
      now: () => performance.now(),
    });
  }

  /** The root tree's id, and how many entries it has. Rejects with the first failure of the backup. */
  async run(): Promise<{ readonly tree: Id; readonly entries: number }> {
    const { options } = this.#context;
    const scanTimer =
      options.scanAfterMs === undefined ? undefined : setTimeout(() => this.#scan(), options.scanAfterMs);
    try {
      return await this.#archiveAll();
    } finally {
      clearTimeout(scanTimer);
    }
  }

  #scan(): void {
    const { pipeline, events } = this.#context;
    const isNeedless = (): boolean => this.#archiver.rootTree !== undefined || pipeline.hasFailed;
    const scanned = scan(this.#targets, this.#selection, events, isNeedless);
    scanned.catch((error: unknown) => pipeline.fail(error));
  }

  async #archiveAll(): Promise<{ readonly tree: Id; readonly entries: number }> {
    const { pipeline } = this.#context;
    for (;;) {
      pipeline.throwIfFailed();
      this.#storeTrees();
      const tree = this.#archiver.rootTree;
      if (tree !== undefined) return { tree, entries: this.#archiver.rootEntries };
      if (this.#walkOn() === "more") await nextTurn();
      else await pipeline.wake.wait();
    }
  }

  /** After a failure, when no worker runs any more: closes files. */
  abandon(): void {
    this.#reading.abandon();
  }

  /** `blocked`: something must happen elsewhere before the walk can go on. */
  #walkOn(): WalkState {
    if (this.#isWalked || !this.#hasRoom()) return "blocked";
    const until = performance.now() + sliceMs;
    const state = this.#walk.run(() => performance.now() < until && this.#hasRoom());
    this.#isWalked = state === "finished";
    // A batch that is begun should not wait for files that will not come soon.
    if (state !== "more" && this.#context.pipeline.pool.hasIdleWorker) this.#reading.flush();
    if (state === "finished") this.#reading.flush();
    this.#storeTrees();
    return state === "more" && this.#hasRoom() ? "more" : "blocked";
  }

  #hasRoom(): boolean {
    return (
      this.#context.pipeline.pool.waitingTasks < maxWaitingTasks &&
      this.#reading.waitingFiles < maxWaitingFiles &&
      this.#archiver.completeFolders < maxCompleteFolders
    );
  }

  /** Begins to store the trees of complete folders, unless that is going on. */
  #storeTrees(): void {
    if (this.#isStoringTrees || this.#archiver.completeFolders === 0) return;
    this.#isStoringTrees = true;
    this.#archiver
      .storeTrees()
      .catch((error: unknown) => this.#context.pipeline.fail(error))
      .finally(() => {
        this.#isStoringTrees = false;
        this.#context.pipeline.wake.raise();
      });
  }
}
