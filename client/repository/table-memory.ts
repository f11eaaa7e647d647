/**
 * The memory of the blob table: entries of 48 bytes, one after the other, and slots that point to them. It grows without
 * moving, so that threads which share it go on while it does.
 *
 * The table is a row of segments. Each has a run of entries and slots of its own; only the last takes new entries. While one
 * thread alone has the table there is one segment, and growing lays its slots out anew. Once the table is shared,
 * growing adds a segment; nothing that exists changes its place.
 */
import { CofferError } from "../../shared/errors.ts";
import {
  allocate,
  growShared,
  pauseThread,
  renewedView,
  resizedView,
  type TableBuffer,
  viewOf,
} from "./growable-memory.ts";

/** What another thread needs to use the same table. May be posted, as often as wanted. */
export interface BlobTableShared {
  readonly header: SharedArrayBuffer;
  readonly entries: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
}

/** A part of the table, as its descriptor in the header says. */
export interface Segment {
  readonly index: number;
  readonly slotStart: number;
  readonly slotCount: number;
  readonly entryStart: number;
  readonly capacity: number;
  /** Low bits of a slot that number an entry of the segment, from 1; the bits above are part of the id's hash. */
  readonly indexMask: number;
}

/** The words of an entry: id (8), pack and type, offset, length, uncompressed length. */
export const entryWords = 12;
export const packWord = 8;
const entryBytes = entryWords * 4;
/** In the pack word: the entry was given up, because another thread was first with the same blob. */
export const wastedPack = 0x7fff_ffff;

/** The part of the slots that is used at most: an absent blob is known as such after some 16 slots, which are a cache line. */
const maxLoad = 0.82;
/** In one thread the table grows by this factor. */
const growthFactor = 1.25;
const minCapacity = 1024;
/** The least number of entries by which a shared table grows; memory that is not touched is not taken. */
const minAddedCapacity = 65_536;
const maxSegments = 64;

/** 128 Mi blobs in 6 GiB: what the address space is reserved for, if the system lets us. */
const maxEntries = 2 ** 27;
/** Slots of every segment together: room for the roundings of all segments. */
const maxSlots: number = Math.ceil(maxEntries / maxLoad) + maxSegments * 1024;

// Words of the header.
const segmentCountWord = 0;
const growLockWord = 1;
const wastedWord = 2;
const descriptorStart = 16;
const descriptorWords = 8;
const headerWords = descriptorStart + maxSegments * descriptorWords;
// Words of a descriptor.
const slotStartWord = 0;
const slotCountWord = 1;
const entryStartWord = 2;
const capacityWord = 3;
/** Entries that were given out; may exceed the capacity. */
const reservedWord = 4;
/** Entries that are complete and to be found. */
const publishedWord = 5;

/** How long a thread waits for others that are in the middle of an insertion, or growing the table: 1 ms, so often. */
const maxWaits = 10_000;

export class TableMemory {
  #header: Int32Array;
  #entries: Int32Array;
  #slots: Int32Array;
  #segments: Segment[] = [];
  /** True from the moment on when another thread may see the table. */
  #isShared: boolean;

  private constructor(header: TableBuffer, entries: TableBuffer, slots: TableBuffer, isShared: boolean) {
    this.#header = new Int32Array(header);
    this.#entries = new Int32Array(entries, 0, entries.byteLength / 4);
    this.#slots = new Int32Array(slots, 0, slots.byteLength / 4);
    this.#isShared = isShared;
    this.refresh();
  }

  static create(expectedEntries: number): TableMemory {
    const capacity = Math.max(minCapacity, Math.ceil(expectedEntries));
    const slotCount = slotCountFor(capacity);
    const header = allocate(headerWords * 4, headerWords * 4);
    const memory = new TableMemory(
      header,
      allocate(capacity * entryBytes, maxEntries * entryBytes),
      allocate(slotCount * 4, maxSlots * 4),
      false,
    );
    memory.#writeDescriptor(0, 0, slotCount, 0, capacity);
    memory.refresh();
    return memory;
  }

  static attach(shared: BlobTableShared): TableMemory {
    return new TableMemory(shared.header, shared.entries, shared.slots, true);
  }

  /** From now on other threads may use the table. Throws `unsupported` where memory cannot be shared. */
  share(): BlobTableShared {
    const header = this.#header.buffer;
    const entries = this.#entries.buffer;
    const slots = this.#slots.buffer;
    if (header instanceof ArrayBuffer || entries instanceof ArrayBuffer || slots instanceof ArrayBuffer) {
      throw new CofferError("unsupported", "blob table expected growable shared memory, which this platform has not");
    }
    this.#isShared = true;
    return { header, entries, slots };
  }

  /** A view that is good until the next `refresh`. */
  get entries(): Int32Array {
    return this.#entries;
  }

  /** A view that is good until the next `refresh`. */
  get slots(): Int32Array {
    return this.#slots;
  }

  /** In the order of their making; those of the last `refresh`. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** Entries that are in use. */
  get count(): number {
    this.refresh();
    let count = -Atomics.load(this.#header, wastedWord);
    for (const { index } of this.#segments) count += Atomics.load(this.#header, descriptorOf(index) + publishedWord);
    return count;
  }

  /** Bytes of entries and slots in use, without those that are reserved for more. */
  get usedBytes(): number {
    this.refresh();
    return this.#segments.reduce((sum, { index, slotCount }) => {
      return sum + this.publishedOf(index) * entryBytes + slotCount * 4;
    }, headerWords * 4);
  }

  /** Complete entries of a segment. In a shared table some before the last complete one may be missing yet. */
  publishedOf(segmentIndex: number): number {
    return Atomics.load(this.#header, descriptorOf(segmentIndex) + publishedWord);
  }

  /** Sees what other threads have added. True if there was something. */
  refresh(): boolean {
    const count = Atomics.load(this.#header, segmentCountWord);
    if (count === this.#segments.length) return false;
    this.#entries = renewedView(this.#entries);
    this.#slots = renewedView(this.#slots);
    for (let index = this.#segments.length; index < count; index++) this.#segments.push(this.#readDescriptor(index));
    return true;
  }

  /** The number of an entry that nobody else will use, or -1 when the segment is full. */
  reserve(segment: Segment): number {
    const number = Atomics.add(this.#header, descriptorOf(segment.index) + reservedWord, 1);
    return number < segment.capacity ? number : -1;
  }

  /** Says that a reserved entry can be found. */
  publish(segment: Segment): void {
    Atomics.add(this.#header, descriptorOf(segment.index) + publishedWord, 1);
  }

  /** Says that a reserved entry will never be found. */
  waste(segment: Segment): void {
    Atomics.add(this.#header, wastedWord, 1);
    this.publish(segment);
  }

  /**
   * Makes room after a segment was found full. When it returns, the table has a new last segment, or its only one is larger, and
   * everything that was ever put into a full segment can be found in it. That is what makes claims exact: a
   * thread that goes on to a new segment has seen all of the old.
   */
  grow(full: Segment): void {
    if (this.#isShared) this.#addSegment(full);
    else this.#layOut(Math.max(minCapacity, Math.ceil(full.capacity * growthFactor)));
  }

  /** Lays out the slots of a table that is complete for the moment, so that they take no more memory than they should. */
  fit(): void {
    const [segment] = this.#segments;
    if (this.#isShared || segment === undefined) return;
    const capacity = Math.max(minCapacity, Math.ceil(this.publishedOf(0) * 1.02));
    if (capacity > segment.capacity * 0.95) return;
    this.#slots = viewOf(allocate(0, maxSlots * 4));
    this.#layOut(capacity);
  }

  /** In the same memory: entries stay where they are, and slots are made from them. */
  #layOut(capacity: number): void {
    const used = this.publishedOf(0);
    this.#entries = resizedView(this.#entries, capacity * entryBytes, maxEntries * entryBytes);
    const slotCount = slotCountFor(capacity);
    this.#slots = resizedView(this.#slots, slotCount * 4, maxSlots * 4).fill(0);
    this.#segments = [];
    this.#writeDescriptor(0, 0, slotCount, 0, capacity);
    const descriptor = descriptorOf(0);
    this.#header[descriptor + reservedWord] = used;
    this.#header[descriptor + publishedWord] = used;
    const segment = this.#readDescriptor(0);
    this.#segments.push(segment);
    for (let number = 0; number < used; number++) this.#placeAgain(segment, number);
  }

  #placeAgain(segment: Segment, number: number): void {
    const word = number * entryWords;
    const hash = this.#entries[word] ?? 0;
    const tag = this.#entries[word + 1] ?? 0;
    let slot = firstSlot(segment, hash);
    while (this.#slots[slot] !== 0) slot = slot + 1 === segment.slotCount ? 0 : slot + 1;
    this.#slots[slot] = slotValue(segment, number, tag);
  }

  #addSegment(full: Segment): void {
    this.#lock();
    try {
      if (Atomics.load(this.#header, segmentCountWord) > full.index + 1) return;
      this.#waitUntil(() => this.publishedOf(full.index) >= full.capacity, "an insertion into the blob table");
      const entryStart = full.entryStart + full.capacity;
      const capacity = Math.min(maxEntries - entryStart, Math.max(minAddedCapacity, Math.ceil(entryStart / 2)));
      if (capacity <= 0 || full.index + 1 === maxSegments) throw tooManyBlobs(entryStart);
      const slotStart = full.slotStart + full.slotCount;
      const slotCount = slotCountFor(capacity);
      const hasGrown =
        growShared(this.#entries.buffer, (entryStart + capacity) * entryBytes) &&
        growShared(this.#slots.buffer, (slotStart + slotCount) * 4);
      if (!hasGrown) throw tooManyBlobs(entryStart);
      this.#writeDescriptor(full.index + 1, slotStart, slotCount, entryStart, capacity);
    } finally {
      this.#unlock();
    }
  }

  #lock(): void {
    this.#waitUntil(
      () => Atomics.compareExchange(this.#header, growLockWord, 0, 1) === 0,
      "another thread to grow the blob table",
    );
  }

  #unlock(): void {
    Atomics.store(this.#header, growLockWord, 0);
  }

  /** Others need microseconds, unless they died: then the run has failed anyway, and this thread must not hang. */
  #waitUntil(isDone: () => boolean, what: string): void {
    for (let waits = 0; !isDone(); waits++) {
      if (waits === maxWaits) throw new CofferError("internal", `waited too long for ${what}`);
      pauseThread();
    }
  }

  #writeDescriptor(index: number, slotStart: number, slotCount: number, entryStart: number, capacity: number): void {
    const at = descriptorOf(index);
    this.#header[at + slotStartWord] = slotStart;
    this.#header[at + slotCountWord] = slotCount;
    this.#header[at + entryStartWord] = entryStart;
    this.#header[at + capacityWord] = capacity;
    Atomics.store(this.#header, segmentCountWord, index + 1);
  }

  #readDescriptor(index: number): Segment {
    const at = descriptorOf(index);
    const word = (offset: number): number => this.#header[at + offset] ?? 0;
    const capacity = word(capacityWord);
    return {
      index,
      slotStart: word(slotStartWord),
      slotCount: word(slotCountWord),
      entryStart: word(entryStartWord),
      capacity,
      indexMask: 2 ** (32 - Math.clz32(capacity)) - 1,
    };
  }
}

/** Where the search for an id begins, from its first word: ids are hashes, so any of their bits will do. */
export function firstSlot(segment: Segment, hash: number): number {
  return Math.floor(((hash >>> 0) / 0x1_0000_0000) * segment.slotCount);
}

/** What a slot holds for the entry of that number in its segment; `tag` is the second word of the id. */
export function slotValue(segment: Segment, number: number, tag: number): number {
  return (tag & ~segment.indexMask) | (number + 1);
}

function slotCountFor(capacity: number): number {
  return Math.ceil(capacity / maxLoad) + 1;
}

function descriptorOf(index: number): number {
  return descriptorStart + index * descriptorWords;
}

function tooManyBlobs(count: number): CofferError {
  return new CofferError("limit-exceeded", `blob table is full with ${count} blobs; the system grants no more memory`);
}
