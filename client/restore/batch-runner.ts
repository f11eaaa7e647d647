/** Carries out a batch: compares what exists, has the missing content written, makes hard links, finishes folders. */
import { closeSync, constants, linkSync, openSync } from "node:fs";
import { CofferError } from "../../shared/errors.ts";
import { usualBufferBytes } from "../reading/shared-buffers.ts";
import { nameOf, parentOf } from "./byte-path.ts";
import { ContentPlan, type PlannedRange } from "./content-plan.ts";
import type { ContentWriter, WriteObserver } from "./content-writer.ts";
import { removeEntry, statusOf } from "./existing-items.ts";
import type { FileBatch, PlannedFile, PlannedFolder, PlannedLink } from "./file-batch.ts";
import { type DecisionContext, decideAll, type FileWork, failFile, reportDone } from "./file-decisions.ts";
import type { FileToWrite } from "./file-tasks.ts";
import { applyToFolder, makeWritable, removeSelectedXattrs } from "./metadata-application.ts";
import type { RestoreOptions } from "./options.ts";
import type { RestoreReport } from "./report.ts";
import type { FolderCache } from "./target-folder.ts";

export interface BatchContext extends DecisionContext {
  readonly options: RestoreOptions;
  /** Missing in a dry run, which ends after the comparisons. */
  readonly execution: BatchExecution | undefined;
}

export interface BatchExecution {
  readonly writer: ContentWriter;
  readonly folders: FolderCache;
  /** For the other ends of hard links: two folders are needed at the same time. */
  readonly linkFolders: FolderCache;
  /** Numbers that no other file of this restore has. */
  readonly nextFileNumber: () => number;
  /** Told of each file whose content was written. */
  readonly onWritten: ((file: PlannedFile) => void) | undefined;
}

/** What a range may have at least: longer requests only pay when there is enough for all workers. */
const minRangeLimitBytes = 1024 * 1024;

/** A batch whose content is written. */
export interface WrittenBatch {
  /** Makes the hard links and finishes the folders. To be called when all batches before it are finished. */
  finish(): void;
}

/** Compares and writes the content of a batch. Throws when cancelled, or when the repository cannot be reached. */
export async function writeBatch(batch: FileBatch, context: BatchContext): Promise<WrittenBatch> {
  const works = await decideAll(batch.files, context);
  if (context.execution === undefined) return new ImaginedBatch(works, batch, context.report);
  const run = new BatchRun(context, context.execution, batch);
  await run.write(works);
  return run;
}

/** What a dry run does with a batch. */
class ImaginedBatch implements WrittenBatch {
  readonly #batch: FileBatch;
  readonly #report: RestoreReport;

  constructor(works: readonly FileWork[], batch: FileBatch, report: RestoreReport) {
    this.#batch = batch;
    this.#report = report;
    for (const work of works) {
      if (!work.isUnchanged) report.bytesWritten(work.contentBytes);
      reportDone(work, report);
    }
  }

  finish(): void {
    for (const { path } of [...this.#batch.links, ...this.#batch.folders]) this.#report.restored("restored", path);
  }
}

class BatchRun implements WrittenBatch {
  readonly #context: BatchContext;
  readonly #execution: BatchExecution;
  readonly #batch: FileBatch;
  readonly #workOf = new Map<number, FileWork>();
  readonly #observer: WriteObserver = {
    bytesWritten: (count) => this.#context.report.bytesWritten(count),
    finished: (file) => this.#finished(file),
    failed: (file, error) => {
      const work = this.#workOf.get(file.number);
      if (work !== undefined) failFile(work.file, error, this.#context.report);
    },
  };

  constructor(context: BatchContext, execution: BatchExecution, batch: FileBatch) {
    this.#context = context;
    this.#execution = execution;
    this.#batch = batch;
  }

  async write(works: readonly FileWork[]): Promise<void> {
    const ready = works.filter((work) => this.#attempt(work.file, () => this.#prepare(work)));
    for (const work of ready) this.#context.report.bytesWritten(bytesInPlace(work));
    await this.#writeFiles(ready);
  }

  finish(): void {
    for (const link of this.#batch.links) this.#makeLink(link);
    for (const folder of this.#batch.folders) this.#finishFolder(folder);
  }

  /** False when the step failed, which is then reported. */
  #attempt(file: PlannedFile, step: () => void): boolean {
    try {
      step();
      return true;
    } catch (error) {
      failFile(file, error, this.#context.report);
      return false;
    }
  }

  /** Takes away what cannot be written to. */
  #prepare({ file, kept, pieces }: FileWork): void {
    if (file.existing === undefined) return;
    const { folders } = this.#execution;
    const folder = folders.open(file.folder);
    if (kept === undefined) {
      const status = statusOf(folder, file.name);
      if (status !== undefined) removeEntry(folders, file.path, status, false);
    } else if (kept.isReadOnly && pieces.length > 0) {
      makeWritable(folder, file.name);
    }
  }

  async #writeFiles(works: readonly FileWork[]): Promise<void> {
    const { writer } = this.#execution;
    const plan = new ContentPlan();
    const withPieces = works.filter((work) => work.pieces.length > 0);
    const counters = new SharedArrayBuffer(Math.max(1, withPieces.length) * 8);
    const counts = new Int32Array(counters);
    for (const [index, { pieces }] of withPieces.entries()) {
      counts[index * 2] = pieces.length;
      for (const piece of pieces) plan.add(index, piece);
    }
    const ranges = plan.ranges(rangeLimit(plan.sealedBytes, this.#context.concurrency));
    const rangeCounts = countRanges(ranges, withPieces.length);
    const specs = withPieces.map((work, index) => this.#specOf(work, index * 2, rangeCounts[index] === 1));
    for (const [index, spec] of specs.entries()) {
      const work = withPieces[index];
      if (work === undefined || spec.creates || work.kept !== undefined) continue;
      if (!this.#attempt(work.file, () => this.#createFile(spec))) counts[spec.slot + 1] = 1;
    }
    await writer.write(ranges, specs, counters, this.#observer);
    const withoutPieces = works.filter((work) => work.pieces.length === 0);
    await writer.finish(
      withoutPieces.map((work) => this.#specOf(work, 0, true)),
      this.#observer,
    );
  }

  #specOf(work: FileWork, slot: number, hasOneWriter: boolean): FileToWrite {
    const { file, kept, contentBytes, pieces } = work;
    const isNew = kept === undefined;
    const leavesHoles = isNew && this.#context.options.sparse === true;
    const needsSize = isNew ? leavesHoles && pieces.length > 0 : kept.sizeBytes !== contentBytes;
    const number = this.#execution.nextFileNumber();
    this.#workOf.set(number, work);
    return {
      number,
      folder: file.folder,
      name: file.name,
      creates: isNew && hasOneWriter,
      isNew,
      finalSizeBytes: needsSize ? contentBytes : undefined,
      leavesHoles,
      metadata: file.metadata,
      slot,
    };
  }

  /** A file that several workers write to cannot be made by one of them: the others might come first. */
  #createFile(file: FileToWrite): void {
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
    const path = this.#execution.folders.open(file.folder).pathOf(file.name);
    closeSync(openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600));
  }

  #finished(file: FileToWrite): void {
    const work = this.#workOf.get(file.number);
    if (work === undefined) return;
    const { selectXattr } = this.#context.options;
    const isDone =
      selectXattr === undefined ||
      this.#attempt(work.file, () => {
        const folder = this.#execution.folders.open(file.folder);
        removeSelectedXattrs(folder, file.name, file.metadata, selectXattr);
      });
    if (!isDone) return;
    reportDone(work, this.#context.report);
    if (!work.isUnchanged) this.#execution.onWritten?.(work.file);
  }

  #makeLink({ path, group }: PlannedLink): void {
    const { report, options } = this.#context;
    try {
      if (group.hasFailed) throw new CofferError("damaged", "the file that this is another name of was not restored");
      this.#link(group.first, path, options.delete === true);
      report.restored("restored", path);
    } catch (error) {
      report.failed(path, error);
    }
  }

  #link(first: string, path: string, recursive: boolean): void {
    const { folders, linkFolders } = this.#execution;
    const source = linkFolders.open(parentOf(first));
    const sourceStatus = statusOf(source, nameOf(first));
    const status = statusOf(folders.open(parentOf(path)), nameOf(path));
    if (status !== undefined) {
      if (status.ino === sourceStatus?.ino && status.dev === sourceStatus.dev) return;
      removeEntry(folders, path, status, recursive);
    }
    linkSync(source.pathOf(nameOf(first)), folders.open(parentOf(path)).pathOf(nameOf(path)));
  }

  #finishFolder({ path, metadata }: PlannedFolder): void {
    const { report, options } = this.#context;
    try {
      applyToFolder(this.#execution.folders.open(path), metadata, options.selectXattr);
      report.restored("restored", path);
    } catch (error) {
      report.failed(path, error);
    }
  }
}

/** Content that need not be written, in a file that is. */
function bytesInPlace({ isUnchanged, contentBytes, pieces }: FileWork): number {
  return isUnchanged ? 0 : contentBytes - pieces.reduce((sum, piece) => sum + piece.contentBytes, 0);
}

/** Short ranges when there is little, so that all connections and workers have some of it. */
function rangeLimit(sealedBytes: number, lanes: number): number {
  return Math.min(usualBufferBytes, Math.max(minRangeLimitBytes, Math.ceil(sealedBytes / (2 * lanes))));
}

/** For each file: in how many ranges it has pieces. */
function countRanges(ranges: readonly PlannedRange[], files: number): Uint32Array {
  const counts = new Uint32Array(files);
  const lastRange = new Int32Array(files).fill(-1);
  for (const [number, { needs }] of ranges.entries()) {
    for (const { pairs } of needs) {
      for (let pair = 0; pair < pairs.length; pair += 2) {
        const file = pairs[pair] ?? 0;
        if (lastRange[file] === number) continue;
        lastRange[file] = number;
        counts[file] = (counts[file] ?? 0) + 1;
      }
    }
  }
  return counts;
}
