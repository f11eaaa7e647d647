/** What the file system says about an entry: types by the format's names, 64-bit numbers exact, times in nanoseconds. */
import { type BigIntStats, fstatSync, lstatSync, statSync } from "node:fs";
import type { NodeType } from "../../shared/format/tree-node.ts";

export interface FileStatus {
  readonly type: NodeType;
  /** st_mode whole: type and permission bits as the system has them. */
  readonly mode: number;
  readonly inode: bigint;
  /** st_dev */
  readonly deviceId: bigint;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** st_rdev, for device files. */
  readonly device: bigint;
  /** Nanoseconds since 1970; negative before. */
  readonly mtimeNs: bigint;
  readonly atimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** The entry itself; a link is not followed. Throws the system's error (ENOENT, EACCES, ...). */
export function linkStatus(path: Uint8Array): FileStatus {
  return fromStats(lstatSync(asBuffer(path), { bigint: true }));
}

/** What a link leads to. Throws the system's error. */
export function targetStatus(path: Uint8Array): FileStatus {
  return fromStats(statSync(asBuffer(path), { bigint: true }));
}

/** An open file. */
export function openFileStatus(descriptor: number): FileStatus {
  return fromStats(fstatSync(descriptor, { bigint: true }));
}

/** node:fs takes paths as Buffer; this is a view, not a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const typeMask = 0o170000;
const typesByMode: ReadonlyMap<number, NodeType> = new Map([
  [0o100000, "file"],
  [0o040000, "dir"],
  [0o120000, "symlink"],
  [0o060000, "dev"],
  [0o020000, "chardev"],
  [0o010000, "fifo"],
  [0o140000, "socket"],
]);

function fromStats(stats: BigIntStats): FileStatus {
  const mode = Number(stats.mode);
  return {
    type: typesByMode.get(mode & typeMask) ?? "irregular",
    mode,
    inode: BigInt.asUintN(64, stats.ino),
    deviceId: BigInt.asUintN(64, stats.dev),
    links: Number(stats.nlink),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    sizeBytes: Number(stats.size),
    device: BigInt.asUintN(64, stats.rdev),
    mtimeNs: stats.mtimeNs,
    atimeNs: stats.atimeNs,
    ctimeNs: stats.ctimeNs,
  };
}
