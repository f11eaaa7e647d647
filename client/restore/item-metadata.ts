/**
 * Owner, extended attributes, times and mode of an item, taken from its node. Meaning: docs/FORMAT.md, what a restore takes
 * from a node.
 */
import type { BigIntStats } from "node:fs";
import { unixModeOf } from "../../shared/format/mode.ts";
import { parseTime } from "../../shared/format/time.ts";
import type { TreeNode } from "../../shared/format/tree-node.ts";
import { descriptorCalls } from "../platform/descriptor-calls.ts";
import { groupId, userId } from "../platform/users.ts";
import { bytePathOf } from "./byte-path.ts";

/** What is applied to an item. Structured-cloneable. */
export interface ItemMetadata {
  readonly uid: number;
  readonly gid: number;
  /** Permissions and the three special bits. */
  readonly mode: number;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly xattrs: readonly XattrToSet[];
  /** Attributes that the snapshot does not have are removed; false when a selection decides about them. */
  readonly removesOtherXattrs: boolean;
}

export interface XattrToSet {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

export interface MetadataRules {
  readonly selectXattr?: ((name: string) => boolean) | undefined;
  readonly ownershipByName?: boolean | undefined;
}

const noXattrs: readonly XattrToSet[] = [];
/** Permissions and the three special bits of a Unix mode. */
export const permissionMask = 0o7777;

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

/** Has an open file all of this already? Then nothing needs to be applied. */
export function hasMetadata(descriptor: number, status: BigIntStats, metadata: ItemMetadata): boolean {
  const { uid, gid, mode, mtimeNs } = metadata;
  if (Number(status.uid) !== uid || Number(status.gid) !== gid) return false;
  if ((Number(status.mode) & permissionMask) !== mode || status.mtimeNs !== mtimeNs) return false;
  const calls = descriptorCalls();
  const present = calls.listXattrs(descriptor).filter((name) => !isGivenBySystem(name));
  if (present.length !== metadata.xattrs.length) return false;
  const values = new Map(present.map((name) => [bytePathOf(name), calls.getXattr(descriptor, name)]));
  return metadata.xattrs.every(({ name, value }) => values.get(bytePathOf(name))?.equals(value) ?? false);
}

/** SELinux labels every file; a label cannot be taken away, only changed. */
export function isGivenBySystem(name: Buffer): boolean {
  return name.toString("latin1") === "security.selinux";
}
