/** The entry of this folder: a backup from targets to snapshot. */
import { hash } from "node:crypto";
import { availableParallelism } from "node:os";
import { CofferError } from "../../shared/errors.ts";
import { utf8Encode } from "../../shared/format/bytes.ts";
import type { Id } from "../../shared/format/layout.ts";
import { defaultPackSizeBytes } from "../../shared/format/limits.ts";
import { encodeSnapshot, type Snapshot, type SnapshotSummary } from "../../shared/format/snapshot.ts";
import { formatTime } from "../../shared/format/time.ts";
import { keepNurserySmall } from "../platform/heap-growth.ts";
import { localZoneOffset } from "../platform/time-zone.ts";
import { toByteString, toDisplay } from "./byte-paths.ts";
import { FileRun, type RunContext } from "./file-run.ts";
import { ItemReports } from "./item-reports.ts";
import type { BackupEvents, BackupOptions, BackupResult } from "./options.ts";
import { Pipeline } from "./pipeline.ts";
import type { BackupRepository } from "./repository-view.ts";
import { Statistics } from "./statistics.ts";
import { StreamRun, streamPath } from "./stream-run.ts";
import { snapshotPaths } from "./targets.ts";

const maxDefaultWorkers = 4;
const maxWorkers = 16;

/**
 * Saves the targets, or one file from a stream, and writes a snapshot of them.
 *
 * Items that cannot be read are told and counted; everything else that goes wrong (a failing upload, a lost lock, a raised `signal`)
 * rejects: then there is no snapshot, and what was stored is indexed as far as possible, so that the next run need not store it again.
 * Throws `usage` when nothing is left to save.
 */
export async function backup(
  repository: BackupRepository,
  options: BackupOptions,
  events: BackupEvents = {},
  signal?: AbortSignal,
): Promise<BackupResult> {
  keepNurserySmall();
  const begun = performance.now();
  const clock = options.nowNs ?? systemNowNs;
  const startNs = clock();
  await repository.loadIndex();
  const context = createContext(repository, options, events, signal);
  const { pipeline, statistics, zone } = context;
  let run: FileRun | StreamRun | undefined;
  try {
    run = options.standardInput ? new StreamRun(context, options.standardInput) : new FileRun(context);
    const { tree, entries } = await run.run();
    if (entries === 0) throw new CofferError("usage", "unable to save snapshot: snapshot is empty");
    const stages = await pipeline.finish();
    const summary = statistics.summary(formatTime(startNs, zone), formatTime(clock(), zone));
    const snapshotId = await saveSnapshot(context, tree, summary, signal);
    const { failedItems } = statistics;
    const durationMs = performance.now() - begun;
    return { snapshotId, tree, parentId: options.parent?.id, summary, failedItems, durationMs, stages };
  } finally {
    await pipeline.close();
    if (run instanceof FileRun) run.abandon();
  }
}

function createContext(
  repository: BackupRepository,
  options: BackupOptions,
  events: BackupEvents,
  signal: AbortSignal | undefined,
): RunContext {
  const workers = Math.min(options.readConcurrency ?? Math.min(availableParallelism(), maxDefaultWorkers), maxWorkers);
  const statistics = new Statistics();
  return {
    repository,
    options,
    events,
    statistics,
    reports: new ItemReports(statistics, events),
    zone: options.zone ?? localZoneOffset,
    workers: Math.max(1, workers),
    pipeline: new Pipeline(repository, {
      settings: {
        packSizeBytes: options.packSizeBytes ?? defaultPackSizeBytes,
        compression: options.compression ?? "auto",
        extraVerify: options.extraVerify ?? true,
      },
      workers: Math.max(1, workers),
      dryRun: options.dryRun ?? false,
      permitted: options.lock?.confirmed ?? Promise.resolve(),
      signal,
    }),
  };
}

/** The last thing that is written. Undefined when the tree is the parent's and that shall not give a snapshot. */
async function saveSnapshot(
  { repository, options, pipeline }: RunContext,
  tree: Id,
  summary: SnapshotSummary,
  signal: AbortSignal | undefined,
): Promise<Id | undefined> {
  if (options.skipIfUnchanged && options.parent?.tree === tree) return undefined;
  const json = utf8Encode(encodeSnapshot(snapshotOf(options, tree, summary)));
  pipeline.throwIfFailed();
  // A dry run names a snapshot that does not exist, as restic does.
  if (options.dryRun) return hash("sha256", json);
  return repository.saveDocument("snapshots", json, signal);
}

function snapshotOf(options: BackupOptions, tree: Id, summary: SnapshotSummary): Snapshot {
  const { time, hostname, username, uid, gid, tags, excludes, programVersion, parent } = options;
  const workingDirectory = toByteString(options.workingDirectory);
  const paths = options.standardInput
    ? [streamPath(options.standardInput.name)]
    : snapshotPaths(options.targets.map(toByteString), workingDirectory);
  return {
    time,
    parent: parent?.id,
    tree,
    paths: paths.map(toDisplay),
    hostname,
    username,
    uid,
    gid,
    excludes,
    tags,
    programVersion,
    summary,
  };
}

function systemNowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
