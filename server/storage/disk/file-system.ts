/**
 * The calls of the operating system that the disk storage needs, with plain descriptors: a `FileHandle` object costs more
 * than a small read. `fileSystemError` makes `CofferError`s of their errors.
 *
 * What can wait for a disk is done by the pool of threads. Handing a call to a thread costs ten times as much as the calls that never
 * wait: closing, after everything was synced, and the status of an open file. These are made at once.
 */
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsync,
  link,
  lstat,
  open,
  openSync,
  read,
  type Stats,
  stat,
  unlink,
  writev,
} from "node:fs";
import { promisify } from "node:util";
import { CofferError, type ErrorCode } from "../../../shared/errors.ts";

export const openFile: (path: string, flags: number, mode?: number) => Promise<number> = promisify(open);
export const statusOf: (path: string) => Promise<Stats> = promisify(stat);
/** Of a link itself, not of what it leads to. */
export const entryStatusOf: (path: string) => Promise<Stats> = promisify(lstat);
const syncDescriptor: (descriptor: number) => Promise<void> = promisify(fsync);
const syncData: (descriptor: number) => Promise<void> = promisify(fdatasync);
export const linkFile: (existing: string, added: string) => Promise<void> = promisify(link);
export const unlinkFile: (path: string) => Promise<void> = promisify(unlink);

export function closeFile(descriptor: number): void {
  closeSync(descriptor);
}

export function statusOfOpen(descriptor: number): Stats {
  return fstatSync(descriptor);
}

/** Makes a file durable, its size and all else that is said of it included. */
export function syncFile(descriptor: number): Promise<void> {
  return whereItCanBe(syncDescriptor(descriptor));
}

/** Has what was written so far brought to the disk. A failure is told only once, so it must not be ignored. */
export function syncWritten(descriptor: number): Promise<void> {
  return whereItCanBe(syncData(descriptor));
}

/** Makes the names in a folder durable. */
export function syncFolder(folder: string): Promise<void> {
  return withFolder(folder, syncFile);
}

/** Makes the names in a folder durable. Returns what tells it from other folders of its own name, as far as the file system knows. */
export function identifyAndSync(folder: string): Promise<string> {
  return withFolder(folder, async (descriptor) => {
    const { dev, ino, birthtimeNs } = fstatSync(descriptor, { bigint: true });
    await syncFile(descriptor);
    return `${dev} ${ino} ${birthtimeNs}`;
  });
}

/** The folder has just been used, so opening it finds everything in memory and need not go to a thread. */
async function withFolder<Result>(folder: string, action: (descriptor: number) => Promise<Result>): Promise<Result> {
  const descriptor = openSync(folder, folderFlags);
  try {
    return await action(descriptor);
  } finally {
    closeFile(descriptor);
  }
}

/** Some file systems cannot sync and say so: what they hold is as durable as they can make it. */
async function whereItCanBe(syncing: Promise<void>): Promise<void> {
  try {
    await syncing;
  } catch (error) {
    if (!failedWith(error, "ENOTSUP", "EOPNOTSUPP", "EINVAL", "ENOSYS", "ENOTTY")) throw error;
  }
}

/** For reading what may turn out to be a FIFO: opening it must not wait for a writer. */
export const readFlags: number = constants.O_RDONLY | constants.O_NONBLOCK;
export const createFlags: number = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;

const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY;

/** What new files and folders allow, before the umask takes something away. */
export interface Modes {
  readonly file: number;
  readonly folder: number;
}

/** Files hold ciphertext, but who may read them is the server's business alone. */
export const ownerModes: Modes = { file: 0o600, folder: 0o700 };
/** For a group whose members work on the repositories through the file system. */
export const groupModes: Modes = { file: 0o660, folder: 0o770 };

/** Reads at an offset until the target is full or the file ends; returns how many bytes it read. */
export async function readFully(descriptor: number, target: Uint8Array, offsetBytes: number): Promise<number> {
  let filledBytes = 0;
  while (filledBytes < target.length) {
    const readBytes = await readOnce(descriptor, target, filledBytes, offsetBytes + filledBytes);
    if (readBytes === 0) break;
    filledBytes += readBytes;
  }
  return filledBytes;
}

function readOnce(descriptor: number, target: Uint8Array, from: number, offsetBytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(descriptor, target, from, target.length - from, offsetBytes, (error, readBytes) =>
      error ? reject(error) : resolve(readBytes),
    );
  });
}

/** Appends all chunks with as few calls as possible; a full disk first writes less than it was given. */
export async function writeFully(descriptor: number, chunks: readonly Uint8Array[]): Promise<void> {
  let rest = chunks;
  while (rest.length > 0) rest = dropBytes(rest, await writeOnce(descriptor, rest));
}

function writeOnce(descriptor: number, chunks: readonly Uint8Array[]): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(descriptor, chunks, (error, writtenBytes) => (error ? reject(error) : resolve(writtenBytes)));
  });
}

function dropBytes(chunks: readonly Uint8Array[], countBytes: number): readonly Uint8Array[] {
  let dropped = 0;
  let restBytes = countBytes;
  for (const chunk of chunks) {
    if (restBytes < chunk.length) break;
    restBytes -= chunk.length;
    dropped += 1;
  }
  const kept = chunks.slice(dropped);
  const first = kept[0];
  if (first !== undefined && restBytes > 0) kept[0] = first.subarray(restBytes);
  return kept;
}

const codesOfErrors: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "not-found",
  ENOTDIR: "not-found",
  ELOOP: "not-found",
  ENAMETOOLONG: "not-found",
  EEXIST: "already-exists",
  ENOSPC: "out-of-space",
  EDQUOT: "out-of-space",
};

/** The error of a system call as one of ours; what is one already stays as it is. */
export function fileSystemError(error: unknown, action: string): CofferError {
  if (error instanceof CofferError) return error;
  const cause = error as NodeJS.ErrnoException;
  const code = codesOfErrors[cause.code ?? ""] ?? "unavailable";
  return new CofferError(code, `${action}: ${cause.message}`, { cause });
}

/** True when a system call failed for one of these reasons. */
export function failedWith(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException | undefined)?.code ?? "");
}
