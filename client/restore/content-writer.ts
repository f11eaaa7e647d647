/** Fetches ranges of packs and has them written: main thread's side. What is damaged is taken from another copy. */
import { CofferError } from "../../shared/errors.ts";
import type { Id } from "../../shared/format/layout.ts";
import { throwIfCancelled } from "../backends/cancellation.ts";
import { type BlobFailure, describeBlobFailure, isDamage } from "../reading/blob-errors.ts";
import { BlobList } from "../reading/blob-list.ts";
import type { SharedBuffers } from "../reading/shared-buffers.ts";
import type { BlobSource } from "../reading/source.ts";
import type { TaskRunner } from "../reading/task-workers.ts";
import { forEachConcurrently } from "../repository/concurrency.ts";
import type { BlobNeed, PlannedRange } from "./content-plan.ts";
import type { BlobUses, FileToWrite, RestoreAnswer, RestoreTask, WriteAnswer } from "./file-tasks.ts";
import { packFiles } from "./packed-files.ts";

/** Told how the files fare; each is finished or failed once at most. */
export interface WriteObserver {
  bytesWritten(count: number): void;
  finished(file: FileToWrite): void;
  failed(file: FileToWrite, error: Error): void;
}

export interface ContentWriterParts {
  readonly source: BlobSource;
  readonly runner: TaskRunner<RestoreTask, RestoreAnswer>;
  readonly buffers: SharedBuffers;
  /** How many ranges may be on their way at a time. */
  readonly concurrency: number;
  readonly signal: AbortSignal | undefined;
}

/** Reused between blobs. */
const idBytes: Uint8Array = new Uint8Array(32);

/** Files of a finish task: few enough for the workers to share them out evenly. */
const filesPerFinishTask = 100;

export class ContentWriter {
  readonly #parts: ContentWriterParts;

  constructor(parts: ContentWriterParts) {
    this.#parts = parts;
  }

  /**
   * Writes all ranges. `files`: by the index that the pairs of the needs have; `counters`: their slots, with the number of
   * their pieces set. Throws when cancelled, or when the repository cannot be reached.
   */
  async write(
    ranges: readonly PlannedRange[],
    files: readonly FileToWrite[],
    counters: SharedArrayBuffer,
    observer: WriteObserver,
  ): Promise<void> {
    await forEachConcurrently(ranges, this.#parts.concurrency, async (range) => {
      throwIfCancelled(this.#parts.signal);
      await new RangeWriting(this.#parts, range, files, counters, observer).run();
    });
  }

  /** Gives files their metadata that have no piece to write; empty ones are made. */
  async finish(files: readonly FileToWrite[], observer: WriteObserver): Promise<void> {
    const groups: FileToWrite[][] = [];
    for (let start = 0; start < files.length; start += filesPerFinishTask) {
      groups.push(files.slice(start, start + filesPerFinishTask));
    }
    await forEachConcurrently(groups, this.#parts.concurrency, async (group) => {
      throwIfCancelled(this.#parts.signal);
      const answer = (await this.#parts.runner.run({ kind: "finish", files: packFiles(group) })) as WriteAnswer;
      report(answer, group, observer);
    });
  }
}

function report(answer: WriteAnswer, files: readonly FileToWrite[], observer: WriteObserver): void {
  observer.bytesWritten(answer.bytesWritten);
  for (const index of answer.finished) {
    const file = files[index];
    if (file !== undefined) observer.finished(file);
  }
  for (const { file: index, code, message } of answer.failures) {
    const file = files[index];
    if (file !== undefined) observer.failed(file, new CofferError(code, message));
  }
}

/** The pieces of one range, with the files that they belong to numbered from 0. */
interface LocalUses {
  readonly uses: BlobUses;
  readonly files: FileToWrite[];
}

class RangeWriting {
  readonly #parts: ContentWriterParts;
  readonly #range: PlannedRange;
  readonly #files: readonly FileToWrite[];
  readonly #counters: SharedArrayBuffer;
  readonly #observer: WriteObserver;

  constructor(
    parts: ContentWriterParts,
    range: PlannedRange,
    files: readonly FileToWrite[],
    counters: SharedArrayBuffer,
    observer: WriteObserver,
  ) {
    this.#parts = parts;
    this.#range = range;
    this.#files = files;
    this.#counters = counters;
    this.#observer = observer;
  }

  async run(): Promise<void> {
    // One worker for all of it: a file that one worker has made cannot be made by another.
    const runner = this.#parts.runner.pin();
    const bad = await this.#writeRange(runner);
    for (const { need, failure } of bad) await this.#writeFromCopy(runner, need, failure);
  }

  async #writeRange(runner: TaskRunner<RestoreTask, RestoreAnswer>): Promise<BadBlob[]> {
    const { offsetBytes, lengthBytes, needs } = this.#range;
    const buffer = await this.#parts.buffers.acquire(lengthBytes);
    try {
      const load = this.#load(buffer.bytes.subarray(0, lengthBytes));
      const { uses, files } = this.#usesOf(needs);
      const blobs = this.#packedBlobs(needs);
      const failure = await load;
      if (failure !== undefined) return needs.map((need) => ({ need, failure }));
      const { memory } = buffer;
      const counters = this.#counters;
      const answer = (await runner.run(
        { kind: "write", memory, offsetBytes, lengthBytes, blobs, uses, files: packFiles(files), counters },
        [blobs],
      )) as WriteAnswer;
      report(answer, files, this.#observer);
      return answer.badBlobs.flatMap(({ blob, ...bad }) => {
        const need = needs[blob];
        return need === undefined ? [] : [{ need, failure: this.#describe(need, bad) }];
      });
    } finally {
      this.#parts.buffers.release(buffer);
    }
  }

  /** Fills the buffer. An error that another copy may cure is returned. */
  async #load(into: Uint8Array): Promise<CofferError | undefined> {
    const { pack, offsetBytes, lengthBytes } = this.#range;
    const { source, signal } = this.#parts;
    try {
      await source.backend.load(
        { type: "data", id: source.index.packAt(pack).id },
        { range: { offsetBytes, lengthBytes }, into, ...(signal === undefined ? {} : { signal }) },
      );
      return undefined;
    } catch (error) {
      if (!isDamage(error)) throw error;
      return error;
    }
  }

  /** The repository tries all copies of the blob, this one included. The first failure is the one that is told. */
  async #writeFromCopy(
    runner: TaskRunner<RestoreTask, RestoreAnswer>,
    need: BlobNeed,
    failure: CofferError,
  ): Promise<void> {
    const { uses, files } = this.#usesOf([need]);
    let plaintext: Uint8Array;
    try {
      plaintext = await this.#parts.source.loadBlob("data", this.#idOf(need), this.#parts.signal);
    } catch (error) {
      if (!isDamage(error) && !isUnauthenticated(error)) throw error;
      for (const file of files) this.#failOnce(file, failure);
      return;
    }
    const task: RestoreTask = {
      kind: "write-plain",
      plaintext,
      uses,
      files: packFiles(files),
      counters: this.#counters,
    };
    report((await runner.run(task)) as WriteAnswer, files, this.#observer);
  }

  #failOnce(file: FileToWrite, failure: Error): void {
    if (Atomics.exchange(new Int32Array(this.#counters), file.slot + 1, 1) === 0) this.#observer.failed(file, failure);
  }

  #idOf(need: BlobNeed): Id {
    return this.#parts.source.index.table.idOf(need.piece.entry);
  }

  #describe(need: BlobNeed, failure: BlobFailure): CofferError {
    const packId = this.#parts.source.index.packAt(this.#range.pack).id;
    return new CofferError(failure.code, describeBlobFailure("data", this.#idOf(need), packId, failure));
  }

  #packedBlobs(needs: readonly BlobNeed[]): ArrayBuffer {
    const { table } = this.#parts.source.index;
    const list = new BlobList(needs.length);
    for (const { piece } of needs) {
      table.copyId(piece.entry, idBytes, 0);
      list.append("data", idBytes, piece.offsetBytes, piece.lengthBytes, piece.uncompressedBytes);
    }
    return list.pack();
  }

  #usesOf(needs: readonly BlobNeed[]): LocalUses {
    const files: FileToWrite[] = [];
    const localIndex = new Map<number, number>();
    const counts = new Uint32Array(needs.length);
    const pairs = new Float64Array(needs.reduce((sum, need) => sum + need.pairs.length, 0));
    let filled = 0;
    for (const [index, need] of needs.entries()) {
      counts[index] = need.pairs.length / 2;
      for (let pair = 0; pair < need.pairs.length; pair += 2) {
        pairs[filled++] = this.#localIndexOf(need.pairs[pair] ?? -1, localIndex, files);
        pairs[filled++] = need.pairs[pair + 1] ?? 0;
      }
    }
    return { uses: { counts, pairs }, files };
  }

  #localIndexOf(index: number, localIndex: Map<number, number>, files: FileToWrite[]): number {
    const known = localIndex.get(index);
    if (known !== undefined) return known;
    const file = this.#files[index];
    if (file === undefined) throw new CofferError("internal", `no file has the number ${index}`);
    localIndex.set(index, files.length);
    return files.push(file) - 1;
  }
}

interface BadBlob {
  readonly need: BlobNeed;
  readonly failure: CofferError;
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof CofferError && (error.code === "unauthenticated" || error.code === "limit-exceeded");
}
