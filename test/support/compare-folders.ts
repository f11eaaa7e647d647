/**
 * Compares two folders entry by entry: names, types, contents, modes, owners, times to the nanosecond, link targets,
 * hard links, device numbers, extended attributes. Used by the demonstration and by tests.
 */
import { createHash } from "node:crypto";
import { type BigIntStats, closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { systemCalls } from "../../client/platform/system-calls.ts";

export interface FolderComparison {
  readonly entries: number;
  readonly bytes: number;
  /** One line for each difference, beginning with the path. */
  readonly differences: readonly string[];
}

interface Walk {
  entries: number;
  bytes: number;
  differences: string[];
  /** inode in the first folder -> inode in the second: hard links must map one to one. */
  readonly inodes: Map<bigint, bigint>;
}

export function compareFolders(expected: string, actual: string): FolderComparison {
  const walk: Walk = { entries: 0, bytes: 0, differences: [], inodes: new Map() };
  compareEntry(walk, Buffer.from(expected), Buffer.from(actual), "");
  return walk;
}

function compareEntry(walk: Walk, expected: Buffer, actual: Buffer, path: string): void {
  const status = lstatSync(expected, { bigint: true });
  const other = lstatSync(actual, { bigint: true, throwIfNoEntry: false });
  if (other === undefined) {
    walk.differences.push(`${path}: is missing`);
    return;
  }
  walk.entries += 1;
  const report = (what: string, a: unknown, b: unknown): void => {
    if (a !== b) walk.differences.push(`${path}: ${what} should be ${a} and is ${b}`);
  };
  report("mode", status.mode.toString(8), other.mode.toString(8));
  report("owner", `${status.uid}:${status.gid}`, `${other.uid}:${other.gid}`);
  report("modification time", status.mtimeNs, other.mtimeNs);
  report("extended attributes", describeXattrs(expected), describeXattrs(actual));
  if (status.isDirectory()) compareDirectories(walk, expected, actual, path);
  else compareLinks(walk, status, other, report);
  if (status.isFile()) {
    report("size", status.size, other.size);
    report("content", hashFile(expected), hashFile(actual));
    walk.bytes += Number(status.size);
  } else if (status.isSymbolicLink()) {
    report("link target", readTarget(expected), readTarget(actual));
  } else if (!status.isDirectory()) {
    report("device number", status.rdev, other.rdev);
  }
}

function compareLinks(
  walk: Walk,
  status: BigIntStats,
  other: BigIntStats,
  report: (what: string, a: unknown, b: unknown) => void,
): void {
  if (status.nlink < 2n || status.isSymbolicLink()) return;
  report("number of hard links", status.nlink, other.nlink);
  const known = walk.inodes.get(status.ino);
  if (known === undefined) walk.inodes.set(status.ino, other.ino);
  else report("inode shared with its other names", known, other.ino);
}

function compareDirectories(walk: Walk, expected: Buffer, actual: Buffer, path: string): void {
  const names = readdirSync(expected, { encoding: "buffer" });
  const known = new Set(names.map((name) => name.toString("latin1")));
  for (const name of readdirSync(actual, { encoding: "buffer" })) {
    if (!known.has(name.toString("latin1"))) walk.differences.push(`${path}/${name}: should not exist`);
  }
  for (const name of names) compareEntry(walk, join(expected, name), join(actual, name), `${path}/${name}`);
}

function join(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, Buffer.from("/"), name]);
}

function readTarget(path: Buffer): string {
  return readlinkSync(path, { encoding: "buffer" }).toString("latin1");
}

function describeXattrs(path: Buffer): string {
  const calls = systemCalls();
  return calls
    .listXattrs(path)
    .map((name) => `${name.toString("latin1")}=${calls.getXattr(path, name).toString("hex")}`)
    .sort()
    .join(" ");
}

function hashFile(path: Buffer): string {
  const hash = createHash("sha256");
  const piece = Buffer.alloc(1 << 20);
  const file = openSync(path, "r");
  try {
    for (let length = readSync(file, piece); length > 0; length = readSync(file, piece))
      hash.update(piece.subarray(0, length));
  } finally {
    closeSync(file);
  }
  return hash.digest("hex");
}
