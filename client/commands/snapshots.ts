/** `coffer snapshots`. */
import { encodeJsonString, encodeJsonStrings } from "../../shared/format/go-json.ts";
import { booleanFlag, integerFlag, parsedFlag } from "../cli/arguments/flag.ts";
import { type Command, defineCommand } from "../cli/command.ts";
import { parseGroupByFlag } from "../cli/group-by.ts";
import { jsonObject, type Output } from "../cli/output.ts";
import { withSession } from "../cli/session.ts";
import { filterFlags, filterOf, selectSnapshots } from "../cli/snapshot-arguments.ts";
import { snapshotJson } from "../cli/snapshot-json.ts";
import { snapshotTable } from "../cli/snapshot-table.ts";
import { type GroupBy, type GroupKey, groupSnapshots, type SnapshotGroup } from "../repository/snapshot-filter.ts";
import { type StoredSnapshot, snapshotTime } from "../repository/snapshots.ts";

const flags = {
  compact: booleanFlag({ name: "compact", shorthand: "c", help: "use a compact form" }),
  latest: integerFlag({
    name: "latest",
    placeholder: "n",
    help: "only the last n snapshots of each host and set of paths, or of each group",
  }),
  last: booleanFlag({ name: "last", help: "", deprecated: "use --latest 1" }),
  groupBy: parsedFlag<GroupBy | undefined>(
    {
      name: "group-by",
      shorthand: "g",
      placeholder: "group",
      help: "group by host, paths, tags, or several of them with commas between",
    },
    undefined,
    parseGroupByFlag,
  ),
  ...filterFlags,
};

const noGroups: GroupBy = { host: false, paths: false, tags: false };

export const snapshotsCommand: Command = defineCommand({
  name: "snapshots",
  synopsis: "[snapshotID ...]",
  description: "The snapshots command lists the snapshots of the repository, all of them or those that are named.",
  flags,
  hasJson: true,
  endsWithOutput: true,
  async run(context, { values, operands }) {
    const { output, environment } = context;
    const filter = filterOf(values, environment, { resolvesPaths: false });
    const names = operands.map(({ text }) => text);
    const groupBy = values.groupBy ?? noGroups;
    const isGrouped = groupBy.host || groupBy.paths || groupBy.tags;
    const latest = values.latest > 0 ? values.latest : values.last ? 1 : 0;
    await withSession(context, { lock: "shared", mayOmitLock: true, prefetch: ["snapshots"] }, async (session) => {
      const found = (await selectSnapshots(session, output, names, filter)).map(withSortedPaths).sort(byTime);
      const groups = groupSnapshots(found, groupBy).map((group) => keepLatest(group, latest, isGrouped));
      if (output.isJson) output.json(groupsJson(groups, isGrouped));
      else for (const group of groups) printGroup(output, group, isGrouped, values.compact);
    });
  },
});

/** Tables and JSON show the paths of a snapshot sorted, as restic does. */
function withSortedPaths(snapshot: StoredSnapshot): StoredSnapshot {
  return { ...snapshot, paths: [...snapshot.paths].sort() };
}

/** Oldest first. */
function byTime(left: StoredSnapshot, right: StoredSnapshot): number {
  const difference = snapshotTime(left) - snapshotTime(right);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** Of a group the last ones; where there are no groups, of each host and set of paths. */
function keepLatest(
  group: SnapshotGroup<StoredSnapshot>,
  count: number,
  isGrouped: boolean,
): SnapshotGroup<StoredSnapshot> {
  if (count === 0) return group;
  if (isGrouped) return { ...group, snapshots: group.snapshots.slice(-count) };
  const parts = groupSnapshots(group.snapshots, { host: true, paths: true, tags: false });
  return { ...group, snapshots: parts.flatMap((part) => part.snapshots.slice(-count)).sort(byTime) };
}

function printGroup(
  output: Output,
  { key, snapshots }: SnapshotGroup<StoredSnapshot>,
  isGrouped: boolean,
  isCompact: boolean,
): void {
  const header = isGrouped ? groupHeader(key) : "";
  if (header !== "") output.result(header);
  const lines = snapshotTable(snapshots, { isCompact });
  if (lines.length > 0) output.result(lines.join("\n"));
}

/** Such as `snapshots for (host [srv1], tags [a, b], paths [/data]):`; empty when the group has nothing to tell. */
function groupHeader({ hostname, paths, tags }: GroupKey): string {
  const parts = [
    ...(hostname === "" ? [] : [`host [${hostname}]`]),
    ...(tags === undefined || tags.length === 0 ? [] : [`tags [${tags.join(", ")}]`]),
    ...(paths === undefined || paths.length === 0 ? [] : [`paths [${paths.join(", ")}]`]),
  ];
  return parts.length === 0 ? "" : `snapshots for (${parts.join(", ")}):`;
}

function groupsJson(groups: readonly SnapshotGroup<StoredSnapshot>[], isGrouped: boolean): string {
  const listJson = (snapshots: readonly StoredSnapshot[]): string => `[${snapshots.map(snapshotJson).join(",")}]`;
  if (!isGrouped) return listJson(groups.flatMap((group) => group.snapshots));
  const groupJsons = groups.map(({ key, snapshots }) =>
    jsonObject([
      ["group_key", groupKeyJson(key)],
      ["snapshots", listJson(snapshots)],
    ]),
  );
  return `[${groupJsons.join(",")}]`;
}

function groupKeyJson({ hostname, paths, tags }: GroupKey): string {
  return jsonObject([
    ["hostname", encodeJsonString(hostname)],
    ["paths", paths === undefined ? "null" : encodeJsonStrings(paths)],
    ["tags", tags === undefined ? "null" : encodeJsonStrings(tags)],
  ]);
}
