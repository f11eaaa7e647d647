/** The snapshot that a backup compares with. Source: docs/cli.md, parent and change detection. */
import { hasErrorCode } from "../../../shared/errors.ts";
import { toByteString, toDisplay } from "../../backup/byte-paths.ts";
import { snapshotPaths } from "../../backup/targets.ts";
import { type GroupBy, parentFilter, type SnapshotFilter } from "../../repository/snapshot-filter.ts";
import { findSnapshot, type StoredSnapshot } from "../../repository/snapshots.ts";
import type { Output } from "../output.ts";
import type { Session } from "../session.ts";
import { type BackupValues, tagsOf } from "./flags.ts";
import type { BackupStream, BackupTargets } from "./targets.ts";

export interface ParentSearch {
  readonly values: BackupValues;
  readonly input: BackupTargets | BackupStream;
  readonly hostname: string;
  /** Later snapshots do not count. */
  readonly timeNs: bigint;
}

/** Says which one it is. No parent is fine unless one was named; then what went wrong is thrown. */
export async function findParent(
  { repository, signal }: Session,
  output: Output,
  search: ParentSearch,
): Promise<StoredSnapshot | undefined> {
  const { values, input, timeNs } = search;
  // What comes from standard input has no earlier form.
  if (input.kind === "stream" && input.command === undefined) return undefined;
  const parent = values.force ? undefined : await find();
  if (parent === undefined) output.normal("no parent snapshot found, will read all files");
  else output.normal(`using parent snapshot ${parent.id.slice(0, 8)}`);
  return parent;

  async function find(): Promise<StoredSnapshot | undefined> {
    try {
      const options = { filter: filterOf(search), notAfterNs: timeNs, signal };
      return (await findSnapshot(repository, values.parent || "latest", options)).snapshot;
    } catch (error) {
      if (values.parent === "" && hasErrorCode(error, "not-found")) return undefined;
      throw error;
    }
  }
}

function filterOf({ values, input, hostname }: ParentSearch): SnapshotFilter {
  // A command's output has no path on disk; its snapshots are told apart by host only.
  const groupBy: GroupBy = input.kind === "stream" ? { ...values.groupBy, paths: false } : values.groupBy;
  const paths =
    input.kind === "stream"
      ? []
      : snapshotPaths(input.targets.map(toByteString), toByteString(input.workingDirectory)).map(toDisplay);
  return parentFilter(groupBy, { hostname, paths, tags: tagsOf(values) });
}
