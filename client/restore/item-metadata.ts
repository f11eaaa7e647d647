/** Owner, extended attributes, times and mode of an item: what the main thread plans, and the workers apply. */
import type { BigIntStats } from "node:fs";
import { descriptorCalls } from "../platform/descriptor-calls.ts";
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

/** Permissions and the three special bits of a Unix mode. */
export const permissionMask = 0o7777;

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
