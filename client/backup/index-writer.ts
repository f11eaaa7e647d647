/**
 * Index files for packs that are stored. One is written as soon as it is full, so that an interrupted backup loses little: what is
 * indexed is not sent again. Source: docs/format.md, section 5.2.
 */
import { encodeIndex, type IndexPack } from "../../shared/format/index-file.ts";
import type { Id } from "../../shared/format/layout.ts";
import { fullIndexBlobs } from "../../shared/format/limits.ts";
import { decodePackHeader } from "../../shared/format/pack.ts";

/**
 * Even a small index is written when its oldest pack has waited for half as long as the backup has run, within these bounds. So
 * at most a third of the work of a backup that is killed has to be done again, at the price of a handful of small files.
 */
const minAgeMs = 10 * 1000;
const maxAgeMs = 10 * 60 * 1000;

interface StoredPack {
  readonly id: Id;
  readonly sizeBytes: number;
  readonly blobs: number;
  /** Plain headers are kept, 41 bytes a blob, and made into objects only when they are written. */
  readonly header: Uint8Array;
}

export interface IndexWriterOptions {
  /** Stores the JSON text of an index. */
  save(json: Uint8Array): Promise<unknown>;
  /** Told when an index that was written on the way cannot be stored. */
  failed(error: unknown): void;
  /** Milliseconds, monotonic. */
  now(): number;
}

export class IndexWriter {
  readonly #options: IndexWriterOptions;
  #packs: StoredPack[] = [];
  #blobs = 0;
  #beganMs = 0;
  readonly #startedMs: number;
  /** One index is written at a time. */
  #writing: Promise<void> = Promise.resolve();

  constructor(options: IndexWriterOptions) {
    this.#options = options;
    this.#startedMs = options.now();
  }

  /** A pack that the backend has acknowledged. */
  add(pack: StoredPack): void {
    if (this.#packs.length === 0) this.#beganMs = this.#options.now();
    this.#packs.push(pack);
    this.#blobs += pack.blobs;
    if (this.#blobs >= fullIndexBlobs || this.#isDue()) {
      this.#writing = this.#write().catch((error: unknown) => this.#options.failed(error));
    }
  }

  /** Writes what is left. Rejects when it cannot be stored. */
  async finish(): Promise<void> {
    await this.#write();
  }

  #isDue(): boolean {
    const nowMs = this.#options.now();
    const limitMs = Math.min(maxAgeMs, Math.max(minAgeMs, (nowMs - this.#startedMs) / 2));
    return nowMs - this.#beganMs >= limitMs;
  }

  async #write(): Promise<void> {
    const packs = this.#packs;
    this.#packs = [];
    this.#blobs = 0;
    await this.#writing;
    if (packs.length > 0) await this.#options.save(encodeIndex(packs.map(toIndexPack)));
  }
}

function toIndexPack({ id, header, sizeBytes }: StoredPack): IndexPack {
  return { id, blobs: decodePackHeader(header, sizeBytes) };
}
