/** Entries of a listing and their orders. */
import { compareBytes } from "../../../shared/format/bytes.ts";
import { parseTime } from "../../../shared/format/time.ts";
import type { WalkedNode } from "../../repository/trees.ts";

export type ListedNode = WalkedNode;

export const sortModes = ["name", "size", "mtime", "atime", "ctime", "extension"] as const;

export type SortMode = (typeof sortModes)[number];

/** Negative when `left` comes first. Equal ones are ordered by path. */
export function compareNodes(left: ListedNode, right: ListedNode, mode: SortMode): number {
  return compareBy(left, right, mode) || compareBytes(left.path, right.path);
}

function compareBy(left: ListedNode, right: ListedNode, mode: SortMode): number {
  switch (mode) {
    case "name":
      return 0;
    case "size":
      return sizeOf(left) - sizeOf(right);
    case "extension":
      return compareTexts(extensionOf(left.path), extensionOf(right.path));
    default:
      return Number(parseTime(left.node[mode]).unixNs - parseTime(right.node[mode]).unixNs);
  }
}

/** Only files have a size. */
function sizeOf({ node }: ListedNode): number {
  return node.type === "file" ? node.sizeBytes : 0;
}

/** From the last dot of the name on, as latin1 text; empty without one. */
function extensionOf(path: Uint8Array): string {
  const name = Buffer.from(path).toString("latin1").replace(/^.*\//s, "");
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : name.slice(dot);
}

function compareTexts(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
