/**
 * Storing a file: written and synced under a temporary name, then given its own, then that name made durable. Only
 * after that the upload counts.
 */
import { rename } from "node:fs/promises";
import { dirname } from "node:path";
import { CofferError } from "../../../shared/errors.ts";
import { Gate } from "../../gate.ts";
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
  /** Where there are no hard links, one upload at a time looks whether its name is free and takes it. */
  readonly #renaming = new Gate(1);

  constructor(folders: Folders, uploads: Uploads) {
    this.#folders = folders;
    this.#uploads = uploads;
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
        await linkFile(file.path, place.path);
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

  /** Exact among the uploads of this server; another process could take the name between the look and the rename. */
  async #publishByRename(path: string, file: TemporaryFile): Promise<TemporaryFile> {
    await this.#renaming.enter();
    try {
      await this.refuseExisting(path);
      await rename(file.path, path);
      return file;
    } finally {
      this.#renaming.leave();
    }
  }

  async #refuse(path: string): Promise<never> {
    await this.#folders.sync(dirname(path));
    throw new CofferError("already-exists", `${path} exists already`);
  }
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
