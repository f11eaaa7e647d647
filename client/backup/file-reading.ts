/**
 * Has files read by the workers: small ones in batches, large ones in segments that follow each other while the chunks of the ones
 * before are still being sealed. Tells when a file's content is stored (or on its way: what the workers promised).
 */
import { closeSync } from "node:fs";
import { CofferError } from "../../shared/errors.ts";
import { toHex } from "../../shared/format/bytes.ts";
import type { Id } from "../../shared/format/layout.ts";
import type { FileStatus } from "../platform/file-status.ts";
import { toByteString } from "./byte-paths.ts";
import { batchFileMaxBytes } from "./content-reader.ts";
import { itemFailure } from "./failures.ts";
import {
  type Added,
  type BatchException,
  type BatchReply,
  type CutReply,
  newIdentities,
  type SegmentReply,
  type WorkerTask,
  writeIdentity,
} from "./messages.ts";
import { openRegularFile } from "./source.ts";

/** A file to be read. */
export interface FileToRead {
  /** Absolute. */
  readonly path: Buffer;
  /** As the walk saw it. */
  readonly status: FileStatus;
}

export interface FileContent {
  /** The chunks in order. */
  readonly ids: readonly Id[];
  /** Bytes that were read. */
  readonly sizeBytes: number;
  /** As it was when it was opened: that of the walk unless the file was changed or replaced since. */
  readonly status: FileStatus;
  readonly added: Added;
}

/** `File` is the caller's own record. */
export interface FileReadingEvents<File extends FileToRead> {
  started(file: File): void;
  bytesRead(count: number): void;
  completed(file: File, content: FileContent): void;
  /** The file is left out. `ENOENT` as code of the cause: it vanished. */
  failed(file: File, error: CofferError): void;
}

/** Where tasks go. */
export interface TaskQueue {
  submit(task: WorkerTask): void;
  submitFirst(task: WorkerTask): void;
}

const batchMaxFiles = 64;
const batchMaxBytes = 4 * 1024 * 1024;
const idBytes = 32;

/** A large file that is being read. */
interface LargeFile<File extends FileToRead> {
  readonly file: File;
  readonly descriptor: number;
  readonly status: FileStatus;
  /** The chunks of each segment, filled in as they are answered. */
  readonly parts: (readonly Id[])[];
  /** Where the next segment begins; after the last one the size of the file. */
  nextOffset: number;
  /** True when no further segment follows. */
  isCut: boolean;
  /** Segments that are not answered yet. */
  pending: number;
  error: CofferError | undefined;
  added: Added;
}

const nothingAdded: Added = { blobs: 0, bytes: 0, storedBytes: 0 };

export class FileReading<File extends FileToRead> {
  readonly #tasks: TaskQueue;
  readonly #events: FileReadingEvents<File>;
  readonly #maxLargeFiles: number;
  readonly #batches = new Map<number, readonly File[]>();
  readonly #segments = new Map<number, { readonly large: LargeFile<File>; readonly number: number }>();
  /** Large files that wait unopened, so that there are few descriptors. */
  readonly #waiting: File[] = [];
  readonly #open = new Set<LargeFile<File>>();
  #batch: File[] = [];
  #batchBytes = 0;
  #lastTask = 0;

  /** `maxLargeFiles`: how many may be cut at the same time. */
  constructor(tasks: TaskQueue, maxLargeFiles: number, events: FileReadingEvents<File>) {
    this.#tasks = tasks;
    this.#maxLargeFiles = maxLargeFiles;
    this.#events = events;
  }

  /** Files of which nothing was handed to a worker yet. */
  get waitingFiles(): number {
    return this.#batch.length + this.#waiting.length;
  }

  add(file: File): void {
    if (file.status.sizeBytes > batchFileMaxBytes) {
      this.#addLarge(file);
      return;
    }
    this.#batch.push(file);
    this.#batchBytes += file.status.sizeBytes;
    if (this.#batch.length >= batchMaxFiles || this.#batchBytes >= batchMaxBytes) this.flush();
  }

  /** Hands over the batch that is begun. */
  flush(): void {
    if (this.#batch.length === 0) return;
    const files = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    const task = ++this.#lastTask;
    const identities = newIdentities(files.length);
    for (const [index, file] of files.entries()) {
      writeIdentity(identities, index, file.status);
      this.#events.started(file);
    }
    this.#batches.set(task, files);
    const paths = files.map(({ path }) => toByteString(path));
    this.#tasks.submit({ kind: "batch", task, paths, identities });
  }

  batchDone(reply: BatchReply): void {
    const files = this.#batches.get(reply.task);
    if (files === undefined) throw new CofferError("internal", `batch ${reply.task} expected to be known`);
    this.#batches.delete(reply.task);
    const exceptions = new Map(reply.exceptions.map((exception) => [exception.index, exception]));
    for (const [index, file] of files.entries()) this.#smallFileDone(file, index, reply, exceptions.get(index));
  }

  #smallFileDone(file: File, index: number, reply: BatchReply, exception: BatchException | undefined): void {
    if (exception?.kind === "failed") {
      this.#events.failed(file, itemFailure(exception.call, file.path, exception.error));
    } else if (exception?.kind === "grown") {
      this.#addLarge(file);
    } else {
      const sizeBytes = reply.sizes[index] ?? 0;
      const ids = sizeBytes === 0 ? [] : [toHex(reply.ids.subarray(index * idBytes, (index + 1) * idBytes))];
      const [blobs = 0, bytes = 0, storedBytes = 0] = reply.added.subarray(index * 3, index * 3 + 3);
      const status = exception?.status ?? file.status;
      this.#events.bytesRead(sizeBytes);
      this.#events.completed(file, { ids, sizeBytes, status, added: { blobs, bytes, storedBytes } });
    }
  }

  #addLarge(file: File): void {
    this.#waiting.push(file);
    this.#openWaiting();
  }

  #openWaiting(): void {
    let cutting = 0;
    for (const large of this.#open) cutting += large.isCut ? 0 : 1;
    while (cutting < this.#maxLargeFiles) {
      const file = this.#waiting.shift();
      if (file === undefined) return;
      if (this.#begin(file)) cutting++;
    }
  }

  /** False when the file cannot be opened. It stays open to the end: a file that is replaced meanwhile is not mixed with its successor. */
  #begin(file: File): boolean {
    this.#events.started(file);
    try {
      const { descriptor, status } = openRegularFile(file.path);
      const large = { file, descriptor, status, parts: [], nextOffset: 0, isCut: false, pending: 0 };
      const opened: LargeFile<File> = { ...large, error: undefined, added: nothingAdded };
      this.#open.add(opened);
      this.#submitSegment(opened, false);
      return true;
    } catch (error) {
      this.#events.failed(file, itemFailure("open", file.path, error));
      return false;
    }
  }

  #submitSegment(large: LargeFile<File>, isFirst: boolean): void {
    const task = ++this.#lastTask;
    this.#segments.set(task, { large, number: large.parts.length });
    large.parts.push([]);
    large.pending++;
    const segment = {
      kind: "segment",
      task,
      descriptor: large.descriptor,
      offsetBytes: large.nextOffset,
      expectedBytes: large.status.sizeBytes,
    } as const;
    if (isFirst) this.#tasks.submitFirst(segment);
    else this.#tasks.submit(segment);
  }

  /** A worker found the cuts of a segment: the next one can begin. */
  segmentCut(reply: CutReply): void {
    const { large } = this.#segmentOf(reply.task);
    large.nextOffset += reply.lengthBytes;
    this.#events.bytesRead(reply.lengthBytes);
    large.isCut = reply.isEnd;
    if (reply.isEnd) this.#openWaiting();
    else this.#submitSegment(large, true);
  }

  segmentDone(reply: SegmentReply): void {
    const { large, number } = this.#segmentOf(reply.task);
    this.#segments.delete(reply.task);
    large.pending--;
    large.parts[number] = splitIds(reply.ids);
    large.added = sumOf(large.added, reply.added);
    if (reply.error !== undefined) {
      large.error = itemFailure("read", large.file.path, reply.error);
      large.isCut = true;
    }
    if (large.isCut && large.pending === 0) this.#finish(large);
    if (reply.error !== undefined) this.#openWaiting();
  }

  #finish(large: LargeFile<File>): void {
    this.#open.delete(large);
    closeSync(large.descriptor);
    const { file, status, added, nextOffset: sizeBytes } = large;
    if (large.error === undefined) this.#events.completed(file, { ids: large.parts.flat(), sizeBytes, status, added });
    else this.#events.failed(file, large.error);
  }

  /** Closes what is open. Only after the workers have ended: they read by descriptor. */
  abandon(): void {
    for (const { descriptor } of this.#open) closeSync(descriptor);
    this.#open.clear();
  }

  #segmentOf(task: number): { readonly large: LargeFile<File>; readonly number: number } {
    const segment = this.#segments.get(task);
    if (segment === undefined) throw new CofferError("internal", `segment ${task} expected to be known`);
    return segment;
  }
}

function splitIds(ids: Uint8Array): Id[] {
  return Array.from({ length: ids.length / idBytes }, (_, index) => {
    return toHex(ids.subarray(index * idBytes, (index + 1) * idBytes));
  });
}

function sumOf(a: Added, b: Added): Added {
  return { blobs: a.blobs + b.blobs, bytes: a.bytes + b.bytes, storedBytes: a.storedBytes + b.storedBytes };
}
