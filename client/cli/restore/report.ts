/** What a restore says: progress, items, errors, the summary. Source: docs/cli.md, restore. */
import { encodeJsonBytes, encodeJsonString } from "../../../shared/format/go-json.ts";
import type { RestoreAction, RestoreEvents, RestoreTotals } from "../../restore/options.ts";
import { type JsonMember, jsonMessage, jsonObject, type Output, unlessZero } from "../output.ts";
import { UpdateTimer } from "../progress.ts";
import { formatBytes, formatClock, formatGoDurationMs, formatPercent } from "../text/numbers.ts";

const nothing: RestoreTotals = {
  totalFiles: 0,
  filesRestored: 0,
  filesSkipped: 0,
  filesDeleted: 0,
  totalBytes: 0,
  bytesRestored: 0,
  bytesSkipped: 0,
};

export interface RestoreReportOptions {
  /** As the user named it, for messages. */
  readonly target: string;
  readonly updateIntervalMs: number | undefined;
}

export class RestoreReport {
  readonly #output: Output;
  readonly #target: string;
  readonly #startMs: number = performance.now();
  readonly #timer: UpdateTimer;
  #totals: RestoreTotals = nothing;
  #isFinished = false;

  constructor(output: Output, { target, updateIntervalMs }: RestoreReportOptions) {
    this.#output = output;
    this.#target = target;
    this.#timer = new UpdateTimer(updateIntervalMs, () => this.#show());
  }

  get events(): RestoreEvents {
    return {
      itemRestored: (action, path, sizeBytes) => this.#item(action, path, sizeBytes),
      progress: (totals) => {
        this.#totals = totals;
      },
      itemFailed: (path, error) => this.#failure(path, error),
      warning: (text) => this.#output.error(text),
      verifyStarted: () => {
        this.finish();
        this.#output.normal(`verifying files in ${this.#target}`);
      },
      verifyFinished: (fileCount, durationMs) =>
        this.#output.normal(
          `finished verifying ${fileCount} files in ${this.#target} (took ${formatGoDurationMs(durationMs)})`,
        ),
    };
  }

  /** Prints the summary, once. */
  finish(): void {
    if (this.#isFinished) return;
    this.stop();
    if (this.#output.isJson) this.#output.json(jsonMessage("summary", this.#members(false)));
    else this.#output.result(summaryLine(this.#totals, performance.now() - this.#startMs));
  }

  stop(): void {
    this.#isFinished = true;
    this.#timer.stop();
    this.#output.terminal.clearStatus();
  }

  #show(): void {
    if (this.#isFinished || this.#output.isBusy) return;
    if (this.#output.isJson) this.#output.json(jsonMessage("status", this.#members(true)));
    else this.#output.terminal.setStatus([progressLine(this.#totals, performance.now() - this.#startMs)]);
  }

  #item(action: RestoreAction, path: Uint8Array, sizeBytes: number): void {
    if (this.#output.verbosity < 3) return;
    if (this.#output.isJson) {
      this.#output.json(
        jsonMessage("verbose_status", [
          ["action", encodeJsonString(action)],
          ["item", encodeJsonBytes(path)],
          ["size", String(sizeBytes)],
        ]),
      );
      return;
    }
    const size = sizeBytes > 0 ? ` with size ${formatBytes(sizeBytes)}` : "";
    this.#output.resultBytes(Buffer.concat([Buffer.from(`${action.padEnd(9)} `), path, Buffer.from(size)]));
  }

  #failure(path: Uint8Array, error: Error): void {
    if (!this.#output.isJson) {
      this.#output.error(`ignoring error for ${new TextDecoder().decode(path)}: ${error.message}`);
      return;
    }
    this.#output.jsonError(
      jsonMessage("error", [
        ["error", jsonObject([["message", encodeJsonString(error.message)]])],
        ["during", encodeJsonString("restore")],
        ["item", encodeJsonBytes(path)],
      ]),
    );
  }

  #members(withPercent: boolean): JsonMember[] {
    const totals = this.#totals;
    const percent: JsonMember[] = withPercent ? [["percent_done", String(partDone(totals))]] : [];
    return [
      ["seconds_elapsed", unlessZero(Math.floor((performance.now() - this.#startMs) / 1000))],
      ...percent,
      ["total_files", unlessZero(totals.totalFiles)],
      ["files_restored", unlessZero(totals.filesRestored)],
      ["files_skipped", unlessZero(totals.filesSkipped)],
      ["files_deleted", unlessZero(totals.filesDeleted)],
      ["total_bytes", unlessZero(totals.totalBytes)],
      ["bytes_restored", unlessZero(totals.bytesRestored)],
      ["bytes_skipped", unlessZero(totals.bytesSkipped)],
    ];
  }
}

function partDone({ bytesRestored, totalBytes }: RestoreTotals): number {
  return totalBytes === 0 ? 0 : Math.min(1, bytesRestored / totalBytes);
}

/** Such as `[0:05] 37.50%  12 files/dirs 3.000 MiB, total 32 files/dirs 8.000 MiB`. */
export function progressLine(totals: RestoreTotals, elapsedMs: number): string {
  const { filesRestored, bytesRestored, totalFiles, totalBytes } = totals;
  const percent = formatPercent(bytesRestored, totalBytes);
  const done = `${filesRestored} files/dirs ${formatBytes(bytesRestored)}`;
  const total = `total ${totalFiles} files/dirs ${formatBytes(totalBytes)}`;
  return `[${formatClock(elapsedMs)}] ${percent}  ${done}, ${total}${endingOf(totals)}`;
}

/** Such as `Summary: Restored 10 files/dirs (1.000 MiB) in 0:03, skipped 2 files/dirs 1.200 KiB`. */
export function summaryLine(totals: RestoreTotals, elapsedMs: number): string {
  const { filesRestored, bytesRestored, totalFiles, totalBytes } = totals;
  const isComplete = filesRestored === totalFiles && bytesRestored === totalBytes;
  const counts = isComplete
    ? `${totalFiles} files/dirs (${formatBytes(totalBytes)})`
    : `${filesRestored} / ${totalFiles} files/dirs (${formatBytes(bytesRestored)} / ${formatBytes(totalBytes)})`;
  return `Summary: Restored ${counts} in ${formatClock(elapsedMs)}${endingOf(totals)}`;
}

function endingOf({ filesSkipped, bytesSkipped, filesDeleted }: RestoreTotals): string {
  const skipped = filesSkipped > 0 ? `, skipped ${filesSkipped} files/dirs ${formatBytes(bytesSkipped)}` : "";
  const deleted = filesDeleted > 0 ? `, deleted ${filesDeleted} files/dirs` : "";
  return skipped + deleted;
}
