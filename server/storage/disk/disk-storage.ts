/**
 * Repositories as folders on disk, in restic's layout: `<data folder>/<folder>/<folder>/{config,data/00..ff/,index/,keys/,locks/,snapshots/}`.
 * A repository can be used through the file system at the same time.
 */
import { dirname, join } from "node:path";
import { CofferError } from "../../../shared/errors.ts";
import { describeHandle, type FileHandle, type FileType, folderOf, pathOf } from "../../../shared/format/layout.ts";
import { isFolderName } from "../folder-name.ts";
import { LocalNameTurns, type NameTurns } from "../name-turns.ts";
import type { ByteSelection } from "../selection.ts";
import type { Repositories, Storage, StoredContent, StoredFile, StoredUsage } from "../storage.ts";
import { pooledBufferBytes } from "./buffer-pool.ts";
import { DiskQueue, defaultTransfers } from "./disk-queue.ts";
import { openDownload } from "./download.ts";
import { DurableNames } from "./durable-names.ts";
import {
  failedWith,
  fileSystemError,
  groupModes,
  ownerModes,
  statusOf,
  syncWritten,
  unlinkFile,
} from "./file-system.ts";
import { Folders } from "./folders.ts";
import { ListThread } from "./list-thread.ts";
import { listFiles } from "./listing.ts";
import { ReceivedBody } from "./received-body.ts";
import { Uploader, type UploadPlace } from "./upload.ts";
import { ownFolder, Uploads } from "./uploads.ts";
import { measureUsage } from "./usage.ts";

export interface DiskSettings {
  /** How many packs may be read or written at the same time; 5 when absent. */
  readonly transfers?: number | undefined;
  /** New files and folders are also for the group of the data folder's files. */
  readonly isGroupAccessible?: boolean;
  /** For taking names where there are no hard links. Those of this process alone when absent. */
  readonly turns?: NameTurns | undefined;
  /** Several processes use the data folder, and what one of them has made another one may find before it is durable. */
  readonly hasOtherProcesses?: boolean;
}

export class DiskRepositories implements Repositories {
  readonly #dataFolder: string;
  readonly #uploads: Uploads;
  readonly #shared: SharedState;

  constructor(dataFolder: string, settings: DiskSettings = {}) {
    const { transfers = defaultTransfers, isGroupAccessible = false, hasOtherProcesses = false } = settings;
    const { turns = new LocalNameTurns() } = settings;
    this.#dataFolder = dataFolder;
    const modes = isGroupAccessible ? groupModes : ownerModes;
    const folders = new Folders(modes, hasOtherProcesses ? new DurableNames(dataFolder) : undefined);
    this.#uploads = new Uploads(dataFolder, folders, modes);
    this.#shared = {
      folders,
      uploader: new Uploader(folders, this.#uploads, turns),
      listThread: new ListThread(),
      queue: new DiskQueue(transfers),
    };
  }

  at(folders: readonly string[]): Storage {
    if (!folders.every(isFolderName) || folders[0] === ownFolder) {
      throw new CofferError("not-found", `repository ${JSON.stringify(folders)} cannot be a folder`);
    }
    return new DiskStorage(join(this.#dataFolder, ...folders), folders[0] ?? "", this.#shared);
  }

  /** What is stored, unfinished uploads left out. It blocks; to be called before the first request. */
  measure(): Iterable<StoredUsage> {
    return measureUsage(this.#dataFolder);
  }

  /** Removes the unfinished uploads of earlier runs; to be awaited before the first request. Returns their number. */
  async sweep(): Promise<number> {
    try {
      return await this.#uploads.sweep();
    } catch (error) {
      throw fileSystemError(error, "cannot remove unfinished uploads");
    }
  }
}

/** What all repositories of a server share. */
interface SharedState {
  readonly folders: Folders;
  readonly uploader: Uploader;
  readonly listThread: ListThread;
  readonly queue: DiskQueue;
}

class DiskStorage implements Storage {
  readonly #repository: string;
  /** Whose requests wait for the disk in one line: the user, where users have folders of their own. */
  readonly #owner: string;
  readonly #shared: SharedState;

  constructor(repository: string, owner: string, shared: SharedState) {
    this.#repository = repository;
    this.#owner = owner;
    this.#shared = shared;
  }

  async create(): Promise<void> {
    try {
      await this.#shared.folders.makeRepository(this.#repository);
    } catch (error) {
      const reason = fileSystemError(error, `cannot make the repository ${this.#repository}`);
      // Nothing was asked for that could be missing: a file is in the way, or a parent was removed meanwhile.
      if (reason.code === "out-of-space") throw reason;
      throw new CofferError("unavailable", reason.message, { cause: error });
    }
  }

  list(type: FileType): AsyncIterable<readonly StoredFile[]> {
    return listFiles(this.#repository, type, this.#shared.listThread);
  }

  async stat(handle: FileHandle): Promise<number> {
    const path = this.#pathOf(handle);
    try {
      const status = await this.#shortly(() => statusOf(path));
      if (status.isFile()) return status.size;
    } catch (error) {
      throw fileSystemError(error, `cannot find ${describeHandle(handle)}`);
    }
    throw new CofferError("not-found", `${path} is not a regular file`);
  }

  async read(handle: FileHandle, selection?: ByteSelection): Promise<StoredContent> {
    try {
      const isShort = handle.type !== "data" || isSmall(selection);
      return await openDownload(this.#pathOf(handle), selection, this.#shared.queue.turnFor(this.#owner, isShort));
    } catch (error) {
      throw fileSystemError(error, `cannot read ${describeHandle(handle)}`);
    }
  }

  async put(handle: FileHandle, body: AsyncIterable<Uint8Array>): Promise<void> {
    const path = this.#pathOf(handle);
    const received = new ReceivedBody(body, (descriptor) => this.#shared.queue.tryFlush(() => syncWritten(descriptor)));
    try {
      await this.#shortly(() => this.#shared.uploader.refuseExisting(path));
      if (handle.type === "config") await this.#shortly(() => statusOf(this.#repository));
      // The beginning is awaited without a place in the queue: what is small never waits for its client while it holds one.
      await received.begin();
      const turn = this.#shared.queue.turnFor(this.#owner, handle.type !== "data" || received.isComplete);
      await turn.take();
      try {
        await this.#shared.uploader.store(this.#placeOf(handle), received, turn);
      } finally {
        turn.end();
      }
    } catch (error) {
      throw this.#uploadError(error, handle);
    } finally {
      await received.abandon();
    }
  }

  /** Only a `config` can lack its repository. For all else the place is made, and one that cannot be had may be there again soon. */
  #uploadError(error: unknown, handle: FileHandle): CofferError {
    const failure = fileSystemError(error, `cannot store ${describeHandle(handle)}`);
    if (failure.code !== "not-found" || handle.type === "config") return failure;
    return new CofferError("unavailable", failure.message, { cause: failure });
  }

  async remove(handle: FileHandle): Promise<void> {
    const path = this.#pathOf(handle);
    try {
      await this.#shortly(() => unlinkFile(path));
    } catch (error) {
      // A folder or a device under this name is not one of our files, which is as good as absent.
      if (failedWith(error, "ENOENT", "ENOTDIR", "EISDIR", "EPERM") && !(await isRegularFile(path))) return;
      throw fileSystemError(error, `cannot remove ${describeHandle(handle)}`);
    }
    if (handle.type === "data" || handle.type === "locks") return;
    try {
      await this.#shortly(() => this.#shared.folders.sync(dirname(path)));
    } catch (error) {
      throw fileSystemError(error, `cannot make the removal of ${describeHandle(handle)} durable`);
    }
  }

  #shortly<Result>(action: () => Promise<Result>): Promise<Result> {
    return this.#shared.queue.shortly(this.#owner, action);
  }

  #placeOf(handle: FileHandle): UploadPlace {
    const isConfig = handle.type === "config";
    return {
      path: this.#pathOf(handle),
      volumeFolder: isConfig ? this.#repository : join(this.#repository, folderOf(handle.type)),
      makesFolders: !isConfig,
    };
  }

  #pathOf(handle: FileHandle): string {
    return join(this.#repository, pathOf(handle));
  }
}

/** True for what fits one buffer, whatever the size of the file. */
function isSmall(selection: ByteSelection | undefined): boolean {
  if (selection === undefined) return false;
  if ("suffixBytes" in selection) return selection.suffixBytes <= pooledBufferBytes;
  const { firstByte, lastByte = Number.POSITIVE_INFINITY } = selection;
  return lastByte - firstByte < pooledBufferBytes;
}

async function isRegularFile(path: string): Promise<boolean> {
  const status = await statusOf(path).catch(() => undefined);
  return status?.isFile() === true;
}
