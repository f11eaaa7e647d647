/**
 * What the index files say, kept so that it can be judged: every pack with its blobs in order, and a table in shared memory
 * in which workers look up what trees refer to. About 110 bytes for each blob.
 */
import { CofferError } from "../../shared/errors.ts";
import { fromHex, toHex } from "../../shared/format/bytes.ts";
import { visitIndex } from "../../shared/format/index-file.ts";
import type { Id } from "../../shared/format/layout.ts";
import { type BlobType, headerEntryBytes, packOverheadBytes } from "../../shared/format/pack.ts";
import { BlobList } from "../reading/blob-list.ts";
import { BlobTable } from "../repository/blob-table.ts";

export interface CheckedPack {
  readonly id: Id;
  /** Its blobs in the list of the inventory, in the order of their offsets: from `first` on, `count` of them. */
  readonly first: number;
  readonly count: number;
  /** The size that the pack must have. */
  readonly sizeBytes: number;
  /** What its blobs hold: the measure of the work to verify it. */
  readonly plainBytes: number;
  readonly hasData: boolean;
  readonly hasTrees: boolean;
}

export class Inventory {
  readonly blobs: BlobList;
  readonly table: BlobTable;
  readonly packs: CheckedPack[] = [];
  readonly #numbers = new Map<Id, number>();
  /** Packs that several index files list alike. */
  readonly repeatedPacks = new Set<Id>();
  /** Packs that several index files list with different blobs. */
  readonly contradictoryPacks = new Set<Id>();

  /** `expectedBlobs`: about how many there are, so that tables need not grow. */
  constructor(expectedBlobs: number) {
    this.blobs = new BlobList(expectedBlobs);
    this.table = BlobTable.create(expectedBlobs);
  }

  /** Takes in a decoded index file. Throws `malformed` or `unsupported` when it is none. */
  addDocument(document: Uint8Array): void {
    let id: Id | undefined;
    let first = this.blobs.count;
    const endPack = (): void => {
      if (id !== undefined) this.#endPack(id, first);
    };
    visitIndex(
      document,
      (packId) => {
        endPack();
        id = toHex(packId);
        first = this.blobs.count;
      },
      (type, blobId, offsetBytes, lengthBytes, uncompressedBytes) => {
        this.blobs.append(type, blobId, offsetBytes, lengthBytes, uncompressedBytes);
      },
    );
    endPack();
  }

  /** The pack's number in `packs`; undefined when no index knows it. */
  numberOf(id: Id): number | undefined {
    return this.#numbers.get(id);
  }

  /** The first copy of a blob, as an index into `blobs`, and the number of its pack; undefined when no index knows it. */
  find(type: BlobType, id: Uint8Array): { readonly blob: number; readonly pack: number } | undefined {
    const entry = this.table.find(type, id);
    return entry === -1 ? undefined : this.#placeOf(entry);
  }

  /** All copies of a blob, as `find` gives one. */
  findAll(type: BlobType, id: Uint8Array): { readonly blob: number; readonly pack: number }[] {
    const places: { blob: number; pack: number }[] = [];
    for (let entry = this.table.find(type, id); entry !== -1; entry = this.table.findNext(entry)) {
      places.push(this.#placeOf(entry));
    }
    return places;
  }

  #placeOf(entry: number): { blob: number; pack: number } {
    const place = this.table.placeOf(entry);
    const pack = this.packs[place?.packIndex ?? -1];
    if (place === undefined || pack === undefined)
      throw new CofferError("internal", "a blob of the index has no place");
    return { blob: this.#blobAt(pack, place.offsetBytes), pack: place.packIndex };
  }

  /** The blob of a pack that begins at an offset. */
  #blobAt({ first, count }: CheckedPack, offsetBytes: number): number {
    let low = first;
    let high = first + count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.blobs.offsetOf(middle) < offsetBytes) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #endPack(id: Id, first: number): void {
    const count = this.blobs.count - first;
    this.blobs.sortByOffset(first, count);
    const known = this.packs[this.#numbers.get(id) ?? -1];
    if (known === undefined) {
      this.#addPack(id, first, count);
      return;
    }
    const isSame = Buffer.compare(this.blobs.bytesOf(first, count), this.blobs.bytesOf(known.first, known.count)) === 0;
    (isSame ? this.repeatedPacks : this.contradictoryPacks).add(id);
    this.blobs.truncate(first);
  }

  #addPack(id: Id, first: number, count: number): void {
    const packIndex = this.packs.length;
    const kinds = { data: false, tree: false };
    let sizeBytes = packOverheadBytes;
    let plainBytes = 0;
    for (let blob = first; blob < first + count; blob++) {
      const type = this.blobs.typeOf(blob);
      const offsetBytes = this.blobs.offsetOf(blob);
      const lengthBytes = this.blobs.lengthOf(blob);
      const uncompressedBytes = this.blobs.uncompressedOf(blob);
      kinds[type] = true;
      sizeBytes += lengthBytes + headerEntryBytes(uncompressedBytes > 0);
      plainBytes += this.blobs.plainLengthOf(blob);
      this.table.insert(type, this.blobs.idOf(blob), 0, { packIndex, offsetBytes, lengthBytes, uncompressedBytes });
    }
    this.#numbers.set(id, packIndex);
    this.packs.push({ id, first, count, sizeBytes, plainBytes, hasData: kinds.data, hasTrees: kinds.tree });
  }
}

/** The first byte of a pack's id. */
export function firstByteOf(id: Id): number {
  return fromHex(id.slice(0, 2))[0] ?? 0;
}
