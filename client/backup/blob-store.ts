/** A worker's way from a chunk to a blob in a pack: hash, look up, and if nobody has it, store it. */
import { hash } from "node:crypto";
import { packOverheadBytes } from "../../shared/format/pack.ts";
import type { SealEngine } from "../platform/seal-engine.ts";
import { BlobTable } from "../repository/blob-table.ts";
import type { PackReply, WorkerSettings } from "./messages.ts";
import { PackBuilder } from "./pack-builder.ts";
import { PackMemory } from "./pack-memory.ts";
import type { StageClock } from "./stage-clock.ts";

export class BlobStore {
  readonly #table: BlobTable;
  readonly #memory: PackMemory;
  readonly #builder: PackBuilder;
  readonly #clock: StageClock;
  readonly #emit: (pack: PackReply) => void;
  readonly #id: Buffer = Buffer.alloc(32);
  #buffer = -1;
  /** New since the last `takeAdded`. */
  #blobs = 0;
  #bytes = 0;
  #storedBytes = 0;

  constructor(settings: WorkerSettings, engine: SealEngine, clock: StageClock, emit: (pack: PackReply) => void) {
    this.#table = BlobTable.attach(settings.table);
    this.#memory = PackMemory.attach(settings.packMemory);
    this.#builder = new PackBuilder("data", settings, engine, clock);
    this.#clock = clock;
    this.#emit = emit;
  }

  /** Stores a chunk unless it is known, and writes its id (32 bytes) to `ids` at `offset`. Throws `cancelled` when the backup has ended. */
  store(chunk: Uint8Array, ids: Uint8Array, offset: number): void {
    this.#memory.throwIfStopped();
    this.#clock.begin();
    // As a string, which costs a third less than a Buffer of its own.
    this.#id.write(hash("sha256", chunk, "binary"), "latin1");
    ids.set(this.#id, offset);
    this.#clock.end("hash");
    if (!this.#table.claim("data", this.#id)) return;
    if (!this.#builder.isOpen) this.#begin();
    this.#blobs++;
    this.#bytes += chunk.length;
    this.#storedBytes += this.#builder.add(this.#id, chunk);
    if (this.#builder.isFull) {
      this.#storedBytes += packOverheadBytes;
      this.finish();
    }
  }

  /** Numbers of new blobs, their bytes, and their bytes in packs, since the last call. */
  takeAdded(): { blobs: number; bytes: number; storedBytes: number } {
    const added = { blobs: this.#blobs, bytes: this.#bytes, storedBytes: this.#storedBytes };
    this.#blobs = 0;
    this.#bytes = 0;
    this.#storedBytes = 0;
    return added;
  }

  /** Hands over the pack that is begun, if any. */
  finish(): void {
    if (!this.#builder.isOpen) return;
    this.#emit({ kind: "pack", buffer: this.#buffer, ...this.#builder.finish() });
  }

  #begin(): void {
    this.#clock.begin();
    this.#buffer = this.#memory.take();
    this.#clock.end("wait");
    this.#builder.begin(this.#memory.view(this.#buffer));
  }
}
