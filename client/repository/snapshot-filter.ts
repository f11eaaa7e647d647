/** Which snapshots filters select, how they are grouped, and which one a backup continues. Source: docs/cli.md, finding snapshots, grouping, parent. */
import { CofferError } from "../../shared/errors.ts";
import type { Snapshot } from "../../shared/format/snapshot.ts";

export interface SnapshotFilter {
  /** Any of them; none: all. */
  readonly hosts: readonly string[];
  /** Any of the lists, of which each wants all its tags; none: all. See `parseTagList`. */
  readonly tagLists: readonly (readonly string[])[];
  /** All of them, each exactly as stored. */
  readonly paths: readonly string[];
}

export const everySnapshot: SnapshotFilter = { hosts: [], tagLists: [], paths: [] };

/** The value of a `--tag` flag: names between commas. An empty name stands for "no tags". */
export function parseTagList(text: string): readonly string[] {
  return text.split(",").map((tag) => tag.trim());
}

export function matchesFilter(snapshot: Snapshot, { hosts, tagLists, paths }: SnapshotFilter): boolean {
  if (hosts.length > 0 && !hosts.includes(snapshot.hostname ?? "")) return false;
  if (tagLists.length > 0 && !tagLists.some((list) => matchesTagList(snapshot, list))) return false;
  return paths.every((path) => snapshot.paths.includes(path));
}

/** From left to right: each must be a tag of the snapshot, and an empty one settles it at once by asking for no tags. */
function matchesTagList({ tags = [] }: Snapshot, list: readonly string[]): boolean {
  for (const tag of list) {
    if (tag === "") return tags.length === 0;
    if (!tags.includes(tag)) return false;
  }
  return true;
}

/** As restic prints it: `Paths:[/a] Tags:[[x y]] Hosts:[h]`. */
export function describeFilter({ hosts, tagLists, paths }: SnapshotFilter): string {
  const tags = tagLists.map((list) => `[${list.join(", ")}]`);
  return `Paths:[${paths.join(" ")}] Tags:[${tags.join(" ")}] Hosts:[${hosts.join(" ")}]`;
}

/** What snapshots of one group have in common. */
export interface GroupBy {
  readonly host: boolean;
  readonly paths: boolean;
  readonly tags: boolean;
}

/** Names between commas: host, path, tag, or their plurals; empty ones count for nothing. Throws `usage` on any other. */
export function parseGroupBy(text: string): GroupBy {
  const groupBy = { host: false, paths: false, tags: false };
  for (const name of text.split(",")) {
    if (name === "host" || name === "hosts") groupBy.host = true;
    else if (name === "path" || name === "paths") groupBy.paths = true;
    else if (name === "tag" || name === "tags") groupBy.tags = true;
    else if (name !== "") throw new CofferError("usage", `unknown grouping option: "${name}"`);
  }
  return groupBy;
}

export interface GroupKey {
  /** "" unless grouped by it. */
  readonly hostname: string;
  /** Sorted; undefined unless grouped by them. */
  readonly paths: readonly string[] | undefined;
  /** Sorted; undefined unless grouped by them, or when there are none. */
  readonly tags: readonly string[] | undefined;
}

export interface SnapshotGroup<Grouped extends Snapshot> {
  readonly key: GroupKey;
  /** In the order in which they came. */
  readonly snapshots: readonly Grouped[];
}

/** The groups in the order of their keys, so that the output does not depend on the order of a listing. */
export function groupSnapshots<Grouped extends Snapshot>(
  snapshots: Iterable<Grouped>,
  groupBy: GroupBy,
): SnapshotGroup<Grouped>[] {
  const groups = new Map<string, { key: GroupKey; snapshots: Grouped[] }>();
  for (const snapshot of snapshots) {
    const key = groupKeyOf(snapshot, groupBy);
    const text = JSON.stringify([key.hostname, key.paths ?? null, key.tags ?? null]);
    const group = groups.get(text) ?? { key, snapshots: [] };
    group.snapshots.push(snapshot);
    groups.set(text, group);
  }
  return [...groups].sort(([a], [b]) => compareTexts(a, b)).map(([, group]) => group);
}

function groupKeyOf(snapshot: Snapshot, groupBy: GroupBy): GroupKey {
  return {
    hostname: groupBy.host ? (snapshot.hostname ?? "") : "",
    paths: groupBy.paths ? [...snapshot.paths].sort() : undefined,
    tags: groupBy.tags && snapshot.tags !== undefined ? [...snapshot.tags].sort() : undefined,
  };
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** The filter for the snapshot that a backup continues: what `groupBy` names must be as in the new one. */
export function parentFilter(
  groupBy: GroupBy,
  { hostname, paths, tags = [] }: Pick<Snapshot, "hostname" | "paths" | "tags">,
): SnapshotFilter {
  return {
    hosts: groupBy.host && hostname ? [hostname] : [],
    paths: groupBy.paths ? paths : [],
    tagLists: groupBy.tags ? [tags] : [],
  };
}
