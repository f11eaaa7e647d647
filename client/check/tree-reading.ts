/** Has trees read by workers: whole packs of them, in any order, each once. */
import type { CofferError } from "../../shared/errors.ts";
import { throwIfCancelled } from "../backends/cancellation.ts";
import { type BlobFailure, describeBlobFailure, isDamage } from "../reading/blob-errors.ts";
import { BlobList } from "../reading/blob-list.ts";
import { planRanges } from "../reading/ranges.ts";
import { type SharedBuffers, usualBufferBytes } from "../reading/shared-buffers.ts";
import type { TaskRunner } from "../reading/task-workers.ts";
import { forEachConcurrently } from "../repository/concurrency.ts";
import type { CheckAnswer, CheckTask, TreesAnswer } from "./check-tasks.ts";
import type { Inventory } from "./inventory.ts";
import type { CheckSource } from "./source.ts";
import type { TreeGraph } from "./tree-graph.ts";

export interface ReadingParts {
  readonly source: CheckSource;
  readonly inventory: Inventory;
  readonly runner: TaskRunner<CheckTask, CheckAnswer>;
  readonly buffers: SharedBuffers;
  /** How many ranges may be on their way at a time. */
  readonly concurrency: number;
  readonly signal: AbortSignal | undefined;
}

/** Copies of trees that are fetched by one request: indices into the blobs of the inventory. */
interface TreeRange {
  readonly pack: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly blobs: readonly number[];
}

export class TreeReading {
  readonly #parts: ReadingParts;
  readonly #graph: TreeGraph;
  /** Packs that were read, or are going to be. */
  readonly #wanted: Uint8Array;
  /** Trees that `wantTree` has led to. */
  readonly #isReachable: Uint8Array;
  #waiting: number[] = [];

  constructor(parts: ReadingParts, graph: TreeGraph) {
    this.#parts = parts;
    this.#graph = graph;
    this.#wanted = new Uint8Array(parts.inventory.packs.length);
    this.#isReachable = new Uint8Array(parts.inventory.blobs.count);
  }

  /** Wants the trees of a pack. */
  wantPack(pack: number): void {
    if (this.#wanted[pack] === 1) return;
    this.#wanted[pack] = 1;
    this.#waiting.push(pack);
  }

  /** Reads all packs that are wanted, and with `follows` those that wanted trees lead to. */
  async run(follows: boolean, onProgress: (done: number, total: number) => void): Promise<void> {
    let done = 0;
    let total = 0;
    while (this.#waiting.length > 0) {
      const packs = this.#waiting;
      this.#waiting = [];
      total += packs.length;
      const ranges = packs.flatMap((pack) => this.#rangesOf(pack));
      const left = new Map<number, number>();
      for (const { pack } of ranges) left.set(pack, (left.get(pack) ?? 0) + 1);
      await forEachConcurrently(ranges, this.#parts.concurrency, async (range) => {
        await this.#readRange(range, follows);
        const rest = (left.get(range.pack) ?? 1) - 1;
        left.set(range.pack, rest);
        if (rest === 0) onProgress(++done, total);
      });
    }
  }

  #rangesOf(pack: number): TreeRange[] {
    const { blobs, packs } = this.#parts.inventory;
    const { first = 0, count = 0 } = packs[pack] ?? {};
    const trees: number[] = [];
    for (let blob = first; blob < first + count; blob++) if (blobs.typeOf(blob) === "tree") trees.push(blob);
    const extents = trees.map((blob) => ({ offsetBytes: blobs.offsetOf(blob), lengthBytes: blobs.lengthOf(blob) }));
    return planRanges(extents, usualBufferBytes).map(({ offsetBytes, lengthBytes, first: from, end }) => {
      return { pack, offsetBytes, lengthBytes, blobs: trees.slice(from, end) };
    });
  }

  async #readRange(range: TreeRange, follows: boolean): Promise<void> {
    throwIfCancelled(this.#parts.signal);
    const trees = range.blobs.map((blob) => this.#numberOf(blob));
    const answer = await this.#load(range);
    this.#graph.record(trees, answer);
    for (const { tree: index, ...failure } of answer.unreadable) {
      const tree = trees[index];
      if (tree !== undefined && !this.#graph.isRead(tree)) await this.#readCopies(tree, range.pack, failure);
    }
    if (!follows) return;
    for (const tree of trees) {
      if (this.#isReachable[tree] !== 1) continue;
      for (const child of this.#graph.children(tree)) this.wantTree(child);
    }
  }

  /** Wants a tree and all that it leads to, as far as is known yet. */
  wantTree(root: number): void {
    const stack = [root];
    for (let tree = stack.pop(); tree !== undefined; tree = stack.pop()) {
      if (this.#isReachable[tree] === 1) continue;
      this.#isReachable[tree] = 1;
      if (this.#graph.isRead(tree)) stack.push(...this.#graph.children(tree));
      else this.#wantPackOf(tree);
    }
  }

  #wantPackOf(tree: number): void {
    const { inventory } = this.#parts;
    const place = inventory.find("tree", inventory.blobs.idOf(tree));
    if (place !== undefined) this.wantPack(place.pack);
  }

  /** The number of the tree that a blob is a copy of. */
  #numberOf(blob: number): number {
    return this.#graph.numberOf(this.#parts.inventory.blobs.idOf(blob)) ?? blob;
  }

  /** All copies once more, the one that failed included: what was bad may have been the line. */
  async #readCopies(tree: number, pack: number, failure: BlobFailure): Promise<void> {
    const { inventory, source } = this.#parts;
    const id = inventory.blobs.hexIdOf(tree);
    const packIdOf = (number: number): string => inventory.packs[number]?.id ?? "";
    await source.backend.dropCached?.({ type: "data", id: packIdOf(pack), isMetadata: true });
    for (const copy of inventory.findAll("tree", inventory.blobs.idOf(tree).slice())) {
      const offsetBytes = inventory.blobs.offsetOf(copy.blob);
      const lengthBytes = inventory.blobs.lengthOf(copy.blob);
      const answer = await this.#load({ pack: copy.pack, offsetBytes, lengthBytes, blobs: [copy.blob] });
      this.#graph.record([tree], answer);
      if (this.#graph.isRead(tree)) return;
    }
    this.#graph.recordUnreadable(tree, describeBlobFailure("tree", id, packIdOf(pack), failure));
  }

  /** Fetches a range and has it read. When it cannot be loaded, all its trees are unreadable. */
  async #load(range: TreeRange): Promise<TreesAnswer> {
    const { source, inventory, buffers, runner, signal } = this.#parts;
    const { offsetBytes, lengthBytes } = range;
    const buffer = await buffers.acquire(lengthBytes);
    try {
      const handle = { type: "data", id: inventory.packs[range.pack]?.id ?? "", isMetadata: true } as const;
      const into = buffer.bytes.subarray(0, lengthBytes);
      const options = { range: { offsetBytes, lengthBytes }, into };
      await source.backend.load(handle, signal === undefined ? options : { ...options, signal });
      const blobs = this.#packedBlobs(range.blobs);
      const task: CheckTask = { kind: "trees", memory: buffer.memory, offsetBytes, lengthBytes, blobs };
      return (await runner.run(task, [blobs])) as TreesAnswer;
    } catch (error) {
      if (!isDamage(error)) throw error;
      return unreadableAnswer(range.blobs.length, error);
    } finally {
      buffers.release(buffer);
    }
  }

  #packedBlobs(indices: readonly number[]): ArrayBuffer {
    const { blobs } = this.#parts.inventory;
    const list = new BlobList(indices.length);
    for (const index of indices) {
      const [offsetBytes, lengthBytes] = [blobs.offsetOf(index), blobs.lengthOf(index)];
      list.append("tree", blobs.idOf(index), offsetBytes, lengthBytes, blobs.uncompressedOf(index));
    }
    return list.pack();
  }
}

function unreadableAnswer(count: number, { code, message }: CofferError): TreesAnswer {
  return {
    childCounts: new Uint32Array(count),
    children: new Uint8Array(),
    unreadable: Array.from({ length: count }, (_, tree) => ({ tree, code, message })),
    faults: [],
    dataPackCounts: new Uint32Array(count),
    dataPacks: new Uint32Array(),
  };
}
