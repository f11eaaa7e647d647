/** What a backup says: a line for each item with `-vv`, errors, and the summary, as text or JSON. Source: docs/cli.md. */
import { encodeJsonBytes, encodeJsonString } from "../../../shared/format/go-json.ts";
import { toBytes } from "../../backup/byte-paths.ts";
import type { BackupEvents, BackupResult, CompletedItem } from "../../backup/options.ts";
import { jsonMessage, jsonObject, type Output } from "../output.ts";
import { formatBytes, formatBytesPadded, formatClock } from "../text/numbers.ts";
import { quoteIfNeeded } from "../text/quote.ts";
import type { BackupProgress } from "./progress.ts";

const anyBytesAreReplaced = new TextDecoder();

/** Shows the events of a backup as they come. */
export function backupEvents(output: Output, progress: BackupProgress): BackupEvents {
  return {
    scanProgress: (files, bytes) => progress.scanned(files, bytes, false),
    scanFinished: (files, bytes) => {
      progress.scanned(files, bytes, true);
      reportScan(output, files, bytes, progress.elapsedMs);
    },
    fileStarted: (path) => progress.fileStarted(path),
    bytesRead: (count) => progress.bytesRead(count),
    itemCompleted: (item) => {
      if (item.kind === "file") progress.fileFinished(item.path);
      reportItem(output, item);
    },
    itemFailed: (path, error, during) => {
      if (during === "archival") progress.failed(path);
      reportFailure(output, path, error, during);
    },
    warning: (text) => output.error(text),
  };
}

function reportScan(output: Output, files: number, bytes: number, elapsedMs: number): void {
  if (output.isJson) {
    if (output.verbosity >= 2) output.json(verboseStatus("scan_finished", "", elapsedMs, [bytes, 0, 0, 0], files));
    return;
  }
  output.verbose(`scan finished in ${formatSeconds(elapsedMs)}: ${files} files, ${formatBytes(bytes)}`);
}

function reportItem(output: Output, item: CompletedItem): void {
  if (output.isJson ? output.verbosity < 2 : output.level < 3) return;
  if (output.isJson) {
    const { dataBytes, dataStoredBytes, metadataBytes, metadataStoredBytes } = item;
    const sizes = [dataBytes, dataStoredBytes, metadataBytes, metadataStoredBytes] as const;
    const durationMs = item.action === "unchanged" ? 0 : item.durationMs;
    output.json(verboseStatus(item.action, encodeItem(toBytes(item.path)), durationMs, sizes, 0));
    return;
  }
  output.veryVerbose(itemLine(item));
}

/** Such as `new       /data/a.txt, saved in 0.003s (12 B added, 57 B stored)`. */
export function itemLine(item: CompletedItem): string {
  const head = `${item.action.padEnd(9)} ${quoteIfNeeded(toBytes(item.path))}`;
  if (item.action === "unchanged") return head;
  const metadata = item.kind === "directory" ? `, ${formatBytes(item.metadataStoredBytes)} metadata` : "";
  const sizes = `${formatBytes(item.dataBytes)} added, ${formatBytes(item.dataStoredBytes)} stored${metadata}`;
  return `${head}, saved in ${formatSeconds(item.durationMs)} (${sizes})`;
}

function reportFailure(output: Output, path: Uint8Array, error: Error, during: "scan" | "archival"): void {
  if (output.isJson) {
    output.jsonError(
      jsonMessage("error", [
        ["error", jsonObject([["message", encodeJsonString(error.message)]])],
        ["during", encodeJsonString(during)],
        ["item", encodeJsonBytes(path)],
      ]),
    );
  } else if (during === "archival") output.error(`error: ${error.message}`);
  else if (output.level >= 2) output.error(`scan: ${error.message}`);
}

type Sizes = readonly [data: number, dataInRepository: number, metadata: number, metadataInRepository: number];

/** `itemJson`: the item as JSON, or "" for none. All members are always there. */
function verboseStatus(
  action: string,
  itemJson: string,
  durationMs: number,
  [data, dataInRepository, metadata, metadataInRepository]: Sizes,
  totalFiles: number,
): string {
  return jsonMessage("verbose_status", [
    ["action", encodeJsonString(action)],
    ["item", itemJson || '""'],
    ["duration", String(durationMs / 1000)],
    ["data_size", String(data)],
    ["data_size_in_repo", String(dataInRepository)],
    ["metadata_size", String(metadata)],
    ["metadata_size_in_repo", String(metadataInRepository)],
    ["total_files", String(totalFiles)],
  ]);
}

function encodeItem(path: Uint8Array): string {
  return encodeJsonString(anyBytesAreReplaced.decode(path));
}

/** The end of a backup that wrote its snapshot, or would have. */
export function reportSummary(output: Output, result: BackupResult, isDryRun: boolean): void {
  if (output.isJson) {
    output.json(summaryJson(result, isDryRun));
    return;
  }
  for (const line of summaryLines(result, isDryRun, output.level >= 2)) output.normal(line);
  if (isDryRun) return;
  if (result.snapshotId === undefined) output.normal("skipped creating snapshot");
  else output.normal(`snapshot ${result.snapshotId.slice(0, 8)} saved`);
}

function summaryLines({ summary, durationMs }: BackupResult, isDryRun: boolean, withBlobs: boolean): string[] {
  const counts = (isNew: number, isChanged: number, isUnmodified: number): string =>
    `${padCount(isNew)} new, ${padCount(isChanged)} changed, ${padCount(isUnmodified)} unmodified`;
  const verb = isDryRun ? "Would add" : "Added";
  return [
    "",
    `Files:       ${counts(summary.filesNew, summary.filesChanged, summary.filesUnmodified)}`,
    `Dirs:        ${counts(summary.dirsNew, summary.dirsChanged, summary.dirsUnmodified)}`,
    ...(withBlobs
      ? [`Data Blobs:  ${padCount(summary.dataBlobs)} new`, `Tree Blobs:  ${padCount(summary.treeBlobs)} new`]
      : []),
    `${verb} to the repository: ${formatBytesPadded(summary.dataAdded)} (${formatBytesPadded(summary.dataAddedPacked)} stored)`,
    "",
    `processed ${summary.totalFilesProcessed} files, ${formatBytes(summary.totalBytesProcessed)} in ${formatClock(durationMs)}`,
  ];
}

function summaryJson({ summary, durationMs, snapshotId }: BackupResult, isDryRun: boolean): string {
  return jsonMessage("summary", [
    ["files_new", String(summary.filesNew)],
    ["files_changed", String(summary.filesChanged)],
    ["files_unmodified", String(summary.filesUnmodified)],
    ["dirs_new", String(summary.dirsNew)],
    ["dirs_changed", String(summary.dirsChanged)],
    ["dirs_unmodified", String(summary.dirsUnmodified)],
    ["data_blobs", String(summary.dataBlobs)],
    ["tree_blobs", String(summary.treeBlobs)],
    ["data_added", String(summary.dataAdded)],
    ["data_added_packed", String(summary.dataAddedPacked)],
    ["total_files_processed", String(summary.totalFilesProcessed)],
    ["total_bytes_processed", String(summary.totalBytesProcessed)],
    ["total_duration", String(durationMs / 1000)],
    ["backup_start", encodeJsonString(summary.backupStart)],
    ["backup_end", encodeJsonString(summary.backupEnd)],
    ["snapshot_id", snapshotId === undefined ? undefined : encodeJsonString(snapshotId)],
    ["dry_run", isDryRun ? "true" : undefined],
  ]);
}

function padCount(count: number): string {
  return String(count).padStart(5);
}

function formatSeconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(3)}s`;
}
