/** Checks that the snapshots load, and that everything is there that their trees refer to. */
import { fromHex } from "../../shared/format/bytes.ts";
import type { Id } from "../../shared/format/layout.ts";
import { parseSnapshot } from "../../shared/format/snapshot.ts";
import { throwIfCancelled } from "../backends/cancellation.ts";
import { forEachConcurrently } from "../repository/concurrency.ts";
import { type Findings, isDamagedFile } from "./findings.ts";
import type { CheckedPack } from "./inventory.ts";
import { missingTree, TreeGraph } from "./tree-graph.ts";
import { type ReadingParts, TreeReading } from "./tree-reading.ts";

export class SnapshotCheck {
  readonly #parts: ReadingParts;
  readonly #findings: Findings;
  readonly #graph: TreeGraph;
  /** Trees that were reported, and packs that are needed, by number. */
  readonly #seenTrees: Uint8Array;
  readonly #neededPacks: Uint8Array;

  constructor(parts: ReadingParts, findings: Findings) {
    this.#parts = parts;
    this.#findings = findings;
    this.#graph = new TreeGraph(parts.inventory);
    this.#seenTrees = new Uint8Array(parts.inventory.blobs.count);
    this.#neededPacks = new Uint8Array(parts.inventory.packs.length);
  }

  /** The packs that the snapshots need; with `isFiltered`, only trees that they lead to are read, else all. */
  async run(snapshotIds: readonly Id[], isFiltered: boolean): Promise<readonly CheckedPack[]> {
    this.#findings.phase("check snapshots, trees and blobs");
    const { packs } = this.#parts.inventory;
    const roots = await this.#loadRoots(snapshotIds);
    await this.#readTrees(roots, isFiltered);
    this.#report(roots);
    return isFiltered ? packs.filter((_, number) => this.#neededPacks[number] === 1) : packs;
  }

  /** The root trees of the snapshots that load. */
  async #loadRoots(ids: readonly Id[]): Promise<Id[]> {
    const { source, signal } = this.#parts;
    const roots = new Map<Id, Id>();
    await forEachConcurrently(ids, source.backend.connections, async (id) => {
      throwIfCancelled(signal);
      try {
        roots.set(id, parseSnapshot(await source.loadDocument("snapshots", id, signal)).tree);
      } catch (error) {
        if (!isDamagedFile(error)) throw error;
        this.#findings.problem(`error: failed to load snapshot ${id.slice(0, 8)}: ${error.message}`);
      }
    });
    return ids.flatMap((id) => roots.get(id) ?? []);
  }

  async #readTrees(roots: readonly Id[], isFiltered: boolean): Promise<void> {
    const reading = new TreeReading(this.#parts, this.#graph);
    if (isFiltered) {
      for (const tree of roots) {
        const number = this.#graph.numberOf(fromHex(tree));
        if (number !== undefined) reading.wantTree(number);
      }
    } else {
      // Nearly all trees belong to some snapshot: no need to find out which before they are asked for.
      for (const [number, { hasTrees }] of this.#parts.inventory.packs.entries()) {
        if (hasTrees) reading.wantPack(number);
      }
    }
    await reading.run(isFiltered, (done, total) => this.#findings.progress("tree packs", done, total));
  }

  /** What is wrong with trees that no snapshot reaches does not count. */
  #report(roots: readonly Id[]): void {
    for (const [index, tree] of roots.entries()) {
      const root = this.#graph.numberOf(fromHex(tree));
      if (root === undefined) this.#findings.treeProblem(tree, [missingTree(tree)]);
      else this.#reportFrom(root);
      this.#findings.progress("snapshots", index + 1, roots.length);
    }
    if (roots.length === 0) this.#findings.progress("snapshots", 0, undefined);
  }

  #reportFrom(root: number): void {
    const { inventory } = this.#parts;
    const stack = [root];
    for (let tree = stack.pop(); tree !== undefined; tree = stack.pop()) {
      if (this.#seenTrees[tree] === 1) continue;
      this.#seenTrees[tree] = 1;
      const faults = this.#graph.faults(tree);
      if (faults.length > 0) this.#findings.treeProblem(inventory.blobs.hexIdOf(tree), faults);
      const place = inventory.find("tree", inventory.blobs.idOf(tree));
      if (place !== undefined) this.#neededPacks[place.pack] = 1;
      for (const pack of this.#graph.dataPacks(tree)) this.#neededPacks[pack] = 1;
      for (const child of this.#graph.children(tree)) stack.push(child);
    }
  }
}
