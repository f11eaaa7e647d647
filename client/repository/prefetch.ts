/**
 * Requests what every command needs while the key is still being derived, which takes longer than all of it: first the list
 * of snapshots and the snapshots, then the list of index files and the index files. The order matters: a backup that ends meanwhile
 * writes its index before its snapshot, so whoever lists the other way round may see a snapshot whose blobs it does not
 * know. Source: docs/format.md, section 7.2.
 */
import type { FileType, Id } from "../../shared/format/layout.ts";
import type { Backend, FileInfo } from "../backends/backend.ts";
import { forEachConcurrently } from "./concurrency.ts";
import { signalOption } from "./failures.ts";

export type PrefetchedType = "snapshots" | "index";

/** Sealed files that wait in memory for the key; whatever is beyond is loaded when it is needed. */
const maxHeldBytes = 48 * 1024 * 1024;

export interface PrefetchOptions {
  readonly signal?: AbortSignal | undefined;
  /** False where a cache, which is found only with the key, may have the files: then only lists are requested. */
  readonly withContent: boolean;
}

export class Prefetch {
  readonly #backend: Backend;
  readonly #options: PrefetchOptions;
  readonly #listings: Map<FileType, Promise<FileInfo[]>> = new Map();
  /** What was requested, by type and id. */
  readonly #files: Map<string, Promise<Uint8Array>> = new Map();
  /** What somebody wanted before it was requested here, and so loads without us. */
  readonly #loadedElsewhere: Set<string> = new Set();
  #heldBytes = 0;

  constructor(backend: Backend, options: PrefetchOptions) {
    this.#backend = backend;
    this.#options = options;
  }

  /** Begins. A failure is not reported: whoever wants the file then asks again. */
  start(types: readonly PrefetchedType[]): void {
    let previous: Promise<unknown> = Promise.resolve();
    for (const type of types) {
      const listing = previous.then(() => this.#backend.list(type, this.#options.signal));
      this.#listings.set(type, listing);
      previous = listing;
      const fetched = this.#options.withContent ? listing.then((files) => this.#fetch(type, files)) : listing;
      fetched.catch(() => undefined);
    }
  }

  /** The list that was requested ahead, once; undefined when it was not, or could not be had. */
  async takeList(type: FileType): Promise<FileInfo[] | undefined> {
    const listing = this.#listings.get(type);
    this.#listings.delete(type);
    return listing?.catch(() => undefined);
  }

  /** The bytes that were requested ahead, once; undefined when this file was not, or could not be had. */
  async takeFile(type: FileType, id: Id): Promise<Uint8Array | undefined> {
    const key = keyOf(type, id);
    const file = this.#files.get(key);
    if (file === undefined) this.#loadedElsewhere.add(key);
    this.#files.delete(key);
    return file?.catch(() => undefined);
  }

  async #fetch(type: PrefetchedType, files: readonly FileInfo[]): Promise<void> {
    // One slot stays free for the key files, which everything else waits for.
    const limit = Math.max(1, this.#backend.connections - 1);
    await forEachConcurrently(files, limit, async ({ id, sizeBytes }) => {
      const key = keyOf(type, id);
      if (this.#loadedElsewhere.has(key) || this.#heldBytes + sizeBytes > maxHeldBytes) return;
      this.#heldBytes += sizeBytes;
      const file = this.#backend.load({ type, id }, signalOption(this.#options.signal));
      this.#files.set(key, file);
      await file.catch(() => undefined);
    });
  }
}

function keyOf(type: FileType, id: Id): string {
  return `${type}/${id}`;
}
