/** Ids numbered from 0, and their numbers found again: 32 bytes each and a little more, where a map of texts takes five times that. */
import { toHex } from "../../shared/format/bytes.ts";
import type { Id } from "../../shared/format/layout.ts";

const idBytes = 32;
const idWords = 8;
const minCapacity = 256;
/** Of the slots at most this part is used. */
const maxLoad = 0.8;

export class IdList {
  /** The ids in machine words, read from their bytes as little endian. */
  #words: Int32Array = new Int32Array(minCapacity * idWords);
  /** 0, or the number of an id + 1. */
  #slots: Int32Array = new Int32Array(Math.ceil(minCapacity / maxLoad));
  readonly #key: Int32Array = new Int32Array(idWords);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get usedBytes(): number {
    return this.#words.byteLength + this.#slots.byteLength;
  }

  /** The number of the id, which is added unless it is there. `id` is 32 bytes. */
  add(id: Uint8Array): number {
    const slot = this.#search(id);
    const known = this.#slots[slot] ?? 0;
    if (known > 0) return known - 1;
    if ((this.#count + 1) * idWords > this.#words.length) {
      this.#layOut(Math.ceil(this.#count * 1.5));
      return this.add(id);
    }
    this.#words.set(this.#key, this.#count * idWords);
    this.#count += 1;
    this.#slots[slot] = this.#count;
    return this.#count - 1;
  }

  /** The number of the id, or -1. */
  find(id: Uint8Array): number {
    return (this.#slots[this.#search(id)] ?? 0) - 1;
  }

  idOf(number: number): Id {
    const id = new Uint8Array(idBytes);
    const view = new DataView(id.buffer);
    for (let index = 0; index < idWords; index++) {
      view.setInt32(index * 4, this.#words[number * idWords + index] ?? 0, true);
    }
    return toHex(id);
  }

  /** The slot that has the id, or the empty one where it belongs. */
  #search(id: Uint8Array): number {
    for (let index = 0; index < idWords; index++) {
      const at = index * 4;
      this.#key[index] =
        (id[at] ?? 0) | ((id[at + 1] ?? 0) << 8) | ((id[at + 2] ?? 0) << 16) | ((id[at + 3] ?? 0) << 24);
    }
    let slot = this.#firstSlot(this.#key[0] ?? 0);
    for (let value = this.#slots[slot]; value; value = this.#slots[slot]) {
      if (this.#hasKey(value - 1)) return slot;
      slot = slot + 1 === this.#slots.length ? 0 : slot + 1;
    }
    return slot;
  }

  #hasKey(number: number): boolean {
    for (let index = 0; index < idWords; index++) {
      if (this.#words[number * idWords + index] !== this.#key[index]) return false;
    }
    return true;
  }

  #firstSlot(hash: number): number {
    return Math.floor(((hash >>> 0) / 0x1_0000_0000) * this.#slots.length);
  }

  /** Gives back what growing has taken too much of. */
  fit(): void {
    this.#layOut(Math.max(minCapacity, this.#count));
  }

  #layOut(capacity: number): void {
    const words = new Int32Array(capacity * idWords);
    words.set(this.#words.subarray(0, this.#count * idWords));
    this.#words = words;
    this.#slots = new Int32Array(Math.ceil(capacity / maxLoad));
    for (let number = 0; number < this.#count; number++) {
      let slot = this.#firstSlot(words[number * idWords] ?? 0);
      while (this.#slots[slot] !== 0) slot = slot + 1 === this.#slots.length ? 0 : slot + 1;
      this.#slots[slot] = number + 1;
    }
  }
}
