/**
 * The blobs of a pack, or of a range of it, as numbers and ids in one piece of memory: 48 bytes per blob instead of an
 * object with two strings, and one message to a worker instead of thousands of fields.
 */
import { toHex } from "../../shared/format/bytes.ts";
import type { Id } from "../../shared/format/layout.ts";
import type { BlobType } from "../../shared/format/pack.ts";

/** offset, sealed length, plaintext length (0 = not compressed), type (0 data, 1 tree), id. */
const recordBytes = 48;
const recordWords = recordBytes / 4;
const idOffset = 16;
const idBytes = 32;

/** What it costs besides the payload: IV and tag. */
const sealedOverheadBytes = 32;

/** Grows by doubling, so that appending a million blobs copies each about once. */
export class BlobList {
  #bytes: Uint8Array<ArrayBuffer>;
  #words: Uint32Array;
  #count = 0;

  constructor(expectedBlobs = 16) {
    this.#bytes = new Uint8Array(Math.max(1, expectedBlobs) * recordBytes);
    this.#words = new Uint32Array(this.#bytes.buffer);
  }

  /** A list that another thread has packed. */
  static unpack(packed: ArrayBuffer): BlobList {
    const list = new BlobList(0);
    list.#bytes = new Uint8Array(packed);
    list.#words = new Uint32Array(packed);
    list.#count = packed.byteLength / recordBytes;
    return list;
  }

  get count(): number {
    return this.#count;
  }

  append(type: BlobType, id: Uint8Array, offsetBytes: number, lengthBytes: number, uncompressedBytes: number): void {
    if ((this.#count + 1) * recordBytes > this.#bytes.length) this.#grow();
    const word = this.#count * recordWords;
    this.#words[word] = offsetBytes;
    this.#words[word + 1] = lengthBytes;
    this.#words[word + 2] = uncompressedBytes;
    this.#words[word + 3] = type === "tree" ? 1 : 0;
    this.#bytes.set(id, this.#count * recordBytes + idOffset);
    this.#count += 1;
  }

  /** Forgets all blobs from `count` on. */
  truncate(count: number): void {
    this.#count = Math.min(this.#count, count);
  }

  #grow(): void {
    const grown = new Uint8Array(Math.max(16 * recordBytes, this.#bytes.length * 2));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#words = new Uint32Array(grown.buffer);
  }

  offsetOf(index: number): number {
    return this.#words[index * recordWords] ?? 0;
  }

  /** The sealed length. */
  lengthOf(index: number): number {
    return this.#words[index * recordWords + 1] ?? 0;
  }

  /** 0 = not compressed. */
  uncompressedOf(index: number): number {
    return this.#words[index * recordWords + 2] ?? 0;
  }

  typeOf(index: number): BlobType {
    return this.#words[index * recordWords + 3] === 1 ? "tree" : "data";
  }

  /** A view of 32 bytes, good until the next `append`. */
  idOf(index: number): Uint8Array {
    const start = index * recordBytes + idOffset;
    return this.#bytes.subarray(start, start + idBytes);
  }

  hexIdOf(index: number): Id {
    return toHex(this.idOf(index));
  }

  /** What the blob's plaintext has, as far as the index tells. */
  plainLengthOf(index: number): number {
    return this.uncompressedOf(index) || Math.max(0, this.lengthOf(index) - sealedOverheadBytes);
  }

  /** The records of `count` blobs from `first` on, in memory of their own that may be transferred. */
  pack(first = 0, count: number = this.#count - first): ArrayBuffer {
    return this.#bytes.slice(first * recordBytes, (first + count) * recordBytes).buffer;
  }

  /** The records as bytes: equal bytes mean equal blobs at equal places. A view. */
  bytesOf(first: number, count: number): Uint8Array {
    return this.#bytes.subarray(first * recordBytes, (first + count) * recordBytes);
  }

  /** Puts `count` records from `first` on into the order of their offsets. */
  sortByOffset(first: number, count: number): void {
    let isSorted = true;
    for (let index = first + 1; index < first + count && isSorted; index++) {
      isSorted = this.offsetOf(index - 1) <= this.offsetOf(index);
    }
    if (isSorted) return;
    const order = Array.from({ length: count }, (_, index) => first + index);
    order.sort((a, b) => this.offsetOf(a) - this.offsetOf(b));
    const records = this.#bytes.slice(first * recordBytes, (first + count) * recordBytes);
    order.forEach((from, index) => {
      const start = (from - first) * recordBytes;
      this.#bytes.set(records.subarray(start, start + recordBytes), (first + index) * recordBytes);
    });
  }
}
