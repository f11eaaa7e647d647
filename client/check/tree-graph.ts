/**
 * Which tree refers to which, as numbers: trees are read in any order, pack by pack, and what a snapshot reaches is walked
 * afterwards in memory. A tree's number is that of its first copy in the inventory.
 */

import { toHex } from "../../shared/format/bytes.ts";
import type { Id } from "../../shared/format/layout.ts";
import type { TreesAnswer } from "./check-tasks.ts";
import type { Inventory } from "./inventory.ts";

const idBytes = 32;

/** A list of 32-bit numbers that grows by doubling. */
class NumberList {
  #numbers = new Uint32Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.#numbers.length) {
      const grown = new Uint32Array(this.#numbers.length * 2);
      grown.set(this.#numbers);
      this.#numbers = grown;
    }
    this.#numbers[this.length++] = value;
  }

  slice(start: number, count: number): Uint32Array {
    return this.#numbers.subarray(start, start + count);
  }
}

/** The slice of a list that belongs to each tree. */
class Slices {
  readonly #list = new NumberList();
  readonly #starts: Uint32Array;
  readonly #counts: Uint32Array;

  constructor(trees: number) {
    this.#starts = new Uint32Array(trees);
    this.#counts = new Uint32Array(trees);
  }

  set(tree: number, values: Iterable<number>): void {
    this.#starts[tree] = this.#list.length;
    for (const value of values) this.#list.push(value);
    this.#counts[tree] = this.#list.length - (this.#starts[tree] ?? 0);
  }

  get(tree: number): Uint32Array {
    return this.#list.slice(this.#starts[tree] ?? 0, this.#counts[tree] ?? 0);
  }
}

export class TreeGraph {
  readonly #inventory: Inventory;
  readonly #isRead: Uint8Array;
  readonly #children: Slices;
  readonly #dataPacks: Slices;
  /** Lines that tell what is wrong, by tree. */
  readonly #faults = new Map<number, string[]>();

  constructor(inventory: Inventory) {
    const count = inventory.blobs.count;
    this.#inventory = inventory;
    this.#isRead = new Uint8Array(count);
    this.#children = new Slices(count);
    this.#dataPacks = new Slices(count);
  }

  /** Undefined when no index knows the tree. */
  numberOf(id: Uint8Array): number | undefined {
    return this.#inventory.find("tree", id)?.blob;
  }

  isRead(tree: number): boolean {
    return this.#isRead[tree] === 1;
  }

  children(tree: number): Uint32Array {
    return this.#children.get(tree);
  }

  /** Numbers of the packs that hold the content of the tree's files. */
  dataPacks(tree: number): Uint32Array {
    return this.#dataPacks.get(tree);
  }

  faults(tree: number): readonly string[] {
    return this.#faults.get(tree) ?? [];
  }

  /** Takes in what a worker found in trees. `trees`: their numbers. Those that are unreadable stay unread. */
  record(trees: readonly number[], answer: TreesAnswer): void {
    const unreadable = new Set(answer.unreadable.map(({ tree }) => tree));
    let child = 0;
    let pack = 0;
    for (const [index, tree] of trees.entries()) {
      const endChild = child + (answer.childCounts[index] ?? 0);
      const endPack = pack + (answer.dataPackCounts[index] ?? 0);
      if (!unreadable.has(index) && !this.isRead(tree)) {
        this.#isRead[tree] = 1;
        this.#children.set(tree, this.#numbersOf(tree, answer.children, child, endChild));
        this.#dataPacks.set(tree, answer.dataPacks.subarray(pack, endPack));
      }
      child = endChild;
      pack = endPack;
    }
    for (const { tree, lines } of answer.faults) this.#recordFaults(trees[tree], lines);
  }

  /** No copy of the tree can be read. */
  recordUnreadable(tree: number, message: string): void {
    this.#isRead[tree] = 1;
    this.#faults.set(tree, [message]);
  }

  #recordFaults(tree: number | undefined, lines: readonly string[]): void {
    if (tree === undefined) return;
    const id = this.#inventory.blobs.hexIdOf(tree);
    this.#addFaults(
      tree,
      lines.map((line) => `tree ${id}: ${line}`),
    );
  }

  #addFaults(tree: number, lines: readonly string[]): void {
    const known = this.#faults.get(tree) ?? [];
    this.#faults.set(tree, [...known, ...lines.filter((line) => !known.includes(line))]);
  }

  #numbersOf(tree: number, ids: Uint8Array, from: number, to: number): number[] {
    const numbers: number[] = [];
    for (let index = from; index < to; index++) {
      const id = ids.subarray(index * idBytes, (index + 1) * idBytes);
      const number = this.numberOf(id);
      if (number !== undefined) numbers.push(number);
      else this.#addFaults(tree, [missingTree(toHex(id))]);
    }
    return numbers;
  }
}

export function missingTree(id: Id): string {
  return `id ${id} not found in repository`;
}
