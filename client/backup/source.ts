/** The port through which a backup sees the files it saves, and its adapter for this machine's file system. */
import { closeSync, constants, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import type { ExtendedAttribute } from "../../shared/format/tree-node.ts";
import { type FileStatus, linkStatus, openFileStatus, targetStatus } from "../platform/file-status.ts";
import { systemCalls } from "../platform/system-calls.ts";
import type { ByteString } from "./byte-paths.ts";

/** Paths are absolute. Every call throws the system's error, with its `code` ("ENOENT", "EACCES", ...). */
export interface SourceFiles {
  /** The entry itself; a link is not followed. */
  linkStatus(path: Uint8Array): FileStatus;
  /** What a link leads to. */
  targetStatus(path: Uint8Array): FileStatus;
  /** The names in a folder, unsorted, without "." and "..". */
  list(path: Uint8Array): ByteString[];
  readLink(path: Uint8Array): Buffer;
  /**
   * Of the entry itself, in the system's order. An attribute whose value cannot be read is left out, and `onUnreadable` is told its
   * name.
   */
  extendedAttributes(path: Uint8Array, onUnreadable: (name: string, error: unknown) => void): ExtendedAttribute[];
  /** The first bytes of a file, at most `lengthBytes`, fewer only if it is shorter. */
  readBeginning(path: Uint8Array, lengthBytes: number): Buffer;
}

/**
 * How files are opened: a link that took the file's place is not followed, a pipe that did so does not block, and on Linux reading
 * does not change the access time where that is allowed.
 */
export const readFlags: number = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const noAccessTime: number = constants.O_NOATIME ?? 0;

/** An open regular file. The caller closes `descriptor`. */
export interface OpenedFile {
  readonly descriptor: number;
  readonly status: FileStatus;
}

/** Opens a file for reading. Throws the system's error, or one with `code` "ENOTREG" when it is no regular file (any more). */
export function openRegularFile(path: Uint8Array): OpenedFile {
  const descriptor = openForReading(Buffer.isBuffer(path) ? path : Buffer.from(path));
  try {
    const status = openFileStatus(descriptor);
    if (status.type !== "file") {
      throw Object.assign(new Error(`expected a regular file, found type ${status.type}`), { code: "ENOTREG" });
    }
    return { descriptor, status };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** Only the owner and root may leave the access time alone; others read all the same. */
function openForReading(path: Buffer): number {
  try {
    return openSync(path, readFlags | noAccessTime);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") throw error;
    return openSync(path, readFlags);
  }
}

/** The files of this machine. */
export const localSource: SourceFiles = {
  linkStatus,
  targetStatus,
  list: (path) => readdirSync(Buffer.from(path), "latin1") as ByteString[],
  readLink: (path) => readlinkSync(Buffer.from(path), "buffer"),
  extendedAttributes: readAttributes,
  readBeginning: (path, lengthBytes) => {
    const { descriptor } = openRegularFile(path);
    try {
      return readFully(descriptor, Buffer.alloc(lengthBytes));
    } finally {
      closeSync(descriptor);
    }
  },
};

const noAttributes: ExtendedAttribute[] = [];

function readAttributes(path: Uint8Array, onUnreadable: (name: string, error: unknown) => void): ExtendedAttribute[] {
  const names = systemCalls().listXattrs(path);
  if (names.length === 0) return noAttributes;
  const attributes: ExtendedAttribute[] = [];
  for (const name of names) {
    try {
      attributes.push({ name, value: systemCalls().getXattr(path, name) });
    } catch (error) {
      onUnreadable(name.toString(), error);
    }
  }
  return attributes;
}

/** Reads from the beginning until the buffer is full or the file ends; the bytes read. */
function readFully(descriptor: number, buffer: Buffer): Buffer {
  let length = 0;
  while (length < buffer.length) {
    const count = readSync(descriptor, buffer, length, buffer.length - length, length);
    if (count === 0) break;
    length += count;
  }
  return buffer.subarray(0, length);
}
