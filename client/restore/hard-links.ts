/** Items with several names: the first that is restored is made, the others become links to it. */
import type { TreeNode } from "../../shared/format/tree-node.ts";
import type { BytePath } from "./byte-path.ts";

/** All names of one file. */
export interface HardLinkGroup {
  /** The name that has the data. */
  readonly first: BytePath;
  /** True once the data turned out not to be restorable. */
  hasFailed: boolean;
}

interface Entry {
  readonly group: HardLinkGroup;
  namesLeft: number;
}

export class HardLinks {
  readonly #entries = new Map<string, Entry>();

  /** The group whose data is restored already, or planned to be. */
  find(node: TreeNode): HardLinkGroup | undefined {
    const key = keyOf(node);
    const entry = key === undefined ? undefined : this.#entries.get(key);
    if (key === undefined || entry === undefined) return undefined;
    entry.namesLeft -= 1;
    if (entry.namesLeft <= 0) this.#entries.delete(key);
    return entry.group;
  }

  /** Makes this name the one that has the data; undefined for a file that has no other names. */
  add(node: TreeNode, path: BytePath): HardLinkGroup | undefined {
    const key = keyOf(node);
    if (key === undefined) return undefined;
    const group: HardLinkGroup = { first: path, hasFailed: false };
    this.#entries.set(key, { group, namesLeft: node.links - 1 });
    return group;
  }
}

function keyOf(node: TreeNode): string | undefined {
  return node.links > 1 && node.inode !== 0n ? `${node.deviceId}/${node.inode}` : undefined;
}
