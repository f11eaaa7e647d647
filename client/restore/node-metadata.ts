/**
 * Owner, extended attributes, times and mode of an item, taken from its node. Meaning: docs/format.md, what a restore takes
 * from a node.
 */
import { unixModeOf } from "../../shared/format/mode.ts";
import { parseTime } from "../../shared/format/time.ts";
import type { TreeNode } from "../../shared/format/tree-node.ts";
import { groupId, userId } from "../platform/users.ts";
import { type ItemMetadata, permissionMask, type XattrToSet } from "./item-metadata.ts";

export interface MetadataRules {
  readonly selectXattr?: ((name: string) => boolean) | undefined;
  readonly ownershipByName?: boolean | undefined;
}

const noXattrs: readonly XattrToSet[] = [];

/** Throws `malformed` when a time of the node is no time. */
export function metadataOf(node: TreeNode, rules: MetadataRules): ItemMetadata {
  const mtimeNs = parseTime(node.mtime).unixNs;
  return {
    uid: rules.ownershipByName ? idOfName(node.user, userId) : node.uid,
    gid: rules.ownershipByName ? idOfName(node.group, groupId) : node.gid,
    mode: unixModeOf(node.mode) & permissionMask,
    mtimeNs,
    atimeNs: node.atime === node.mtime ? mtimeNs : parseTime(node.atime).unixNs,
    xattrs: selectXattrs(node, rules),
    removesOtherXattrs: rules.selectXattr === undefined,
  };
}

/** restic's rule: when owners go by name, a number that has none here must not become somebody else's: it becomes 0. */
function idOfName(name: string, find: (name: string) => number | undefined): number {
  return (name === "" ? undefined : find(name)) ?? 0;
}

function selectXattrs(node: TreeNode, { selectXattr }: MetadataRules): readonly XattrToSet[] {
  if (node.extendedAttributes.length === 0) return noXattrs;
  const selected: XattrToSet[] = [];
  for (const { name, value } of node.extendedAttributes) {
    if (selectXattr !== undefined && !selectXattr(Buffer.from(name).toString())) continue;
    selected.push({ name, value: value ?? new Uint8Array() });
  }
  return selected;
}
