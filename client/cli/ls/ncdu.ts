/** The export format of ncdu, version 1.2: nested lists, each folder a list that begins with the folder itself. */
import { encodeJsonBytes } from "../../../shared/format/go-json.ts";
import { unixModeOf } from "../../../shared/format/mode.ts";
import { encodeSnapshot } from "../../../shared/format/snapshot.ts";
import { parseTime } from "../../../shared/format/time.ts";
import type { TreeNode } from "../../../shared/format/tree-node.ts";
import type { StoredSnapshot } from "../../repository/snapshots.ts";
import { jsonObject, type Output } from "../output.ts";
import type { ListedNode } from "./listed-node.ts";

const blockBytes = 512;
const permissionAndSpecialBits = 0o7777;
const indentation = "  ";

export class NcduPrinter {
  readonly needsAncestors = true;
  readonly #output: Output;
  /** How many folders are open, the root included. */
  #depth = 1;

  constructor(output: Output) {
    this.#output = output;
  }

  begin(snapshot: StoredSnapshot): void {
    this.#write(`[1, 2, ${encodeSnapshot(snapshot)}, [{"name":"/"}`);
  }

  node({ path, node }: ListedNode): void {
    this.#closeTo(depthOf(path));
    const isFolder = node.type === "dir";
    const indent = indentation.repeat(this.#depth);
    if (isFolder) {
      this.#write(`,\n${indent}[\n${indent}${indentation}${itemJson(node)}`);
      this.#depth += 1;
    } else this.#write(`,\n${indent}${itemJson(node)}`);
  }

  end(): void {
    this.#closeTo(1);
    this.#write("\n]\n]\n");
  }

  /** Closes the folders that the next entry is not in. */
  #closeTo(depth: number): void {
    while (this.#depth > depth) {
      this.#depth -= 1;
      this.#write(`\n${indentation.repeat(this.#depth)}]`);
    }
  }

  #write(text: string): void {
    this.#output.bytes(Buffer.from(text));
  }
}

/** How many folders an entry is in, the root included. */
function depthOf(path: Uint8Array): number {
  return path.reduce((count, byte) => count + (byte === 0x2f ? 1 : 0), 0);
}

function itemJson(node: TreeNode): string {
  const isFile = node.type === "file";
  const sizeBytes = isFile ? node.sizeBytes : 0;
  const unixSeconds = parseTime(node.mtime).unixNs / 1_000_000_000n;
  return jsonObject([
    ["name", encodeJsonBytes(node.name)],
    ["asize", String(sizeBytes)],
    ["dsize", String(Math.ceil(sizeBytes / blockBytes) * blockBytes)],
    ["dev", String(node.deviceId)],
    ["ino", String(node.inode)],
    ["nlink", String(node.links)],
    ["notreg", String(!isFile && node.type !== "dir")],
    ["uid", String(node.uid)],
    ["gid", String(node.gid)],
    ["mode", String(unixModeOf(node.mode) & permissionAndSpecialBits)],
    ["mtime", String(unixSeconds < 0n ? 0n : unixSeconds)],
  ]);
}
