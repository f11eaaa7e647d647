/**
 * A repository in a local folder. A file is written under a temporary name in its final folder, flushed, renamed, and
 * the folder flushed: nobody ever sees a part of it. Layout and modes: docs/format.md, "Layout".
 */

import { randomInt } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle as OpenFile, open, readdir, rename, rm, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CofferError, type ErrorCode } from "../../shared/errors.ts";
import { describeHandle, type FileHandle, type FileType, fileTypes, isId, pathOf } from "../../shared/format/layout.ts";
import type { Backend, FileInfo, LoadOptions } from "../backends/backend.ts";
import { throwIfCancelled } from "../backends/cancellation.ts";
import { checkHandle, checkRange, lengthInFile, memoryFor, notFound } from "../backends/ranges.ts";
import { makeFolders } from "./make-folders.ts";
import { readFully } from "./read-fully.ts";
import { hasSystemCode, systemCodeOf } from "./system-errors.ts";

/** How many files a listing asks about at once: enough to keep Node's file threads busy. */
const parallelStats = 64;
/** A cancelled write ends after at most one more piece of this length. */
const pieceBytes = 4 * 1024 * 1024;
const groupReadBit = 0o040;
const writeBits = 0o222;

export interface LocalBackendOptions {
  readonly connections?: number;
}

export class LocalBackend implements Backend {
  readonly location: string;
  readonly connections: number;
  readonly hasAtomicReplace: boolean = true;
  readonly #root: string;
  /** Modes of what is created, less the umask. A repository whose `config` its group may read is shared with the group. */
  readonly #folderMode: number;
  readonly #fileMode: number;

  private constructor(root: string, connections: number, isGroupReadable: boolean) {
    this.location = root;
    this.#root = root;
    this.connections = connections;
    this.#folderMode = isGroupReadable ? 0o770 : 0o700;
    this.#fileMode = isGroupReadable ? 0o660 : 0o600;
  }

  /** Looks at an existing `config` for its mode; the folder need not exist. */
  static async open(root: string, options: LocalBackendOptions = {}): Promise<LocalBackend> {
    const mode = await stat(join(root, pathOf({ type: "config" }))).then(
      (status) => status.mode,
      () => 0,
    );
    return new LocalBackend(root, options.connections ?? 2, (mode & groupReadBit) !== 0);
  }

  async create(signal?: AbortSignal): Promise<void> {
    throwIfCancelled(signal);
    const shards = Array.from({ length: 256 }, (_, shard) => `data/${shard.toString(16).padStart(2, "0")}`);
    try {
      for (const folder of [...fileTypes, ...shards]) makeFolders(join(this.#root, folder), this.#folderMode);
      for (const folder of [dirname(this.#root), this.#root, join(this.#root, "data")]) await flushFolder(folder);
    } catch (error) {
      throw translate(error, `folders of the repository at ${this.#root}`);
    }
  }

  async list(type: FileType, signal?: AbortSignal): Promise<FileInfo[]> {
    throwIfCancelled(signal);
    const folder = join(this.#root, type);
    const folders = type === "data" ? await this.#shardsOf(folder) : [folder];
    const candidates: string[] = [];
    for (const inner of folders) {
      throwIfCancelled(signal);
      for (const name of await namesIn(inner)) {
        // A pack in a wrong shard could be listed but never be loaded: for this backend it does not exist.
        if (isId(name) && (type !== "data" || inner.endsWith(name.slice(0, 2)))) candidates.push(join(inner, name));
      }
    }
    return sizesOf(candidates, signal);
  }

  async stat(handle: FileHandle, signal?: AbortSignal): Promise<number> {
    checkHandle(handle);
    throwIfCancelled(signal);
    try {
      const status = await stat(this.#pathOf(handle));
      // A folder or device of that name is no file of the repository: it is not listed either.
      if (!status.isFile()) throw notFound(handle);
      return status.size;
    } catch (error) {
      throw this.#translate(error, handle);
    }
  }

  async load(handle: FileHandle, options: LoadOptions = {}): Promise<Uint8Array> {
    checkHandle(handle);
    checkRange(options.range);
    throwIfCancelled(options.signal);
    let file: OpenFile | undefined;
    try {
      file = await open(this.#pathOf(handle), constants.O_RDONLY);
      const status = await file.stat();
      if (!status.isFile()) throw notFound(handle);
      const lengthBytes = lengthInFile(handle, options.range, status.size);
      const memory = memoryFor(handle, lengthBytes, options.into);
      await readFully(file, memory, options.range?.offsetBytes ?? 0, options.signal);
      return memory;
    } catch (error) {
      throw this.#translate(error, handle);
    } finally {
      await file?.close();
    }
  }

  async save(handle: FileHandle, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkHandle(handle);
    throwIfCancelled(signal);
    const path = this.#pathOf(handle);
    const temporaryPath = `${path}-tmp-${randomInt(2 ** 47)}`;
    try {
      const file = await this.#createFile(temporaryPath);
      try {
        await writeDurably(file, body, signal);
      } finally {
        await file.close();
      }
      await rename(temporaryPath, path);
      await flushFolder(dirname(path));
    } catch (error) {
      await rm(temporaryPath, { force: true }).catch(() => undefined);
      throw this.#translate(error, handle);
    }
  }

  async remove(handle: FileHandle, signal?: AbortSignal): Promise<void> {
    checkHandle(handle);
    throwIfCancelled(signal);
    try {
      await unlink(this.#pathOf(handle));
    } catch (error) {
      if (!hasSystemCode(error, "ENOENT")) throw this.#translate(error, handle);
    }
  }

  async close(): Promise<void> {}

  #pathOf(handle: FileHandle): string {
    return join(this.#root, pathOf(handle));
  }

  async #shardsOf(folder: string): Promise<string[]> {
    const names = await namesIn(folder);
    return names.filter((name) => /^[0-9a-f]{2}$/.test(name)).map((name) => join(folder, name));
  }

  /** A new file that nobody else has open. A missing folder, up to the repository itself, is made. */
  async #createFile(path: string): Promise<OpenFile> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
    try {
      return await open(path, flags, this.#fileMode);
    } catch (error) {
      if (!hasSystemCode(error, "ENOENT")) throw error;
    }
    const folder = dirname(path);
    makeFolders(folder, this.#folderMode);
    // The entry of the new folder must survive a crash as well as the file in it.
    await flushFolder(dirname(folder));
    return open(path, flags, this.#fileMode);
  }

  #translate(error: unknown, handle: FileHandle): CofferError {
    if (hasSystemCode(error, "ENOENT")) return notFound(handle, error);
    return translate(error, describeHandle(handle));
  }
}

async function writeDurably(file: OpenFile, body: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
  for (let offset = 0; offset < body.length; ) {
    throwIfCancelled(signal);
    const piece = body.subarray(offset, offset + pieceBytes);
    offset += (await file.write(piece, 0, piece.length)).bytesWritten;
  }
  const status = await file.stat();
  if (status.size !== body.length) {
    const message = `file system expected to hold ${body.length} bytes, holds ${status.size}`;
    throw new CofferError("unavailable", message);
  }
  await ignoring(["ENOTSUP", "EINVAL", "ENOTTY", "ENOSYS"], file.sync());
  // What is stored is never changed again. Some network file systems have no modes.
  await ignoring(["EPERM", "EACCES", "ENOTSUP", "ENOSYS"], file.chmod(status.mode & 0o777 & ~writeBits));
}

/** Makes renames and creations in a folder durable, where the system can do that. */
async function flushFolder(path: string): Promise<void> {
  const unsupported = ["ENOTSUP", "EINVAL", "ENOENT", "EISDIR", "EPERM", "EACCES", "ENOTTY", "ENOSYS"];
  await ignoring(
    unsupported,
    open(path, constants.O_RDONLY).then((folder) => folder.sync().finally(() => folder.close())),
  );
}

async function ignoring(codes: readonly string[], work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!hasSystemCode(error, ...codes)) throw error;
  }
}

/** Names in a folder; none when it is absent or no folder. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasSystemCode(error, "ENOENT", "ENOTDIR")) return [];
    throw translate(error, `folder ${folder}`);
  }
}

/** Ids and sizes of those paths that are regular files; one that vanished meanwhile is left out. */
async function sizesOf(paths: readonly string[], signal: AbortSignal | undefined): Promise<FileInfo[]> {
  const found: FileInfo[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let path = paths[next++]; path !== undefined; path = paths[next++]) {
      throwIfCancelled(signal);
      try {
        const status = await stat(path);
        if (status.isFile()) found.push({ id: path.slice(-64), sizeBytes: status.size });
      } catch (error) {
        if (!hasSystemCode(error, "ENOENT")) throw translate(error, path);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallelStats, paths.length) }, worker));
  return found;
}

const codeOfSystemCode: Readonly<Record<string, ErrorCode>> = {
  EACCES: "forbidden",
  EPERM: "forbidden",
  EROFS: "forbidden",
  EISDIR: "forbidden",
  ENOTDIR: "forbidden",
  ELOOP: "forbidden",
  ENAMETOOLONG: "forbidden",
  ENOSPC: "out-of-space",
  EDQUOT: "out-of-space",
  ENOENT: "not-found",
};

function translate(error: unknown, subject: string): CofferError {
  if (error instanceof CofferError) return error;
  const code = codeOfSystemCode[systemCodeOf(error) ?? ""] ?? "unavailable";
  const reason = error instanceof Error ? error.message : String(error);
  return new CofferError(code, `${subject}: ${reason}`, { cause: error });
}
