/** Making folders and the names in them durable. */
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileTypes } from "../../../shared/format/layout.ts";
import type { DurableNames } from "./durable-names.ts";
import { failedWith, type Modes, ownerModes, statusOf, syncFolder } from "./file-system.ts";

/** The 256 folders that packs are spread over. */
export const packFolders: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));

export class Folders {
  readonly #mode: number;
  readonly #names: DurableNames | undefined;
  /** Folders that this process has made, but whose names in their parents are not yet durable. */
  readonly #inProgress = new Set<Promise<void>>();

  /** With names, other processes make folders at the same time. */
  constructor(modes: Modes = ownerModes, names?: DurableNames) {
    this.#mode = modes.folder;
    this.#names = names;
  }

  /** Makes a folder and its parents, durably. Existing ones are left alone. */
  make(folder: string): Promise<void> {
    return this.#track(this.#make(folder));
  }

  /** Makes the folders of a repository, durably. */
  async makeRepository(folder: string): Promise<void> {
    await this.#track(this.#makeRepository(folder));
    // Those that were there already may be somebody's who is not done yet.
    await Promise.all(this.#inProgress);
  }

  /** Returns when the names in the folder, and the folder's own name, survive a crash. */
  async sync(folder: string): Promise<void> {
    await (this.#names === undefined ? syncFolder(folder) : this.#names.sync(folder));
    if (this.#inProgress.size > 0) await Promise.all(this.#inProgress);
  }

  #track(making: Promise<void>): Promise<void> {
    this.#inProgress.add(making);
    const forget = (): void => void this.#inProgress.delete(making);
    making.then(forget, forget);
    return making;
  }

  async #make(folder: string): Promise<void> {
    const firstMade = await makeFolders(folder, this.#mode).finally(() => this.#names?.forget());
    if (firstMade === undefined) return;
    const last = dirname(firstMade);
    let parent = folder;
    do {
      parent = dirname(parent);
      await syncFolder(parent);
    } while (parent.length > last.length);
  }

  async #makeRepository(folder: string): Promise<void> {
    await this.#make(folder);
    await Promise.all(fileTypes.map((type) => makeOne(join(folder, type), this.#mode)));
    const packs = join(folder, "data");
    await Promise.all(packFolders.map((name) => makeOne(join(packs, name), this.#mode)));
    this.#names?.forget();
    await Promise.all([syncFolder(packs), this.#names?.sync(folder) ?? syncFolder(folder)]);
  }
}

/**
 * Makes a folder and the missing ones above it; returns the uppermost that was made. Node's own recursive form never ends where a
 * folder cannot be made although its parent is there, as in /proc.
 */
export async function makeFolders(folder: string, mode: number): Promise<string | undefined> {
  let madeAbove: string | undefined;
  for (const isRetry of [false, true]) {
    try {
      await mkdir(folder, { mode });
      return madeAbove ?? folder;
    } catch (error) {
      if (failedWith(error, "EEXIST") && (await statusOf(folder)).isDirectory()) return madeAbove;
      const parent = dirname(folder);
      if (isRetry || !failedWith(error, "ENOENT") || parent === folder) throw error;
      madeAbove = await makeFolders(parent, mode);
    }
  }
  return madeAbove;
}

async function makeOne(folder: string, mode: number): Promise<void> {
  try {
    await mkdir(folder, { mode });
  } catch (error) {
    if (!failedWith(error, "EEXIST")) throw error;
  }
}
