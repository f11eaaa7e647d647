/** Finished packs on their way to the backend. A pack counts only once the backend has acknowledged it. */
import type { Id } from "../../shared/format/layout.ts";

/** A pack in a buffer that must not change until `release`. */
export interface PackToStore {
  readonly id: Id;
  readonly bytes: Uint8Array;
  readonly blobs: number;
  /** The plain header. */
  readonly header: Uint8Array;
  /** True for trees, which a cache keeps. */
  readonly isMetadata: boolean;
  /** Gives the buffer back. */
  readonly release: () => void;
}

export interface UploadQueueOptions {
  save(pack: PackToStore): Promise<void>;
  /** Uploads wait for it: nothing may be written before the lock is known to hold. */
  readonly permitted: Promise<unknown>;
  /** Told in no particular order. */
  stored(pack: PackToStore): void;
  /** At the first upload that fails for good; nothing is uploaded after it. */
  failed(error: unknown): void;
}

/** How many uploads run at once is bounded by the buffers, and by the backend. */
export class UploadQueue {
  readonly #options: UploadQueueOptions;
  readonly #running = new Set<Promise<void>>();
  #hasFailed = false;

  constructor(options: UploadQueueOptions) {
    this.#options = options;
  }

  add(pack: PackToStore): void {
    const upload = this.#upload(pack).finally(() => this.#running.delete(upload));
    this.#running.add(upload);
  }

  /** Nothing that is not running yet is begun. */
  stop(): void {
    this.#hasFailed = true;
  }

  /** When all packs that were added are stored or have failed. Never rejects: failures are told by `failed`. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #upload(pack: PackToStore): Promise<void> {
    try {
      await this.#options.permitted;
      if (this.#hasFailed) return;
      await this.#options.save(pack);
      this.#options.stored(pack);
    } catch (error) {
      if (!this.#hasFailed) this.#options.failed(error);
      this.#hasFailed = true;
    } finally {
      pack.release();
    }
  }
}
