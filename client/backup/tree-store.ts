/** Tree blobs: put into packs on the main thread, which makes them. They are few and small beside the data. */
import { hash } from "node:crypto";
import { toHex } from "../../shared/format/bytes.ts";
import type { Id } from "../../shared/format/layout.ts";
import { packOverheadBytes } from "../../shared/format/pack.ts";
import { SealEngine } from "../platform/seal-engine.ts";
import type { Added, SealingSettings } from "./messages.ts";
import { PackBuilder, packBufferBytes } from "./pack-builder.ts";
import { StageClock } from "./stage-clock.ts";
import type { PackToStore } from "./upload-queue.ts";

/** What decides that a tree is new. */
export interface TreeClaims {
  /** True when the blob was unknown and is now the caller's to store. */
  claim(type: "tree", id: Uint8Array): boolean;
}

/** One is filled while the other is on its way. */
const maxBuffers = 2;

export class TreeStore {
  readonly #settings: SealingSettings;
  readonly #claims: TreeClaims;
  readonly #emit: (pack: PackToStore) => void;
  readonly #clock = new StageClock();
  readonly #freeBuffers: Uint8Array[] = [];
  #buffers = 0;
  #onFree: (() => void) | undefined;
  #builder: PackBuilder | undefined;
  #buffer: Uint8Array = new Uint8Array(0);

  constructor(settings: SealingSettings, claims: TreeClaims, emit: (pack: PackToStore) => void) {
    this.#settings = settings;
    this.#claims = claims;
    this.#emit = emit;
  }

  get stages(): Readonly<Record<string, number>> {
    return this.#clock.stages;
  }

  /** Stores a tree unless it is known. Waits while all buffers are on their way; one call at a time. */
  async store(plaintext: Uint8Array): Promise<{ id: Id; added: Added }> {
    this.#clock.begin();
    const id = hash("sha256", plaintext, "buffer");
    this.#clock.end("hash");
    if (!this.#claims.claim("tree", id)) return { id: toHex(id), added: { blobs: 0, bytes: 0, storedBytes: 0 } };

    const builder = await this.#builderFor(plaintext.length);
    let storedBytes = builder.add(id, plaintext);
    if (builder.isFull) {
      storedBytes += packOverheadBytes;
      this.finish();
    }
    return { id: toHex(id), added: { blobs: 1, bytes: plaintext.length, storedBytes } };
  }

  /** Hands over the pack that is begun, if any. */
  finish(): void {
    if (!this.#builder?.isOpen) return;
    const buffer = this.#buffer;
    const { id, lengthBytes, blobs, header } = this.#builder.finish();
    this.#emit({
      id: toHex(id),
      bytes: buffer.subarray(0, lengthBytes),
      blobs,
      header,
      isMetadata: true,
      release: () => this.#release(buffer),
    });
  }

  async #builderFor(plaintextBytes: number): Promise<PackBuilder> {
    this.#builder ??= this.#createBuilder();
    if (this.#builder.isOpen && !this.#builder.hasRoomFor(plaintextBytes)) this.finish();
    if (!this.#builder.isOpen) {
      this.#buffer = await this.#takeBuffer(this.#builder.bufferBytesFor(plaintextBytes));
      this.#builder.begin(this.#buffer);
    }
    return this.#builder;
  }

  #createBuilder(): PackBuilder {
    const engine = new SealEngine(this.#settings.kernelsModule, 0);
    engine.open(this.#settings.key);
    return new PackBuilder("tree", this.#settings, engine, this.#clock);
  }

  /** Trees can be of any size: one that is too large for the usual buffer gets its own. */
  async #takeBuffer(neededBytes: number): Promise<Uint8Array> {
    const usualBytes = packBufferBytes(this.#settings.packSizeBytes);
    while (this.#freeBuffers.length === 0 && this.#buffers >= maxBuffers) {
      await new Promise<void>((resolve) => {
        this.#onFree = resolve;
      });
    }
    const free = this.#freeBuffers.pop();
    if (free !== undefined && free.length >= neededBytes) return free;
    if (free === undefined) this.#buffers++;
    return new Uint8Array(Math.max(usualBytes, neededBytes));
  }

  #release(buffer: Uint8Array): void {
    if (buffer.length > packBufferBytes(this.#settings.packSizeBytes)) this.#buffers--;
    else this.#freeBuffers.push(buffer);
    this.#onFree?.();
    this.#onFree = undefined;
  }
}
