/**
 * The names of folders that other processes may have made a moment ago: whoever stores in such a folder makes its name durable himself,
 * and remembers that, so that it costs something only once.
 */
import { dirname, resolve } from "node:path";
import { failedWith, identifyAndSync } from "./file-system.ts";

/** About as many as forty repositories have. */
const rememberedFolders = 10_000;

export class DurableNames {
  readonly #top: string;
  readonly #capacity: number;
  /**
   * Folders whose names, and those of all folders above them up to the top, were found durable, and what tells each from another folder
   * that gets its name later.
   */
  #known = new Map<string, string>();

  constructor(top: string, capacity: number = rememberedFolders) {
    this.#top = resolve(top);
    this.#capacity = capacity;
  }

  /** Returns when the names in the folder, which is below the top, and those that lead from the top to it, survive a crash. */
  async sync(folder: string): Promise<void> {
    // Whoever has folders forgotten meanwhile replaces the map: what is found here is then remembered nowhere.
    const known = this.#known;
    const found: [string, string][] = [];
    let each = resolve(folder);
    let identity = await identifyAndSync(each);
    while (each !== this.#top && each !== dirname(each) && known.get(each) !== identity) {
      found.push([each, identity]);
      each = dirname(each);
      identity = await syncIfReadable(each);
    }
    if (known.size + found.length > this.#capacity) this.forget();
    else for (const [path, itsIdentity] of found) known.set(path, itsIdentity);
  }

  /** To be called when this process may have made folders: not every file system tells them from earlier ones of their names. */
  forget(): void {
    this.#known = new Map();
  }
}

/** No process of this server can sync what it must not read, so none of them has answered for a name in there. */
async function syncIfReadable(folder: string): Promise<string> {
  try {
    return await identifyAndSync(folder);
  } catch (error) {
    if (failedWith(error, "EACCES")) return "";
    throw error;
  }
}
