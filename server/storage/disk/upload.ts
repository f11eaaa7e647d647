/**
 * Storing a file: written and synced under a temporary name, then given its own, then that name made durable. Only
 * after that the upload counts.
 */
import { realpath, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CofferError } from "../../../shared/errors.ts";
import type { NameTurns } from "../name-turns.ts";
import type { DiskTurn } from "./disk-turn.ts";
import { closeFile, entryStatusOf, failedWith, linkFile, syncFile } from "./file-system.ts";
import type { Folders } from "./folders.ts";
import type { ReceivedBody } from "./received-body.ts";
import type { TemporaryFile, Uploads } from "./uploads.ts";

/** Where an upload belongs. */
export interface UploadPlace {
  readonly path: string;
  /** The folder below which all places are on one file system. */
  readonly volumeFolder: string;
  /** Whether missing folders are made, or are an error. */
  readonly makesFolders: boolean;
}

/** Link, retry after making the folder, retry after moving near: more attempts mean that somebody works against us. */
const publishingAttempts = 4;

const noHardLinks = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"];

export class Uploader {
  readonly #folders: Folders;
  readonly #uploads: Uploads;
  /** Where there are no hard links, one upload at a time looks whether a name is free and takes it. */
  readonly #turns: NameTurns;
  readonly #link: typeof linkFile;

  constructor(folders: Folders, uploads: Uploads, turns: NameTurns, link: typeof linkFile = linkFile) {
    this.#folders = folders;
    this.#uploads = uploads;
    this.#turns = turns;
    this.#link = link;
  }

  /** Stores the body; the turn has been taken. Throws `already-exists` when the name is taken, which is durable then. */
  async store(place: UploadPlace, body: ReceivedBody, turn: DiskTurn): Promise<void> {
    let file = await this.#write(place, body, turn);
    try {
      file = await this.#publish(place, file);
    } catch (error) {
      await this.#uploads.discard(file);
      throw error;
    }
    const discarded = this.#uploads.discard(file);
    try {
      await this.#folders.sync(dirname(place.path));
    } finally {
      await discarded;
    }
  }

  /**
   * Throws `already-exists` when there is something of this name. It may be an upload that is just ending, so its name is made
   * durable before anybody relies on it.
   */
  async refuseExisting(path: string): Promise<void> {
    if (await exists(path)) await this.#refuse(path);
  }

  async #write(place: UploadPlace, body: ReceivedBody, turn: DiskTurn): Promise<TemporaryFile> {
    const file = await this.#uploads.open(dirname(place.path), place.volumeFolder);
    try {
      try {
        await body.writeTo(file.descriptor, turn);
        await syncFile(file.descriptor);
      } finally {
        // Some file systems report only here that there was no room.
        closeFile(file.descriptor);
      }
      return file;
    } catch (error) {
      await this.#uploads.discard(file);
      throw error;
    }
  }

  /** Gives the file its name. Returns the temporary file that is to be discarded, which can be another one. */
  async #publish(place: UploadPlace, written: TemporaryFile): Promise<TemporaryFile> {
    const folder = dirname(place.path);
    let file = written;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#link(file.path, place.path);
        return file;
      } catch (error) {
        if (attempt === publishingAttempts) throw error;
        if (failedWith(error, "EEXIST")) await this.#refuse(place.path);
        else if (failedWith(error, "ENOENT") && place.makesFolders) await this.#folders.make(folder);
        else if (failedWith(error, "EXDEV")) file = await this.#uploads.moveNear(file, folder, place.volumeFolder);
        else if (failedWith(error, ...noHardLinks)) return this.#publishByRename(place.path, file);
        else throw error;
      }
    }
  }

  /** Exact among the uploads of this server; a program beside it could take the name between the look and the rename. */
  async #publishByRename(path: string, file: TemporaryFile): Promise<TemporaryFile> {
    return this.#turns.run(await turnNameOf(path), async () => {
      await this.refuseExisting(path);
      await rename(file.path, path);
      return file;
    });
  }

  async #refuse(path: string): Promise<never> {
    await this.#folders.sync(dirname(path));
    throw new CofferError("already-exists", `${path} exists already`);
  }
}

/**
 * The same for all paths that may lead to one file: through links, and where the file system does not tell large letters from small
 * ones, which is common where it has no hard links. That some files share a turn for no reason does no harm.
 */
async function turnNameOf(path: string): Promise<string> {
  const place = join(await realpath(dirname(path)), basename(path));
  return place.normalize("NFKC").toUpperCase().toLowerCase();
}

/** Whatever has the name is in the way, also a link that leads nowhere. */
async function exists(path: string): Promise<boolean> {
  try {
    await entryStatusOf(path);
    return true;
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
}
