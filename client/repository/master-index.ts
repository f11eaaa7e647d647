/**
 * What all index files together say: which packs there are, and where every blob lies.
 * Source: docs/format.md, section 5.2.
 */
import { CofferError } from "../../shared/errors.ts";
import { fromHex } from "../../shared/format/bytes.ts";
import type { RepositoryVersion } from "../../shared/format/config.ts";
import { visitIndex } from "../../shared/format/index-file.ts";
import type { Id } from "../../shared/format/layout.ts";
import { maxPackBytes } from "../../shared/format/limits.ts";
import { type BlobType, headerEntryBytes, packOverheadBytes } from "../../shared/format/pack.ts";
import { type BlobPlace, BlobTable, unplaced } from "./blob-table.ts";
import { IdList } from "./id-list.ts";

/** One of the places where a blob is stored. */
export interface BlobLocation {
  readonly packId: Id;
  readonly offsetBytes: number;
  /** The sealed length. */
  readonly lengthBytes: number;
  /** The plaintext's length; 0 = not compressed. */
  readonly uncompressedBytes: number;
}

/** A pack as the index files describe it. */
export interface IndexedPack {
  readonly id: Id;
  /** The size that the pack must have: all sealed blobs, the header and its length field. */
  readonly sizeBytes: number;
  readonly hasData: boolean;
  readonly hasTrees: boolean;
}

const dataFlag = 1;
const treeFlag = 2;

export class MasterIndex {
  readonly #table: BlobTable;
  readonly #packIds: IdList = new IdList();
  /** By pack number. */
  #packSizes: Uint32Array = new Uint32Array(256);
  #packFlags: Uint8Array = new Uint8Array(256);
  /** One object for all insertions: a million of them need not be collected. */
  readonly #place: { -readonly [Key in keyof BlobPlace]: BlobPlace[Key] } = {
    packIndex: 0,
    offsetBytes: 0,
    lengthBytes: 0,
    uncompressedBytes: 0,
  };

  /** `expectedBlobs`: about how many the index files hold; only saves the work of growing. */
  constructor(expectedBlobs = 0) {
    this.#table = BlobTable.create(expectedBlobs);
  }

  /** For threads that claim blobs. The numbers of packs in it are those of this index. */
  get table(): BlobTable {
    return this.#table;
  }

  get packCount(): number {
    return this.#packIds.count;
  }

  /** Memory taken by blobs and packs. */
  get usedBytes(): number {
    return this.#table.usedBytes + this.#packIds.usedBytes + this.#packSizes.byteLength + this.#packFlags.byteLength;
  }

  /**
   * Takes in an index file (its JSON text). Throws `malformed` when it does not parse, or when a version 1 repository has
   * compressed blobs; what was read before the error stays, so an index that does not load ends the command.
   */
  addDocument(document: Uint8Array, version: RepositoryVersion): void {
    let packIndex = -1;
    visitIndex(
      document,
      (packId) => {
        packIndex = this.#addPack(packId);
      },
      (type, id, offsetBytes, lengthBytes, uncompressedBytes) => {
        if (version === 1 && uncompressedBytes > 0) {
          throw new CofferError("malformed", "index of a version 1 repository expected no compressed blobs, got one");
        }
        const place = this.#place;
        place.packIndex = packIndex;
        place.offsetBytes = offsetBytes;
        place.lengthBytes = lengthBytes;
        place.uncompressedBytes = uncompressedBytes;
        const isNew = this.#table.insert(type, id, 0, place);
        if (isNew) this.#count(packIndex, type, lengthBytes, uncompressedBytes);
      },
    );
  }

  /** To be called when all index files were taken in: gives back memory that growing has taken too much of. */
  finish(): void {
    this.#table.fit();
    this.#packIds.fit();
    this.#packSizes = this.#packSizes.slice(0, this.packCount);
    this.#packFlags = this.#packFlags.slice(0, this.packCount);
  }

  /** All places of a blob, none when it is not stored. */
  lookup(type: BlobType, id: Id): BlobLocation[] {
    const locations: BlobLocation[] = [];
    for (let entry = this.#table.find(type, fromHex(id)); entry !== -1; entry = this.#table.findNext(entry)) {
      const { packIndex, ...place } = this.#table.placeOf(entry);
      if (packIndex !== unplaced) locations.push({ packId: this.#packIds.idOf(packIndex), ...place });
    }
    return locations;
  }

  /** True when the blob is stored, or claimed by someone who is about to store it. */
  has(type: BlobType, id: Id): boolean {
    return this.#table.find(type, fromHex(id)) !== -1;
  }

  /** All places of all blobs, in no particular order. */
  *blobs(): Generator<BlobLocation & { readonly type: BlobType; readonly id: Id }, void, void> {
    for (const entry of this.#table.entries()) {
      const { packIndex, ...place } = this.#table.placeOf(entry);
      if (packIndex === unplaced) continue;
      const packId = this.#packIds.idOf(packIndex);
      yield { type: this.#table.typeOf(entry), id: this.#table.idOf(entry), packId, ...place };
    }
  }

  /** In the order in which the index files named them; the position is the number that the table has. */
  *packs(): Generator<IndexedPack, void, void> {
    for (let number = 0; number < this.packCount; number++) yield this.packAt(number);
  }

  packAt(number: number): IndexedPack {
    if (!(number >= 0 && number < this.packCount)) {
      throw new CofferError("internal", `pack number expected 0 to ${this.packCount - 1}, got ${number}`);
    }
    const flags = this.#packFlags[number] ?? 0;
    return {
      id: this.#packIds.idOf(number),
      sizeBytes: this.#packSizes[number] ?? 0,
      hasData: (flags & dataFlag) !== 0,
      hasTrees: (flags & treeFlag) !== 0,
    };
  }

  /** The number of a pack, or -1 when no index file has it. */
  packNumberOf(packId: Id): number {
    return this.#packIds.find(fromHex(packId));
  }

  /** The size that a pack has by the index; undefined when no index file has it. */
  packSizeOf(packId: Id): number | undefined {
    const number = this.packNumberOf(packId);
    return number === -1 ? undefined : this.#packSizes[number];
  }

  #addPack(id: Uint8Array): number {
    const known = this.packCount;
    const number = this.#packIds.add(id);
    if (number < known) return number;
    if (number >= this.#packSizes.length) {
      const capacity = Math.ceil((number + 1) * 1.5);
      this.#packSizes = grown(this.#packSizes, new Uint32Array(capacity));
      this.#packFlags = grown(this.#packFlags, new Uint8Array(capacity));
    }
    this.#packSizes[number] = packOverheadBytes;
    return number;
  }

  #count(number: number, type: BlobType, lengthBytes: number, uncompressedBytes: number): void {
    const sizeBytes = (this.#packSizes[number] ?? 0) + lengthBytes + headerEntryBytes(uncompressedBytes > 0);
    // An index that is wrong may add up to more than any pack can have.
    this.#packSizes[number] = Math.min(sizeBytes, maxPackBytes);
    this.#packFlags[number] = (this.#packFlags[number] ?? 0) | (type === "tree" ? treeFlag : dataFlag);
  }
}

function grown<Numbers extends Uint32Array | Uint8Array>(numbers: Numbers, larger: Numbers): Numbers {
  larger.set(numbers);
  return larger;
}
