/** Tables of snapshots. Source: docs/cli.md, tables. */
import { formatLocal, parseTime } from "../../shared/format/time.ts";
import { localTimeZone, localZoneOffset } from "../platform/time-zone.ts";
import type { StoredSnapshot } from "../repository/snapshots.ts";
import { formatBytesPadded } from "./text/numbers.ts";
import { type Cell, formatTable } from "./text/table.ts";

/** Headers of the full form are padded, so that tables of short names line up with each other. */
const fullColumnWidth = 10;

export interface SnapshotTableOptions {
  readonly isCompact: boolean;
}

interface Column {
  readonly title: string;
  readonly cell: (snapshot: StoredSnapshot) => Cell;
}

/** The lines of the table, none without snapshots. They are shown in the order given. */
export function snapshotTable(snapshots: readonly StoredSnapshot[], { isCompact }: SnapshotTableOptions): string[] {
  if (snapshots.length === 0) return [];
  const columns = isCompact ? compactColumns : fullColumns;
  const shown = snapshots.some(({ summary }) => summary !== undefined) ? [...columns, sizeColumn] : columns;
  return formatTable({
    columns: shown.map(({ title }) => title),
    rows: snapshots.map((snapshot) => shown.map(({ cell }) => cell(snapshot))),
    separateRows: !isCompact && snapshots.some(({ paths }) => paths.length > 1),
    footer: [`Timestamps shown in ${localTimeZone().name ?? "local time"}`, `${snapshots.length} snapshots`],
  });
}

const idColumn: Column = { title: "ID", cell: ({ id }) => [id.slice(0, 8)] };
const timeColumn: Column = {
  title: "Time",
  cell: ({ time }) => [formatLocal(parseTime(time).unixNs, localZoneOffset)],
};
const hostCell = ({ hostname }: StoredSnapshot): Cell => [hostname ?? ""];
const sizeColumn: Column = {
  title: "Size",
  cell: ({ summary }) => (summary === undefined ? [] : [formatBytesPadded(summary.totalBytesProcessed)]),
};

const fullColumns: readonly Column[] = [
  idColumn,
  timeColumn,
  { title: "Host".padEnd(fullColumnWidth), cell: hostCell },
  { title: "Tags".padEnd(fullColumnWidth), cell: ({ tags = [] }) => [tags.join(",")] },
  { title: "Paths", cell: ({ paths }) => paths },
];

const compactColumns: readonly Column[] = [
  idColumn,
  timeColumn,
  { title: "Host", cell: hostCell },
  { title: "Tags", cell: ({ tags = [] }) => tags },
];
