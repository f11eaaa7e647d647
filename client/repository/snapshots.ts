/** Snapshots: loading them, and finding those that a command is about. Source: docs/cli.md, finding snapshots. */
import { CofferError } from "../../shared/errors.ts";
import { utf8Encode } from "../../shared/format/bytes.ts";
import type { FileType, Id } from "../../shared/format/layout.ts";
import { encodeSnapshot, parseSnapshot, type Snapshot } from "../../shared/format/snapshot.ts";
import { parseTime } from "../../shared/format/time.ts";
import type { Backend } from "../backends/backend.ts";
import { forEachConcurrently } from "./concurrency.ts";
import { isFailure } from "./failures.ts";
import { resolveId } from "./prefix.ts";
import { describeFilter, matchesFilter, type SnapshotFilter } from "./snapshot-filter.ts";

/** A snapshot and the name of its file. */
export interface StoredSnapshot extends Snapshot {
  readonly id: Id;
}

/** What of a repository snapshots need. */
export interface SnapshotRepository {
  readonly backend: Pick<Backend, "connections">;
  listIds(type: FileType, signal?: AbortSignal): Promise<Id[]>;
  loadDocument(type: "snapshots", id: Id, signal?: AbortSignal): Promise<Uint8Array>;
  saveDocument(type: "snapshots", json: Uint8Array, signal?: AbortSignal): Promise<Id>;
}

/** Throws `damaged`, `not-found`, ... with a message that names the snapshot. */
export async function loadSnapshot(
  repository: Pick<SnapshotRepository, "loadDocument">,
  id: Id,
  signal?: AbortSignal,
): Promise<StoredSnapshot> {
  try {
    return { ...parseSnapshot(await repository.loadDocument("snapshots", id, signal)), id };
  } catch (error) {
    if (!isFailure(error)) throw error;
    const code = error.code === "malformed" ? "damaged" : error.code;
    throw new CofferError(code, `failed to load snapshot ${id.slice(0, 8)}: ${error.message}`, {
      cause: error,
      data: { id },
    });
  }
}

export function saveSnapshot(
  repository: Pick<SnapshotRepository, "saveDocument">,
  snapshot: Snapshot,
  signal?: AbortSignal,
): Promise<Id> {
  return repository.saveDocument("snapshots", utf8Encode(encodeSnapshot(snapshot)), signal);
}

/** A snapshot or the reason why it could not be loaded, in the order of the ids. */
export type SnapshotOutcome =
  | { readonly id: Id; readonly snapshot: StoredSnapshot }
  | { readonly id: Id; readonly error: CofferError };

/** Loads several at a time. Only errors that concern a single file become outcomes; others are thrown. */
export async function loadSnapshots(
  repository: SnapshotRepository,
  ids: readonly Id[],
  signal?: AbortSignal,
): Promise<SnapshotOutcome[]> {
  const outcomes = new Map<Id, SnapshotOutcome>();
  await forEachConcurrently(ids, repository.backend.connections, async (id) => {
    try {
      outcomes.set(id, { id, snapshot: await loadSnapshot(repository, id, signal) });
    } catch (error) {
      if (!isFailure(error)) throw error;
      outcomes.set(id, { id, error });
    }
  });
  return ids.map((id) => outcomes.get(id)).filter((outcome) => outcome !== undefined);
}

/** The instant of a snapshot, for comparisons. */
export function snapshotTime(snapshot: Pick<Snapshot, "time">): bigint {
  return parseTime(snapshot.time).unixNs;
}

/** The latest that matches and is not newer than the limit; undefined when none is. */
export function latestOf(
  snapshots: Iterable<StoredSnapshot>,
  filter: SnapshotFilter,
  notAfterNs?: bigint,
): StoredSnapshot | undefined {
  let latest: StoredSnapshot | undefined;
  let latestNs = 0n;
  for (const snapshot of snapshots) {
    if (!matchesFilter(snapshot, filter)) continue;
    const timeNs = snapshotTime(snapshot);
    if (notAfterNs !== undefined && timeNs > notAfterNs) continue;
    // Of equal times the later in the list counts.
    if (latest !== undefined && timeNs < latestNs) continue;
    latest = snapshot;
    latestNs = timeNs;
  }
  return latest;
}

/** An argument of the form `ID`, prefix or `latest`, with `:subfolder` or without. */
export interface SnapshotArgument {
  readonly id: string;
  /** "" when there is none. */
  readonly subfolder: string;
}

export function parseSnapshotArgument(text: string): SnapshotArgument {
  const colon = text.indexOf(":");
  return colon === -1 ? { id: text, subfolder: "" } : { id: text.slice(0, colon), subfolder: text.slice(colon + 1) };
}

export interface FoundSnapshot {
  readonly snapshot: StoredSnapshot;
  readonly subfolder: string;
}

export interface FindOptions {
  /** Counts for `latest` only. */
  readonly filter: SnapshotFilter;
  /** Nanoseconds since 1970; later snapshots are not `latest`. */
  readonly notAfterNs?: bigint | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The one snapshot that an argument names. Throws `not-found` or `ambiguous`, and what loading throws: for `latest` even when another
 * snapshot than the wanted one cannot be loaded, since that might be the latest.
 */
export async function findSnapshot(
  repository: SnapshotRepository,
  text: string,
  options: FindOptions,
): Promise<FoundSnapshot> {
  const { id, subfolder } = parseSnapshotArgument(text);
  const snapshot =
    id === "latest" ? await findLatest(repository, options) : await findById(repository, id, options.signal);
  return { snapshot, subfolder };
}

/** As `findSnapshot` for one that is named by id or prefix; `latest` is not understood. */
export async function findById(
  repository: SnapshotRepository,
  text: string,
  signal?: AbortSignal,
): Promise<StoredSnapshot> {
  const id = await resolveId(text, () => repository.listIds("snapshots", signal));
  return loadSnapshot(repository, id, signal);
}

async function findLatest(repository: SnapshotRepository, options: FindOptions): Promise<StoredSnapshot> {
  const { filter, notAfterNs, signal } = options;
  const outcomes = await loadSnapshots(repository, await repository.listIds("snapshots", signal), signal);
  const snapshots = outcomes.map((outcome) => {
    if ("error" in outcome) throw outcome.error;
    return outcome.snapshot;
  });
  const latest = latestOf(snapshots, filter, notAfterNs);
  if (latest === undefined) {
    throw new CofferError("not-found", `snapshot filter (${describeFilter(filter)}): no snapshot found`);
  }
  return latest;
}

/** What went wrong with one argument, or with one snapshot when all were asked for. */
export interface SnapshotProblem {
  /** The argument, or the id of the snapshot. "filters" when filters were given beside ids. */
  readonly argument: string;
  readonly error: CofferError;
}

export interface FoundSnapshots {
  /** Each once; in the order of the arguments, or of the list. */
  readonly snapshots: readonly StoredSnapshot[];
  readonly problems: readonly SnapshotProblem[];
}

/**
 * The snapshots that arguments name, or, without any, all that match the filter. What cannot be found or loaded becomes a problem: the
 * command decides whether it stops.
 */
export async function findSnapshots(
  repository: SnapshotRepository,
  argumentTexts: readonly string[],
  filter: SnapshotFilter,
  signal?: AbortSignal,
): Promise<FoundSnapshots> {
  if (argumentTexts.length === 0) return findMatching(repository, filter, signal);
  const snapshots = new Map<Id, StoredSnapshot>();
  const problems: SnapshotProblem[] = [];
  const isFiltered = filter.hosts.length + filter.tagLists.length + filter.paths.length > 0;
  for (const argument of new Set(argumentTexts)) {
    try {
      const { snapshot } = await findWhole(repository, argument, filter, signal);
      snapshots.set(snapshot.id, snapshot);
    } catch (error) {
      if (!isFailure(error)) throw error;
      problems.push({ argument, error });
    }
  }
  if (isFiltered && !argumentTexts.includes("latest")) {
    problems.push({ argument: "filters", error: new CofferError("usage", "explicit snapshot ids are given") });
  }
  return { snapshots: [...snapshots.values()], problems };
}

async function findMatching(
  repository: SnapshotRepository,
  filter: SnapshotFilter,
  signal: AbortSignal | undefined,
): Promise<FoundSnapshots> {
  const outcomes = await loadSnapshots(repository, await repository.listIds("snapshots", signal), signal);
  const snapshots: StoredSnapshot[] = [];
  const problems: SnapshotProblem[] = [];
  for (const outcome of outcomes) {
    if ("error" in outcome) problems.push({ argument: outcome.id, error: outcome.error });
    else if (matchesFilter(outcome.snapshot, filter)) snapshots.push(outcome.snapshot);
  }
  return { snapshots, problems };
}

function findWhole(
  repository: SnapshotRepository,
  argument: string,
  filter: SnapshotFilter,
  signal: AbortSignal | undefined,
): Promise<FoundSnapshot> {
  if (argument.includes(":")) {
    throw new CofferError("usage", "<snapshot>:<subfolder> syntax not allowed");
  }
  return findSnapshot(repository, argument, { filter, signal });
}
