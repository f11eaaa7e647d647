/** What has to be done to each file of a batch: found out by a look at what is there already. */
import { throwIfCancelled } from "../backends/cancellation.ts";
import type { BlobSource } from "../reading/source.ts";
import type { TaskRunner } from "../reading/task-workers.ts";
import { forEachConcurrently } from "../repository/concurrency.ts";
import { compareContent } from "./content-comparison.ts";
import { type FilePiece, piecesOf, sizeOfPieces } from "./content-plan.ts";
import type { ExistingFile, PlannedFile } from "./file-batch.ts";
import type { RestoreAnswer, RestoreTask } from "./file-tasks.ts";
import type { RestoreReport } from "./report.ts";

export interface DecisionContext {
  readonly index: BlobSource["index"];
  readonly report: RestoreReport;
  readonly runner: TaskRunner<RestoreTask, RestoreAnswer>;
  /** How many comparisons may be under way. */
  readonly concurrency: number;
  readonly signal: AbortSignal | undefined;
}

/** A file, and what has to be done to it. */
export interface FileWork {
  readonly file: PlannedFile;
  /** What has to be written. */
  readonly pieces: readonly FilePiece[];
  readonly contentBytes: number;
  /** The file that is kept and written to; undefined when it is made anew. */
  readonly kept: ExistingFile | undefined;
  /** Nothing but metadata is applied. */
  readonly isUnchanged: boolean;
}

/** Files that need nothing are reported, and so are those of which nobody knows what they consist of. */
export async function decideAll(files: readonly PlannedFile[], context: DecisionContext): Promise<FileWork[]> {
  const works: FileWork[] = [];
  const inTheWay: PlannedFile[] = [];
  const add = (file: PlannedFile, work: FileWork | undefined): void => {
    if (work === undefined) context.report.skipped(file.path, file.sizeBytes);
    else if (!work.isUnchanged) context.report.planned(file.sizeBytes);
    if (work !== undefined) works.push(work);
  };
  for (const file of files) {
    const pieces = findPieces(file, context);
    if (pieces === undefined) continue;
    if (file.existing === undefined) add(file, newFile(file, pieces));
    else inTheWay.push(file);
  }
  await forEachConcurrently(inTheWay, context.concurrency, async (file) => {
    throwIfCancelled(context.signal);
    add(file, await decide(file, piecesOf(file.content, context.index), context));
  });
  return works;
}

/** Undefined when nobody knows what the file consists of, which is then reported. */
function findPieces(file: PlannedFile, { index, report }: DecisionContext): readonly FilePiece[] | undefined {
  try {
    return piecesOf(file.content, index);
  } catch (error) {
    report.planned(file.sizeBytes);
    failFile(file, error, report);
    return undefined;
  }
}

function newFile(file: PlannedFile, pieces: readonly FilePiece[]): FileWork {
  return { file, pieces, contentBytes: sizeOfPieces(pieces), kept: undefined, isUnchanged: false };
}

/** Undefined when the file is as it should be, its metadata included. */
async function decide(
  file: PlannedFile,
  pieces: readonly FilePiece[],
  { runner, index }: DecisionContext,
): Promise<FileWork | undefined> {
  const { existing } = file;
  if (existing === undefined) return newFile(file, pieces);
  const contentBytes = sizeOfPieces(pieces);
  const compared = existing.looksUnchanged ? [] : pieces;
  const needsLook = compared.length > 0 || existing.hasOtherNames;
  const result = needsLook
    ? await compareContent(runner, index.table, file, compared, existing.hasOtherNames ? file.metadata : undefined)
    : { sizeBytes: existing.sizeBytes, missing: [], hasMetadata: false };
  const isUnchanged = result.missing.length === 0 && result.sizeBytes === contentBytes;
  if (existing.hasOtherNames) return isUnchanged && result.hasMetadata ? undefined : newFile(file, pieces);
  return { file, pieces: result.missing, contentBytes, kept: existing, isUnchanged };
}

/** The other names of the file fail with it. */
export function failFile(file: PlannedFile, error: unknown, report: RestoreReport): void {
  if (file.group !== undefined && file.group.first === file.path) file.group.hasFailed = true;
  report.failed(file.path, error);
}

export function reportDone({ file, isUnchanged }: FileWork, report: RestoreReport): void {
  if (isUnchanged) report.skipped(file.path, file.sizeBytes);
  else report.restored(file.existing === undefined ? "restored" : "updated", file.path, file.sizeBytes);
}
