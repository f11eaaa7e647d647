/** Tables of text: a header, a line, rows, a line, and lines below. Source: docs/cli.md, tables. */
import { displayWidth, padToWidth } from "./display-width.ts";

/** One cell; each element is a line of it. */
export type Cell = readonly string[];

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** A blank line between the rows. */
  readonly separateRows?: boolean;
  readonly footer?: readonly string[];
}

const columnGap = "  ";

/** The lines of the table, without line feeds; trailing blanks are cut. */
export function formatTable({ columns, rows, separateRows = false, footer = [] }: Table): string[] {
  const widths = columns.map((title, index) =>
    Math.max(displayWidth(title), ...rows.flatMap((row) => (row[index] ?? []).map(displayWidth))),
  );
  const totalWidth = widths.reduce((sum, width) => sum + width, 0) + columnGap.length * (columns.length - 1);
  const line = "-".repeat(totalWidth);
  const body = rows.flatMap((row, index) => {
    const lines = formatRow(row, widths);
    return separateRows && index > 0 ? ["", ...lines] : lines;
  });
  return [formatLine(columns, widths), line, ...body, line, ...footer];
}

function formatRow(row: readonly Cell[], widths: readonly number[]): string[] {
  const height = Math.max(1, ...row.map((cell) => cell.length));
  return Array.from({ length: height }, (_, lineNumber) =>
    formatLine(
      row.map((cell) => cell[lineNumber] ?? ""),
      widths,
    ),
  );
}

function formatLine(texts: readonly string[], widths: readonly number[]): string {
  return texts
    .map((text, index) => padToWidth(text, widths[index] ?? 0))
    .join(columnGap)
    .trimEnd();
}
