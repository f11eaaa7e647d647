/**
 * Trees for a walk through a snapshot. The trees of a backup lie close together in few packs, so whole packs are fetched
 * and a few of them kept: one request instead of hundreds, each waiting for the one before.
 */
import { fromHex } from "../../shared/format/bytes.ts";
import type { Id } from "../../shared/format/layout.ts";
import { decodeTree } from "../../shared/format/tree.ts";
import type { TreeNode } from "../../shared/format/tree-node.ts";
import type { KernelsModule } from "../../shared/kernels/kernels.ts";
import type { LoadOptions } from "../backends/backend.ts";
import { throwIfCancelled } from "../backends/cancellation.ts";
import type { BlobLocation } from "../repository/master-index.ts";
import { BlobOpener } from "./blob-opener.ts";
import type { BlobSource } from "./source.ts";

/** Packs kept at a time, together; larger ones are not fetched whole. */
const keptPackBytes = 40 * 1024 * 1024;
const maxWholePackBytes = 20 * 1024 * 1024;

export class TreeSource {
  readonly #source: BlobSource;
  readonly #opener: BlobOpener;
  /** By id, the one unused for longest first. */
  readonly #packs = new Map<Id, Uint8Array>();
  #heldBytes = 0;

  constructor(source: BlobSource, kernels: KernelsModule) {
    this.#source = source;
    this.#opener = new BlobOpener(kernels, source.masterKey);
  }

  /** Throws as `loadTree` of the repository does when no copy of the tree is good. */
  async load(id: Id, signal?: AbortSignal): Promise<TreeNode[]> {
    const place = this.#source.index.lookup("tree", id)[0];
    if (place !== undefined) {
      try {
        return decodeTree(await this.#openTree(place, id, signal));
      } catch {
        // Whatever it was: the repository tries all copies, and says what is wrong.
        throwIfCancelled(signal);
        this.#forget(place.packId);
      }
    }
    return this.#source.loadTree(id, signal);
  }

  async #openTree(place: BlobLocation, id: Id, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const sealed = await this.#sealedTree(place, signal);
    return this.#opener.open(sealed, place.uncompressedBytes, fromHex(id));
  }

  async #sealedTree(place: BlobLocation, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { packId, offsetBytes, lengthBytes } = place;
    const sizeBytes = this.#source.index.packSizeOf(packId) ?? Number.POSITIVE_INFINITY;
    if (sizeBytes > maxWholePackBytes) {
      return this.#load(packId, { range: { offsetBytes, lengthBytes } }, signal);
    }
    const pack = this.#keptPack(packId) ?? this.#keep(packId, await this.#load(packId, {}, signal));
    return pack.subarray(offsetBytes, offsetBytes + lengthBytes);
  }

  #load(id: Id, options: Pick<LoadOptions, "range">, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const handle = { type: "data", id, isMetadata: true } as const;
    return this.#source.backend.load(handle, signal === undefined ? options : { ...options, signal });
  }

  #keptPack(packId: Id): Uint8Array | undefined {
    const pack = this.#packs.get(packId);
    if (pack === undefined) return undefined;
    this.#packs.delete(packId);
    this.#packs.set(packId, pack);
    return pack;
  }

  #keep(packId: Id, pack: Uint8Array): Uint8Array {
    this.#packs.set(packId, pack);
    this.#heldBytes += pack.length;
    for (const oldest of this.#packs.keys()) {
      if (this.#heldBytes <= keptPackBytes) break;
      this.#forget(oldest);
    }
    return pack;
  }

  #forget(packId: Id): void {
    this.#heldBytes -= this.#packs.get(packId)?.length ?? 0;
    this.#packs.delete(packId);
  }
}
