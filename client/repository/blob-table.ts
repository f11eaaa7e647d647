/**
 * Which blobs are stored, and where: one hash table that all threads share, about 53 bytes per blob. Whoever is about to
 * store a blob claims it first; of several threads exactly one gets it, without a message and without a lock.
 *
 * An id is compared word by word with the entries that a slot leads to; part of the slot is a piece of the hash, so nearly all
 * other entries are passed over without being looked at. Slots are written once, by compare-and-exchange, after their
 * entry is complete.
 */
import { CofferError } from "../../shared/errors.ts";
import { toHex } from "../../shared/format/bytes.ts";
import type { Id } from "../../shared/format/layout.ts";
import type { BlobType } from "../../shared/format/pack.ts";
import {
  type BlobTableShared,
  entryWords,
  firstSlot,
  packWord,
  type Segment,
  slotValue,
  TableMemory,
  wastedPack,
} from "./table-memory.ts";

export type { BlobTableShared } from "./table-memory.ts";

/** One place where a blob is stored. All numbers have 32 bits. */
export interface BlobPlace {
  /** The number of the pack in the list of packs; below 2^31 - 2. */
  readonly packIndex: number;
  readonly offsetBytes: number;
  /** The sealed length. */
  readonly lengthBytes: number;
  /** The plaintext's length; 0 = not compressed. */
  readonly uncompressedBytes: number;
}

/** The pack of a blob that was claimed and is not stored yet. */
export const unplaced = -1;

const idBytes = 32;
const idWords = 8;
/** The top bit of the pack word; the rest is the pack's number + 1, or 0 when the place is not known. */
const treeBit = 0x8000_0000 | 0;
const packMask = 0x7fff_ffff;

export class BlobTable {
  readonly #memory: TableMemory;
  /** The id that is looked for, and its type: filled by every public method. */
  readonly #key: Int32Array = new Int32Array(idWords);
  #keyType = 0;
  /** Where the last search ended: an empty slot of the last segment. */
  #emptySlot = 0;

  private constructor(memory: TableMemory) {
    this.#memory = memory;
  }

  /** An empty table; the expectation only saves the work of growing. */
  static create(expectedBlobs = 0): BlobTable {
    return new BlobTable(TableMemory.create(expectedBlobs));
  }

  /** The same table in another thread. It sees at once what others insert, and grows with them. */
  static attach(shared: BlobTableShared): BlobTable {
    return new BlobTable(TableMemory.attach(shared));
  }

  /** To be posted to other threads, once for good: the table grows in place. Throws `unsupported` without shared memory. */
  get shared(): BlobTableShared {
    return this.#memory.share();
  }

  /** Entries: blobs, and further copies of blobs. */
  get count(): number {
    return this.#memory.count;
  }

  get usedBytes(): number {
    return this.#memory.usedBytes;
  }

  /**
   * True when the blob was not in the table: it is now, without a place, and it is the caller who stores it. `id` is 32 bytes
   * from `idOffset` on. If the caller fails to store it, the run must fail: all others rely on it.
   */
  claim(type: BlobType, id: Uint8Array, idOffset = 0): boolean {
    this.#setKey(type, id, idOffset);
    for (;;) {
      if (this.#search() >= 0) return false;
      const segment = this.#lastSegment();
      const entry = this.#append(segment, 0, 0, 0, 0);
      if (entry === foundInstead) return false;
      if (entry >= 0) return true;
      this.#memory.grow(segment);
    }
  }

  /**
   * Adds a place; false when it is known already. A claimed blob without a place gets this one; any further place is a
   * further copy.
   */
  insert(type: BlobType, id: Uint8Array, idOffset: number, place: BlobPlace): boolean {
    this.#setKey(type, id, idOffset);
    const { packIndex, offsetBytes, lengthBytes, uncompressedBytes } = place;
    for (;;) {
      for (let entry = this.#search(); entry >= 0; entry = this.#search(entry)) {
        const entries = this.#memory.entries;
        const word = entry * entryWords;
        const packNumber = (entries[word + packWord] ?? 0) & packMask;
        if (packNumber === 0) {
          this.#writePlace(entry, packIndex + 1, offsetBytes, lengthBytes, uncompressedBytes);
          return true;
        }
        const isSame =
          packNumber === packIndex + 1 &&
          entries[word + packWord + 1] === (offsetBytes | 0) &&
          entries[word + packWord + 2] === (lengthBytes | 0) &&
          entries[word + packWord + 3] === (uncompressedBytes | 0);
        if (isSame) return false;
      }
      const segment = this.#lastSegment();
      const entry = this.#append(segment, packIndex + 1, offsetBytes, lengthBytes, uncompressedBytes);
      if (entry >= 0) return true;
      if (entry === isFull) this.#memory.grow(segment);
    }
  }

  /** The entry of a blob, or -1. */
  find(type: BlobType, id: Uint8Array, idOffset = 0): number {
    this.#setKey(type, id, idOffset);
    return this.#search();
  }

  /** The entry of the next copy of the same blob, or -1. */
  findNext(entry: number): number {
    const word = entry * entryWords;
    const entries = this.#memory.entries;
    for (let index = 0; index < idWords; index++) this.#key[index] = entries[word + index] ?? 0;
    this.#keyType = (entries[word + packWord] ?? 0) & treeBit;
    return this.#search(entry);
  }

  /** Where an entry's blob lies. `packIndex` is `unplaced` for a blob that was claimed and is not stored yet. */
  placeOf(entry: number): BlobPlace {
    this.#memory.refresh();
    const entries = this.#memory.entries;
    const word = entry * entryWords + packWord;
    const packNumber = Atomics.load(entries, word) & packMask;
    return {
      packIndex: packNumber - 1,
      offsetBytes: (entries[word + 1] ?? 0) >>> 0,
      lengthBytes: (entries[word + 2] ?? 0) >>> 0,
      uncompressedBytes: (entries[word + 3] ?? 0) >>> 0,
    };
  }

  typeOf(entry: number): BlobType {
    const word = this.#memory.entries[entry * entryWords + packWord] ?? 0;
    return word < 0 ? "tree" : "data";
  }

  idOf(entry: number): Id {
    const id = new Uint8Array(idBytes);
    this.copyId(entry, id, 0);
    return toHex(id);
  }

  /** Writes the 32 bytes of an entry's id to `target`. */
  copyId(entry: number, target: Uint8Array, offset: number): void {
    const entries = this.#memory.entries;
    for (let index = 0; index < idWords; index++) {
      const word = entries[entry * entryWords + index] ?? 0;
      const at = offset + index * 4;
      target[at] = word;
      target[at + 1] = word >>> 8;
      target[at + 2] = word >>> 16;
      target[at + 3] = word >>> 24;
    }
  }

  /** The numbers of all entries, copies and claims included. */
  *entries(): Generator<number, void, void> {
    this.#memory.refresh();
    for (const { index, entryStart } of [...this.#memory.segments]) {
      const end = entryStart + this.#memory.publishedOf(index);
      for (let entry = entryStart; entry < end; entry++) {
        const pack = (this.#memory.entries[entry * entryWords + packWord] ?? 0) & packMask;
        if (pack !== wastedPack) yield entry;
      }
    }
  }

  /** Gives back what growing has taken too much of. To be called when many entries were inserted, before sharing. */
  fit(): void {
    this.#memory.fit();
  }

  #setKey(type: BlobType, id: Uint8Array, idOffset: number): void {
    if (idOffset < 0 || idOffset + idBytes > id.length) {
      throw new CofferError("internal", `blob id expected ${idBytes} bytes at ${idOffset}, got ${id.length} in all`);
    }
    for (let index = 0; index < idWords; index++) {
      const at = idOffset + index * 4;
      this.#key[index] =
        (id[at] ?? 0) | ((id[at + 1] ?? 0) << 8) | ((id[at + 2] ?? 0) << 16) | ((id[at + 3] ?? 0) << 24);
    }
    this.#keyType = type === "tree" ? treeBit : 0;
  }

  /** The first entry of the key in any segment that comes after `after`, or -1; then #emptySlot ends its search in the last. */
  #search(after = -1): number {
    this.#memory.refresh();
    let previous = after;
    for (const segment of this.#memory.segments) {
      if (previous >= segment.entryStart + segment.capacity) continue;
      const isBehind = previous < segment.entryStart;
      const found = this.#searchSegment(segment, firstSlot(segment, this.#key[0] ?? 0), isBehind ? -1 : previous);
      if (found >= 0) return found;
      previous = -1;
    }
    return -1;
  }

  /** From that slot on; entries up to and including `after` are passed over. */
  #searchSegment(segment: Segment, slot: number, after: number): number {
    const { slotStart, slotCount, indexMask, entryStart } = segment;
    const { slots } = this.#memory;
    const tag = (this.#key[1] ?? 0) & ~indexMask;
    let hasPassed = after < 0;
    let at = slot;
    for (;;) {
      const value = Atomics.load(slots, slotStart + at);
      if (value === 0) break;
      if ((value & ~indexMask) === tag) {
        const entry = entryStart + (value & indexMask) - 1;
        if (this.#hasKey(entry)) {
          if (hasPassed) return entry;
          hasPassed = entry === after;
        }
      }
      at = at + 1 === slotCount ? 0 : at + 1;
    }
    this.#emptySlot = at;
    return -1;
  }

  #hasKey(entry: number): boolean {
    const { entries } = this.#memory;
    const word = entry * entryWords;
    for (let index = 0; index < idWords; index++) {
      if (entries[word + index] !== this.#key[index]) return false;
    }
    return ((entries[word + packWord] ?? 0) & treeBit) === this.#keyType;
  }

  #lastSegment(): Segment {
    const segment = this.#memory.segments.at(-1);
    if (segment === undefined) throw new CofferError("internal", "blob table expected a segment, got none");
    return segment;
  }

  /**
   * After a search that found nothing: the new entry of the key in the last segment; `isFull` when there is no room;
   * `foundInstead` when meanwhile another thread has inserted the same blob, or a further copy of it.
   */
  #append(segment: Segment, packNumber: number, offset: number, length: number, uncompressed: number): number {
    const number = this.#memory.reserve(segment);
    if (number < 0) return isFull;
    const { entries, slots } = this.#memory;
    const entry = segment.entryStart + number;
    const word = entry * entryWords;
    entries.set(this.#key, word);
    this.#writePlace(entry, packNumber, offset, length, uncompressed);
    const value = slotValue(segment, number, this.#key[1] ?? 0);
    for (;;) {
      if (Atomics.compareExchange(slots, segment.slotStart + this.#emptySlot, 0, value) === 0) {
        this.#memory.publish(segment);
        return entry;
      }
      if (this.#searchSegment(segment, this.#emptySlot, -1) >= 0) {
        Atomics.store(entries, word + packWord, wastedPack);
        this.#memory.waste(segment);
        return foundInstead;
      }
    }
  }

  #writePlace(entry: number, packNumber: number, offset: number, length: number, uncompressed: number): void {
    const { entries } = this.#memory;
    const word = entry * entryWords + packWord;
    entries[word + 1] = offset;
    entries[word + 2] = length;
    entries[word + 3] = uncompressed;
    // Last, because who sees a pack's number takes the rest as given.
    Atomics.store(entries, word, packNumber | this.#keyType);
  }
}

// What #append returns instead of an entry.
const isFull = -1;
const foundInstead = -2;
