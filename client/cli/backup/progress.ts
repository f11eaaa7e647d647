/** The progress of a backup: counts, and how they are shown. Source: docs/cli.md, progress and JSON of backup. */
import { encodeJsonBytes } from "../../../shared/format/go-json.ts";
import { type ByteString, toByteString, toBytes } from "../../backup/byte-paths.ts";
import { jsonMessage, type Output, unlessZero } from "../output.ts";
import { UpdateTimer } from "../progress.ts";
import { formatBytes, formatClock, formatPercent } from "../text/numbers.ts";
import { quoteIfNeeded } from "../text/quote.ts";
import { RateWindow } from "./rate.ts";

/** Below this rate no remaining time is told: it would be a guess of hours. */
const slowestRate = 1024;

interface Count {
  files: number;
  bytes: number;
}

export interface BackupProgressOptions {
  readonly updateIntervalMs: number | undefined;
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs?: () => number;
}

export class BackupProgress {
  readonly #output: Output;
  readonly #nowMs: () => number;
  readonly #startMs: number;
  readonly #timer: UpdateTimer;
  readonly #rate = new RateWindow();
  readonly #currentFiles: Set<ByteString> = new Set();
  readonly #done: Count = { files: 0, bytes: 0 };
  #total: Count = { files: 0, bytes: 0 };
  #isScanFinished = false;
  #errors = 0;

  constructor(output: Output, { updateIntervalMs, nowMs = () => performance.now() }: BackupProgressOptions) {
    this.#output = output;
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
    this.#timer = new UpdateTimer(updateIntervalMs, () => this.show());
  }

  get elapsedMs(): number {
    return this.#nowMs() - this.#startMs;
  }

  scanned(files: number, bytes: number, isFinished: boolean): void {
    this.#total = { files, bytes };
    this.#isScanFinished = isFinished;
  }

  fileStarted(path: ByteString): void {
    this.#currentFiles.add(path);
  }

  fileFinished(path: ByteString): void {
    this.#currentFiles.delete(path);
    this.#done.files += 1;
  }

  /** `path` is the one on disk; that in the snapshot is the same, or the end of it when the target is relative. */
  failed(path: Uint8Array): void {
    const failedPath = toByteString(path);
    for (const current of this.#currentFiles) if (failedPath.endsWith(current)) this.#currentFiles.delete(current);
    this.#errors += 1;
  }

  bytesRead(count: number): void {
    this.#done.bytes += count;
    this.#rate.add(count, this.#nowMs());
  }

  stop(): void {
    this.#timer.stop();
    this.#output.terminal.clearStatus();
  }

  show(): void {
    // A reader that has stopped reading would otherwise get hours of progress at once, out of our memory.
    if (this.#output.isBusy) return;
    if (this.#output.isJson) this.#output.json(this.json());
    else this.#output.terminal.setStatus(this.lines());
  }

  json(): string {
    const currentFiles = this.#sortedFiles().map((path) => encodeJsonBytes(path));
    return jsonMessage("status", [
      ["seconds_elapsed", unlessZero(Math.floor(this.elapsedMs / 1000))],
      ["seconds_remaining", unlessZero(this.#secondsRemaining() ?? 0)],
      ["percent_done", String(this.#partDone())],
      ["total_files", unlessZero(this.#total.files)],
      ["files_done", unlessZero(this.#done.files)],
      ["total_bytes", unlessZero(this.#total.bytes)],
      ["bytes_done", unlessZero(this.#done.bytes)],
      ["error_count", unlessZero(this.#errors)],
      ["current_files", currentFiles.length === 0 ? undefined : `[${currentFiles.join(",")}]`],
    ]);
  }

  lines(): string[] {
    return [this.#summaryLine(), ...this.#sortedFiles().map(quoteIfNeeded)];
  }

  #summaryLine(): string {
    const clock = `[${formatClock(this.elapsedMs)}]`;
    const files = `${this.#done.files} files`;
    const bytes = formatBytes(this.#done.bytes);
    const errors = `${this.#errors} errors`;
    if (this.#total.files === 0 && this.#total.bytes === 0) return `${clock} ${files}, ${bytes}, ${errors}`;
    const remaining = this.#secondsRemaining();
    const percent = remaining === undefined ? "" : `${formatPercent(this.#done.bytes, this.#total.bytes)}  `;
    const ending = remaining === undefined ? "" : ` ETA ${formatClock(remaining * 1000)}`;
    const total = `total ${this.#total.files} files ${formatBytes(this.#total.bytes)}`;
    return `${clock} ${percent}${files} ${bytes}, ${total}, ${errors}${ending}`;
  }

  #partDone(): number {
    if (this.#total.bytes === 0) return 0;
    return Math.min(1, this.#done.bytes / this.#total.bytes);
  }

  /** Undefined while it cannot be told: before the totals are known, and when everything has been read. */
  #secondsRemaining(): number | undefined {
    const remainingBytes = this.#total.bytes - this.#done.bytes;
    if (!this.#isScanFinished || remainingBytes <= 0) return undefined;
    const rate = this.#rate.bytesPerSecond(this.#nowMs());
    return rate > slowestRate ? Math.floor(remainingBytes / rate) : undefined;
  }

  #sortedFiles(): Uint8Array[] {
    return [...this.#currentFiles].sort().map(toBytes);
  }
}
