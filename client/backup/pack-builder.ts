/**
 * Puts packs together: each blob is compressed, sealed into the pack's buffer, and verified there before anything else happens to it.
 * Source: docs/format.md, sections 4.1 to 4.3 and 8. One builder per thread and blob type.
 */
import { hash } from "node:crypto";
import { CofferError } from "../../shared/errors.ts";
import { equalBytes, toHex, writeUint32LE } from "../../shared/format/bytes.ts";
import { maxChunkBytes, packLengthFieldBytes } from "../../shared/format/limits.ts";
import {
  type BlobType,
  decodePackHeader,
  headerEntryBytes,
  packOverheadBytes,
  writePackEntry,
} from "../../shared/format/pack.ts";
import { sealedOverheadBytes } from "../../shared/format/sealing.ts";
import type { SealEngine } from "../platform/seal-engine.ts";
import {
  createZstdCompressor,
  createZstdDecompressor,
  type ZstdCompressor,
  type ZstdDecompressor,
  zstdLevelOf,
} from "../platform/zstd.ts";
import type { SealingSettings } from "./messages.ts";
import type { StageClock } from "./stage-clock.ts";

/**
 * More blobs than this begin a new pack even below its size: tiny files would make headers of many megabytes otherwise, and an index
 * file is written after about as many.
 */
const maxEntries = 50_000;

/** What zstd adds at most to content that it cannot compress (its bound is one part in 256), with room to spare. */
function maxCompressedBytes(lengthBytes: number): number {
  return lengthBytes + Math.ceil(lengthBytes / 256) + 1024;
}

/** The room that a pack needs after `usedBytes` for one more blob of `plaintextBytes` and everything that ends it. */
function neededBytes(usedBytes: number, plaintextBytes: number): number {
  const headerBytes = maxEntries * headerEntryBytes(true) + packOverheadBytes;
  return usedBytes + maxCompressedBytes(plaintextBytes) + sealedOverheadBytes + headerBytes;
}

/** The size of a buffer that takes any pack of data blobs: filled to just below its target, then one chunk of the largest kind. */
export function packBufferBytes(packSizeBytes: number): number {
  return neededBytes(packSizeBytes, maxChunkBytes);
}

/** A pack that is ready to be stored under its id. */
export interface FinishedPack {
  /** 32 bytes: the hash of the whole. */
  readonly id: Uint8Array;
  readonly lengthBytes: number;
  readonly blobs: number;
  /** The plain header, in memory of its own. */
  readonly header: Uint8Array;
}

export class PackBuilder {
  readonly #type: BlobType;
  readonly #settings: SealingSettings;
  readonly #engine: SealEngine;
  readonly #clock: StageClock;
  readonly #compressor: ZstdCompressor | undefined;
  readonly #decompressor: ZstdDecompressor;
  readonly #header: Uint8Array = new Uint8Array(maxEntries * headerEntryBytes(true));
  /** What verification opens into. Pages that are never written take up no memory. */
  #opened: Uint8Array = new Uint8Array(maxCompressedBytes(maxChunkBytes));
  #buffer: Uint8Array | undefined;
  #lengthBytes = 0;
  #headerBytes = 0;
  #entries = 0;

  constructor(type: BlobType, settings: SealingSettings, engine: SealEngine, clock: StageClock) {
    this.#type = type;
    this.#settings = settings;
    this.#engine = engine;
    this.#clock = clock;
    const isCompressed = settings.version === 2 && (type === "tree" || settings.compression !== "off");
    this.#compressor = isCompressed ? createZstdCompressor(zstdLevelOf(settings.compression)) : undefined;
    this.#decompressor = createZstdDecompressor();
  }

  /** True between `begin` and `finish`. */
  get isOpen(): boolean {
    return this.#buffer !== undefined;
  }

  /** True when the pack should be finished. */
  get isFull(): boolean {
    return this.#lengthBytes >= this.#settings.packSizeBytes || this.#entries >= maxEntries;
  }

  /** True when the begun pack has room for a blob of that size. */
  hasRoomFor(plaintextBytes: number): boolean {
    return this.#buffer !== undefined && neededBytes(this.#lengthBytes, plaintextBytes) <= this.#buffer.length;
  }

  /** The size of a buffer that takes a blob of that size as a pack's first. */
  bufferBytesFor(plaintextBytes: number): number {
    return neededBytes(0, plaintextBytes);
  }

  /** Begins a pack in a buffer that is the builder's until `finish`. */
  begin(buffer: Uint8Array): void {
    this.#buffer = buffer;
    this.#lengthBytes = 0;
    this.#headerBytes = 0;
    this.#entries = 0;
  }

  /**
   * Adds a blob and returns how many bytes it takes up in the pack: its sealed length and its entry. `id` is the hash of `plaintext`.
   * Throws `hash-mismatch` (or what opening throws) when what was written does not read back.
   */
  add(id: Buffer, plaintext: Uint8Array): number {
    const buffer = this.#openBuffer();
    this.#clock.begin();
    const content = this.#compressor?.compress(plaintext) ?? plaintext;
    this.#clock.end("compress");
    const lengthBytes = this.#engine.sealInto(content, buffer, this.#lengthBytes);
    this.#clock.end("seal");
    if (this.#settings.extraVerify) {
      this.#verify(buffer.subarray(this.#lengthBytes, this.#lengthBytes + lengthBytes), id, plaintext.length);
      this.#clock.end("verify");
    }
    const uncompressedBytes = this.#compressor === undefined ? 0 : plaintext.length;
    const entry = { type: this.#type, lengthBytes, uncompressedBytes, id };
    const entryBytes = writePackEntry(this.#header, this.#headerBytes, entry);
    this.#headerBytes += entryBytes;
    this.#lengthBytes += lengthBytes;
    this.#entries++;
    return lengthBytes + entryBytes;
  }

  /** Writes header and length, checks them, and names the pack. The buffer is no longer the builder's. */
  finish(): FinishedPack {
    const buffer = this.#openBuffer();
    this.#clock.begin();
    const header = this.#header.slice(0, this.#headerBytes);
    const sealedBytes = this.#engine.sealInto(header, buffer, this.#lengthBytes);
    const headerOffset = this.#lengthBytes;
    const lengthBytes = headerOffset + sealedBytes + packLengthFieldBytes;
    writeUint32LE(buffer, headerOffset + sealedBytes, sealedBytes);
    this.#verifyHeader(buffer.subarray(headerOffset, headerOffset + sealedBytes), lengthBytes);
    this.#clock.end("seal");
    const id = hash("sha256", buffer.subarray(0, lengthBytes), "buffer");
    this.#clock.end("pack hash");
    this.#buffer = undefined;
    return { id, lengthBytes, blobs: this.#entries, header };
  }

  #openBuffer(): Uint8Array {
    if (this.#buffer === undefined) throw new CofferError("internal", "pack builder expected a begun pack, got none");
    return this.#buffer;
  }

  /** Reads back what will be uploaded. Memory or a processor that fails must not go unnoticed until the day of a restore. */
  #verify(sealed: Uint8Array, id: Buffer, plaintextBytes: number): void {
    const needed = sealed.length - sealedOverheadBytes;
    if (this.#opened.length < needed) this.#opened = new Uint8Array(needed);
    const opened = this.#opened.subarray(0, this.#engine.openInto(sealed, this.#opened));
    const isCompressed = this.#compressor !== undefined;
    const content = isCompressed ? this.#decompressor.decompress(opened, plaintextBytes, plaintextBytes) : opened;
    if (hash("sha256", content, "binary") !== id.toString("latin1")) {
      throw new CofferError(
        "hash-mismatch",
        `blob ${toHex(id)} expected to read back as it was sealed, got other content: memory or processor may be faulty; check the hardware, then run the backup again`,
      );
    }
  }

  #verifyHeader(sealedHeader: Uint8Array, packBytes: number): void {
    const plain = new Uint8Array(sealedHeader.length);
    const header = plain.subarray(0, this.#engine.openInto(sealedHeader, plain));
    const entries = decodePackHeader(header, packBytes, this.#settings.version);
    if (entries.length !== this.#entries || !equalBytes(header, this.#header.subarray(0, this.#headerBytes))) {
      throw new CofferError("hash-mismatch", "pack header expected to read back as it was sealed, got other content");
    }
  }
}
