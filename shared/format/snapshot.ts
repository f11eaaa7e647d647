/** Snapshots: one root tree, and where and when it came from. Source: the section on snapshots of docs/format.md. */
import { encodeJsonString, encodeJsonStrings } from "./go-json.ts";
import { JsonFields } from "./json-fields.ts";
import type { Id } from "./layout.ts";
import { parseTime, zeroTime } from "./time.ts";

/** What a backup did. Times are RFC 3339 text as stored. */
export interface SnapshotSummary {
  readonly backupStart: string;
  readonly backupEnd: string;
  readonly filesNew: number;
  readonly filesChanged: number;
  readonly filesUnmodified: number;
  readonly dirsNew: number;
  readonly dirsChanged: number;
  readonly dirsUnmodified: number;
  readonly dataBlobs: number;
  readonly treeBlobs: number;
  /** Bytes of new blobs before compression. */
  readonly dataAdded: number;
  /** Bytes that new blobs take up in packs. */
  readonly dataAddedPacked: number;
  readonly totalFilesProcessed: number;
  readonly totalBytesProcessed: number;
}

/** Absent optional fields are left out of the stored document, and so are empty lists and texts and the user 0. */
export interface Snapshot {
  /** RFC 3339 text, as stored. */
  readonly time: string;
  readonly parent?: Id | undefined;
  readonly tree: Id;
  /** Absolute paths of the targets. */
  readonly paths: readonly string[];
  readonly hostname?: string | undefined;
  readonly username?: string | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly excludes?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly original?: Id | undefined;
  readonly programVersion?: string | undefined;
  readonly summary?: SnapshotSummary | undefined;
}

type SummaryCount = Exclude<keyof SnapshotSummary, "backupStart" | "backupEnd">;

/** The counts in the order in which restic stores them. */
const summaryCounts: readonly (readonly [SummaryCount, string])[] = [
  ["filesNew", "files_new"],
  ["filesChanged", "files_changed"],
  ["filesUnmodified", "files_unmodified"],
  ["dirsNew", "dirs_new"],
  ["dirsChanged", "dirs_changed"],
  ["dirsUnmodified", "dirs_unmodified"],
  ["dataBlobs", "data_blobs"],
  ["treeBlobs", "tree_blobs"],
  ["dataAdded", "data_added"],
  ["dataAddedPacked", "data_added_packed"],
  ["totalFilesProcessed", "total_files_processed"],
  ["totalBytesProcessed", "total_bytes_processed"],
];

const maxUserId = 0xffffffff;

/** The JSON text, byte for byte as restic writes it; it still has to be packed by `encodeDocument`. */
export function encodeSnapshot(snapshot: Snapshot): string {
  const members = [`"time":${encodeJsonString(snapshot.time)}`];
  const add = (key: string, json: string | false | undefined): void => {
    if (json) members.push(`"${key}":${json}`);
  };
  add("parent", textOrNothing(snapshot.parent));
  add("tree", `"${snapshot.tree}"`);
  add("paths", encodeJsonStrings(snapshot.paths));
  add("hostname", textOrNothing(snapshot.hostname));
  add("username", textOrNothing(snapshot.username));
  add("uid", snapshot.uid ? String(snapshot.uid) : undefined);
  add("gid", snapshot.gid ? String(snapshot.gid) : undefined);
  add("excludes", listOrNothing(snapshot.excludes));
  add("tags", listOrNothing(snapshot.tags));
  add("original", textOrNothing(snapshot.original));
  add("program_version", textOrNothing(snapshot.programVersion));
  add("summary", snapshot.summary && encodeSummary(snapshot.summary));
  return `{${members.join(",")}}`;
}

/** The `summary` object by itself, which programs also show to people who ask for JSON. */
export function encodeSummary(summary: SnapshotSummary): string {
  const counts = summaryCounts.map(([name, key]) => `"${key}":${summary[name]}`);
  return (
    `{"backup_start":${encodeJsonString(summary.backupStart)},` +
    `"backup_end":${encodeJsonString(summary.backupEnd)},${counts.join(",")}}`
  );
}

/** Throws `malformed` on anything that is not a snapshot. Unknown keys are ignored. */
export function parseSnapshot(document: string | Uint8Array): Snapshot {
  const fields = JsonFields.parse("snapshot", document);
  const summary = fields.optionalObject("summary");
  return withoutAbsent({
    time: checkedTime(fields.string("time")),
    parent: fields.optionalId("parent"),
    tree: fields.id("tree"),
    paths: fields.strings("paths"),
    hostname: fields.optionalString("hostname"),
    username: fields.optionalString("username"),
    uid: fields.optionalInteger("uid", maxUserId),
    gid: fields.optionalInteger("gid", maxUserId),
    excludes: unlessEmpty(fields.strings("excludes")),
    tags: unlessEmpty(fields.strings("tags")),
    original: fields.optionalId("original"),
    programVersion: fields.optionalString("program_version"),
    summary: summary && parseSummary(summary),
  });
}

/** Programs other than restic leave some of the fields out: absent counts are 0, as restic reads them. */
function parseSummary(fields: JsonFields): SnapshotSummary {
  const counts = summaryCounts.map(([name, key]) => [name, fields.optionalInteger(key) ?? 0] as const);
  return {
    backupStart: checkedTime(fields.optionalString("backup_start") ?? zeroTime),
    backupEnd: checkedTime(fields.optionalString("backup_end") ?? zeroTime),
    ...(Object.fromEntries(counts) as Record<SummaryCount, number>),
  };
}

function checkedTime(text: string): string {
  parseTime(text);
  return text;
}

function textOrNothing(text: string | undefined): string | undefined {
  return text ? encodeJsonString(text) : undefined;
}

function listOrNothing(texts: readonly string[] | undefined): string | undefined {
  return texts?.length ? encodeJsonStrings(texts) : undefined;
}

function unlessEmpty(texts: readonly string[]): readonly string[] | undefined {
  return texts.length === 0 ? undefined : texts;
}

/** So that a parsed snapshot has a key exactly when it has a value. */
function withoutAbsent(snapshot: Snapshot): Snapshot {
  return Object.fromEntries(Object.entries(snapshot).filter(([, value]) => value !== undefined)) as unknown as Snapshot;
}
