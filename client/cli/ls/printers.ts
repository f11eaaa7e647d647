/** The forms of a listing: paths, long lines, JSON, ncdu. Source: docs/cli.md, ls. */
import { encodeJsonBytes, encodeJsonString } from "../../../shared/format/go-json.ts";
import { formatMode } from "../../../shared/format/mode.ts";
import { formatLocal, parseTime } from "../../../shared/format/time.ts";
import type { TreeNode } from "../../../shared/format/tree-node.ts";
import { localZoneOffset } from "../../platform/time-zone.ts";
import type { StoredSnapshot } from "../../repository/snapshots.ts";
import { jsonObject, type Output, unlessZero } from "../output.ts";
import { snapshotJsonWith } from "../snapshot-json.ts";
import { describeSnapshot } from "../snapshot-text.ts";
import { formatBytes } from "../text/numbers.ts";
import type { ListedNode } from "./listed-node.ts";
import { NcduPrinter } from "./ncdu.ts";

export interface ListingPrinter {
  /** True when folders on the way to listed ones have to be printed, too. */
  readonly needsAncestors: boolean;
  begin(snapshot: StoredSnapshot, directories: readonly string[]): void;
  node(node: ListedNode): void;
  end(): void;
}

export interface ListingForm {
  readonly long: boolean;
  readonly humanReadable: boolean;
  readonly ncdu: boolean;
}

export function printerOf(output: Output, form: ListingForm): ListingPrinter {
  if (output.isJson) return new JsonPrinter(output);
  return form.ncdu ? new NcduPrinter(output) : new TextPrinter(output, form);
}

class TextPrinter implements ListingPrinter {
  readonly needsAncestors = false;
  readonly #output: Output;
  readonly #form: ListingForm;

  constructor(output: Output, form: ListingForm) {
    this.#output = output;
    this.#form = form;
  }

  begin(snapshot: StoredSnapshot, directories: readonly string[]): void {
    this.#output.normal(`snapshot ${describeSnapshot(snapshot)} filtered by [${directories.join(" ")}]:`);
  }

  /** Names as they are: bytes, line feeds included. */
  node({ path, node }: ListedNode): void {
    this.#output.resultBytes(this.#form.long ? longLine(path, node, this.#form.humanReadable) : path);
  }

  end(): void {}
}

/** Such as `-rw-r-----     0     0      4 2024-01-02 03:04:05 /data/two.md`. */
export function longLine(path: Uint8Array, node: TreeNode, isHumanReadable: boolean): Uint8Array {
  const size = node.type === "file" ? node.sizeBytes : 0;
  const sizeText = isHumanReadable ? formatBytes(size) : String(size).padStart(6);
  const time = formatLocal(parseTime(node.mtime).unixNs, localZoneOffset);
  const owner = `${String(node.uid).padStart(5)} ${String(node.gid).padStart(5)}`;
  const target = node.type === "symlink" ? [Buffer.from(" -> "), node.linkTarget ?? new Uint8Array()] : [];
  return Buffer.concat([Buffer.from(`${formatMode(node.mode)} ${owner} ${sizeText} ${time} `), path, ...target]);
}

class JsonPrinter implements ListingPrinter {
  readonly needsAncestors = false;
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  begin(snapshot: StoredSnapshot): void {
    this.#output.json(
      snapshotJsonWith(snapshot, [
        ["message_type", '"snapshot"'],
        ["struct_type", '"snapshot"'],
      ]),
    );
  }

  node({ path, node }: ListedNode): void {
    this.#output.json(nodeJson(path, node));
  }

  end(): void {}
}

export function nodeJson(path: Uint8Array, node: TreeNode): string {
  return jsonObject([
    ["name", encodeJsonBytes(node.name)],
    ["type", encodeJsonString(node.type)],
    ["path", encodeJsonBytes(path)],
    ["uid", String(node.uid)],
    ["gid", String(node.gid)],
    ["size", node.type === "file" ? String(node.sizeBytes) : undefined],
    ["mode", unlessZero(node.mode)],
    ["permissions", encodeJsonString(formatMode(node.mode))],
    ["mtime", encodeJsonString(node.mtime)],
    ["atime", encodeJsonString(node.atime)],
    ["ctime", encodeJsonString(node.ctime)],
    ["inode", node.inode === 0n ? undefined : String(node.inode)],
    ["message_type", '"node"'],
    ["struct_type", '"node"'],
  ]);
}
