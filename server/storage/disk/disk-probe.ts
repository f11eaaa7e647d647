/** Asks a disk whether it still takes files, by giving it one. */
import { statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { StorageProbe, StorageSpace } from "../probe.ts";
import {
  closeFile,
  createFlags,
  failedWith,
  openFile,
  ownerModes,
  syncFile,
  unlinkFile,
  writeFully,
} from "./file-system.ts";
import { Folders } from "./folders.ts";
import { newUploadName } from "./upload-names.ts";
import { ownFolder } from "./uploads.ts";

/** A block of most disks. */
const probeBytes = 4_096;

export class DiskProbe implements StorageProbe {
  readonly #dataFolder: string;
  readonly #folders = new Folders();

  constructor(dataFolder: string) {
    this.#dataFolder = dataFolder;
  }

  /** Makes the data folder if there is none, as the first upload would. */
  async readiness(): Promise<void> {
    // Where uploads grow, and named as they are: what a crash leaves behind is swept with them, and nothing while this process runs.
    const folder = join(this.#dataFolder, ownFolder, "uploads");
    await this.#folders.make(folder);
    const path = join(folder, newUploadName());
    const descriptor = await openFile(path, createFlags, ownerModes.file);
    try {
      await writeFully(descriptor, [Buffer.alloc(probeBytes)]);
      await syncFile(descriptor);
    } finally {
      closeFile(descriptor);
      await unlinkFile(path);
    }
  }

  /** Of the file system that the data folder is on, or will be. */
  async space(): Promise<StorageSpace> {
    const { bavail, blocks, bsize } = await statfsOfExisting(this.#dataFolder);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  }
}

async function statfsOfExisting(folder: string): Promise<{ bavail: number; blocks: number; bsize: number }> {
  try {
    return await statfs(folder);
  } catch (error) {
    if (!failedWith(error, "ENOENT") || dirname(folder) === folder) throw error;
    return statfsOfExisting(dirname(folder));
  }
}
