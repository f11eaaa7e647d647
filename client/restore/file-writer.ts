/** Writes the content of files: what a worker thread of a restore does. */
import { closeSync, ftruncateSync, writeSync } from "node:fs";
import { CofferError, type ErrorCode } from "../../shared/errors.ts";
import { BlobList } from "../reading/blob-list.ts";
import { BlobOpener } from "../reading/blob-opener.ts";
import type { TaskHandler } from "../reading/task-messages.ts";
import type { BytePath } from "./byte-path.ts";
import { compareFile } from "./file-comparison.ts";
import { FileHandles } from "./file-handles.ts";
import type {
  BlobUses,
  Failure,
  FileToWrite,
  FinishTask,
  RestoreAnswer,
  RestoreSetup,
  RestoreTask,
  WriteAnswer,
  WritePlainTask,
  WriteTask,
} from "./file-tasks.ts";
import { applyToEntry, applyToFile, type FreshItem, freshItemIn } from "./metadata-application.ts";
import { unpackFiles } from "./packed-files.ts";
import { FolderCache, openTarget } from "./target-folder.ts";

interface Outcome {
  readonly finished: number[];
  readonly failures: (Failure & { file: number })[];
  readonly badBlobs: (Failure & { blob: number })[];
  bytesWritten: number;
}

/** The pieces of one task: their files and their counters. */
interface Piecework {
  readonly uses: BlobUses;
  readonly files: readonly FileToWrite[];
  readonly counters: Int32Array;
  readonly outcome: Outcome;
}

export class FileWriter implements TaskHandler<RestoreTask, RestoreAnswer> {
  readonly #folders: FolderCache;
  readonly #handles: FileHandles;
  readonly #opener: BlobOpener;
  #fresh: { readonly folder: BytePath; readonly item: FreshItem } | undefined;

  constructor(setup: RestoreSetup) {
    this.#folders = new FolderCache(openTarget(setup.target, setup.targetDescriptor));
    this.#handles = new FileHandles(this.#folders);
    this.#opener = new BlobOpener(setup.kernels, setup.key);
  }

  handle(task: RestoreTask): RestoreAnswer {
    switch (task.kind) {
      case "write":
        return this.#write(task);
      case "write-plain":
        return this.#writePlain(task);
      case "finish":
        return this.#finishAll(task);
      case "compare":
        return compareFile(this.#folders, task);
    }
  }

  end(): void {
    this.#handles.closeAll();
    this.#folders.close();
  }

  #write(task: WriteTask): WriteAnswer {
    const blobs = BlobList.unpack(task.blobs);
    const range = new Uint8Array(task.memory, 0, task.lengthBytes);
    const work = pieceworkOf(task);
    let pair = 0;
    for (let blob = 0; blob < blobs.count; blob++) {
      const end = pair + (task.uses.counts[blob] ?? 0);
      const start = blobs.offsetOf(blob) - task.offsetBytes;
      try {
        const sealed = range.subarray(start, start + blobs.lengthOf(blob));
        const plaintext = this.#opener.open(sealed, blobs.uncompressedOf(blob), blobs.idOf(blob));
        this.#writePieces(work, pair, end, plaintext);
      } catch (error) {
        work.outcome.badBlobs.push({ blob, ...failureOf(error) });
      }
      pair = end;
    }
    return work.outcome;
  }

  #writePlain(task: WritePlainTask): WriteAnswer {
    const work = pieceworkOf(task);
    this.#writePieces(work, 0, task.uses.pairs.length / 2, task.plaintext);
    return work.outcome;
  }

  /** Writes a blob to all places that want it: the pairs from `from` to below `to`. */
  #writePieces(work: Piecework, from: number, to: number, plaintext: Uint8Array): void {
    let holdsZeros: boolean | undefined;
    for (let pair = from; pair < to; pair++) {
      const index = work.uses.pairs[pair * 2] ?? -1;
      const file = work.files[index];
      if (file === undefined || hasFailed(work, file)) continue;
      try {
        if (this.#isWholeFile(work, file)) {
          this.#writeWholeFile(work, index, file, plaintext);
          continue;
        }
        if (file.leavesHoles) holdsZeros ??= isAllZeros(plaintext);
        const descriptor = this.#handles.descriptorOf(file);
        if (!(file.leavesHoles && holdsZeros)) writeAt(descriptor, plaintext, work.uses.pairs[pair * 2 + 1] ?? 0);
        work.outcome.bytesWritten += plaintext.length;
        if (Atomics.sub(work.counters, file.slot, 1) === 1) this.#finish(work, index, file, descriptor);
      } catch (error) {
        this.#fail(work, index, file, error);
      }
    }
  }

  /** Most files: made, written and finished in one go. */
  #isWholeFile(work: Piecework, file: FileToWrite): boolean {
    if (!file.creates || file.finalSizeBytes !== undefined) return false;
    return Atomics.load(work.counters, file.slot) === 1 && !this.#handles.has(file);
  }

  #writeWholeFile(work: Piecework, index: number, file: FileToWrite, content: Uint8Array): void {
    const descriptor = this.#handles.createFile(file);
    try {
      writeAt(descriptor, content, 0);
      work.outcome.bytesWritten += content.length;
      this.#applyMetadata(file, descriptor);
    } finally {
      closeSync(descriptor);
    }
    work.outcome.finished.push(index);
  }

  /** After the last piece, whoever wrote it. */
  #finish(work: Piecework, index: number, file: FileToWrite, descriptor: number): void {
    if (file.finalSizeBytes !== undefined) ftruncateSync(descriptor, file.finalSizeBytes);
    this.#applyMetadata(file, descriptor);
    this.#handles.close(file);
    work.outcome.finished.push(index);
  }

  #fail(work: Piecework, index: number, file: FileToWrite, error: unknown): void {
    this.#handles.close(file);
    // Of all threads that have pieces of the file, only the first reports.
    if (Atomics.exchange(work.counters, file.slot + 1, 1) === 1) return;
    work.outcome.failures.push({ file: index, ...failureOf(error) });
  }

  #finishAll(task: FinishTask): WriteAnswer {
    const outcome = emptyOutcome();
    for (const [index, file] of unpackFiles(task.files).entries()) {
      try {
        this.#finishWithoutPieces(file);
        outcome.finished.push(index);
      } catch (error) {
        outcome.failures.push({ file: index, ...failureOf(error) });
      } finally {
        this.#handles.close(file);
      }
    }
    return outcome;
  }

  #finishWithoutPieces(file: FileToWrite): void {
    if (!file.creates && file.finalSizeBytes === undefined) {
      applyToEntry(this.#folders.open(file.folder), file.name, "file", file.metadata);
      return;
    }
    const descriptor = this.#handles.descriptorOf(file);
    if (file.finalSizeBytes !== undefined) ftruncateSync(descriptor, file.finalSizeBytes);
    this.#applyMetadata(file, descriptor);
  }

  #applyMetadata(file: FileToWrite, descriptor: number): void {
    applyToFile(descriptor, file.metadata, file.isNew ? this.#freshItemIn(file.folder, descriptor) : undefined);
  }

  /** The same for all files of a folder, and files of a folder come one after the other. */
  #freshItemIn(folder: BytePath, descriptor: number): FreshItem {
    if (this.#fresh?.folder !== folder) {
      this.#fresh = { folder, item: freshItemIn(this.#folders.open(folder), descriptor) };
    }
    return this.#fresh.item;
  }
}

function pieceworkOf(task: WriteTask | WritePlainTask): Piecework {
  return {
    uses: task.uses,
    files: unpackFiles(task.files),
    counters: new Int32Array(task.counters),
    outcome: emptyOutcome(),
  };
}

function emptyOutcome(): Outcome {
  return { finished: [], failures: [], badBlobs: [], bytesWritten: 0 };
}

function hasFailed(work: Piecework, file: FileToWrite): boolean {
  return Atomics.load(work.counters, file.slot + 1) === 1;
}

function writeAt(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
  }
}

const zeros: Uint8Array = new Uint8Array(64 * 1024);

function isAllZeros(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0) return false;
  for (let start = 0; start < bytes.length; start += zeros.length) {
    const piece = bytes.subarray(start, start + zeros.length);
    if (Buffer.compare(piece, zeros.subarray(0, piece.length)) !== 0) return false;
  }
  return true;
}

function failureOf(error: unknown): Failure {
  return { code: codeOf(error), message: error instanceof Error ? error.message : String(error) };
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof CofferError) return error.code;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOSPC" || code === "EDQUOT") return "out-of-space";
  return code === "EACCES" || code === "EPERM" ? "forbidden" : "internal";
}
