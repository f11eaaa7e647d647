/**
 * Repositories as folders on disk, in restic's layout: `<data folder>/<folder>/<folder>/{config,data/00..ff/,index/,keys/,locks/,snapshots/}`.
 * A repository can be used through the file system at the same time.
 */
import { dirname, join } from "node:path";
import { CofferError } from "../../../shared/errors.ts";
import { describeHandle, type FileHandle, type FileType, folderOf, pathOf } from "../../../shared/format/layout.ts";
import { Gate } from "../../gate.ts";
import { isFolderName } from "../folder-name.ts";
import type { ByteSelection } from "../selection.ts";
import type { Repositories, Storage, StoredContent, StoredFile, StoredUsage } from "../storage.ts";
import { openDownload } from "./download.ts";
import { failedWith, fileSystemError, groupModes, ownerModes, statusOf, unlinkFile } from "./file-system.ts";
import { Folders } from "./folders.ts";
import { ListThread } from "./list-thread.ts";
import { listFiles } from "./listing.ts";
import { ReceivedBody } from "./received-body.ts";
import { Uploader, type UploadPlace } from "./upload.ts";
import { ownFolder, Uploads } from "./uploads.ts";
import { measureUsage } from "./usage.ts";

/**
 * How many files may be read or written at once. Packs and the small files have gates of their own, so that many transfers of packs
 * never delay a lock. Nobody keeps a place while waiting for a client.
 */
const packPlaces = 64;
const smallFilePlaces = 64;

export interface DiskSettings {
  /** New files and folders are also for the group of the data folder's files. */
  readonly isGroupAccessible?: boolean;
}

export class DiskRepositories implements Repositories {
  readonly #dataFolder: string;
  readonly #uploads: Uploads;
  readonly #shared: SharedState;

  constructor(dataFolder: string, { isGroupAccessible = false }: DiskSettings = {}) {
    this.#dataFolder = dataFolder;
    const modes = isGroupAccessible ? groupModes : ownerModes;
    const folders = new Folders(modes);
    this.#uploads = new Uploads(dataFolder, modes);
    this.#shared = {
      folders,
      uploader: new Uploader(folders, this.#uploads),
      listThread: new ListThread(),
      packGate: new Gate(packPlaces),
      smallFileGate: new Gate(smallFilePlaces),
    };
  }

  at(folders: readonly string[]): Storage {
    if (!folders.every(isFolderName) || folders[0] === ownFolder) {
      throw new CofferError("not-found", `repository ${JSON.stringify(folders)} cannot be a folder`);
    }
    return new DiskStorage(join(this.#dataFolder, ...folders), this.#shared);
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
  readonly packGate: Gate;
  readonly smallFileGate: Gate;
}

class DiskStorage implements Storage {
  readonly #repository: string;
  readonly #shared: SharedState;

  constructor(repository: string, shared: SharedState) {
    this.#repository = repository;
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
      const status = await statusOf(path);
      if (status.isFile()) return status.size;
    } catch (error) {
      throw fileSystemError(error, `cannot find ${describeHandle(handle)}`);
    }
    throw new CofferError("not-found", `${path} is not a regular file`);
  }

  async read(handle: FileHandle, selection?: ByteSelection): Promise<StoredContent> {
    try {
      return await openDownload(this.#pathOf(handle), selection, this.#gateFor(handle.type));
    } catch (error) {
      throw fileSystemError(error, `cannot read ${describeHandle(handle)}`);
    }
  }

  async put(handle: FileHandle, body: AsyncIterable<Uint8Array>): Promise<void> {
    const path = this.#pathOf(handle);
    const received = new ReceivedBody(body);
    try {
      await this.#shared.uploader.refuseExisting(path);
      if (handle.type === "config") await statusOf(this.#repository);
      await received.gather();
      await this.#shared.uploader.store(this.#placeOf(handle), received, this.#gateFor(handle.type));
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
      await unlinkFile(path);
    } catch (error) {
      // A folder or a device under this name is not one of our files, which is as good as absent.
      if (failedWith(error, "ENOENT", "ENOTDIR", "EISDIR", "EPERM") && !(await isRegularFile(path))) return;
      throw fileSystemError(error, `cannot remove ${describeHandle(handle)}`);
    }
    if (handle.type === "data" || handle.type === "locks") return;
    try {
      await this.#shared.folders.sync(dirname(path));
    } catch (error) {
      throw fileSystemError(error, `cannot make the removal of ${describeHandle(handle)} durable`);
    }
  }

  #gateFor(type: FileHandle["type"]): Gate {
    return type === "data" ? this.#shared.packGate : this.#shared.smallFileGate;
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

async function isRegularFile(path: string): Promise<boolean> {
  const status = await statusOf(path).catch(() => undefined);
  return status?.isFile() === true;
}
