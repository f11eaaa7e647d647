/** Reads trees for a check: are they readable, what do they refer to, is that in the index? */
import { CofferError } from "../../shared/errors.ts";
import { toHex } from "../../shared/format/bytes.ts";
import type { Id } from "../../shared/format/layout.ts";
import { quoteName } from "../../shared/format/quoting.ts";
import { decodeTree } from "../../shared/format/tree.ts";
import { readTreeReferences } from "../../shared/format/tree-references.ts";
import { BlobList } from "../reading/blob-list.ts";
import type { BlobOpener } from "../reading/blob-opener.ts";
import type { BlobTable } from "../repository/blob-table.ts";
import type { TreesAnswer, TreesTask } from "./check-tasks.ts";

const idBytes = 32;

export class TreeReader {
  readonly #opener: BlobOpener;
  readonly #table: BlobTable;
  readonly #wantsDataPacks: boolean;

  constructor(opener: BlobOpener, table: BlobTable, wantsDataPacks: boolean) {
    this.#opener = opener;
    this.#table = table;
    this.#wantsDataPacks = wantsDataPacks;
  }

  read(task: TreesTask): TreesAnswer {
    const blobs = BlobList.unpack(task.blobs);
    const range = new Uint8Array(task.memory, 0, task.lengthBytes);
    const findings = new Findings(blobs.count);
    for (let tree = 0; tree < blobs.count; tree++) {
      const start = blobs.offsetOf(tree) - task.offsetBytes;
      const sealed = range.subarray(start, start + blobs.lengthOf(tree));
      try {
        const document = this.#opener.open(sealed, blobs.uncompressedOf(tree), blobs.idOf(tree));
        this.#readTree(document, tree, findings);
      } catch (error) {
        if (!(error instanceof CofferError)) throw error;
        findings.unreadable.push({ tree, code: error.code, message: error.message });
      }
    }
    return findings.answer();
  }

  #readTree(document: Uint8Array, tree: number, findings: Findings): void {
    const { problems, subtrees, contents } = readTreeReferences(document);
    const lines = [...problems];
    const packs = new Set<number>();
    let isMissingSome = false;
    for (let offset = 0; offset < contents.length; offset += idBytes) {
      const entry = this.#table.find("data", contents, offset);
      if (entry === -1) isMissingSome = true;
      else if (this.#wantsDataPacks) packs.add(this.#table.placeOf(entry)?.packIndex ?? 0);
    }
    if (isMissingSome) lines.push(...this.#describeMissing(document, contents));
    if (lines.length > 0) findings.faults.push({ tree, lines });
    findings.addReferences(tree, subtrees, packs);
  }

  /** Which files miss which blobs. Damage is rare: only then the names are read. */
  #describeMissing(document: Uint8Array, contents: Uint8Array): string[] {
    const lines: string[] = [];
    try {
      for (const node of decodeTree(document)) {
        for (const id of node.content ?? []) {
          if (!this.#has(id)) lines.push(`file "${quoteName(node.name)}" blob ${id} not found in index`);
        }
      }
      return lines;
    } catch {
      for (let offset = 0; offset < contents.length; offset += idBytes) {
        if (this.#table.find("data", contents, offset) !== -1) continue;
        lines.push(`blob ${toHex(contents.subarray(offset, offset + idBytes))} not found in index`);
      }
      return lines;
    }
  }

  #has(id: Id): boolean {
    return this.#table.find("data", Buffer.from(id, "hex")) !== -1;
  }
}

class Findings {
  readonly unreadable: TreesAnswer["unreadable"][number][] = [];
  readonly faults: TreesAnswer["faults"][number][] = [];
  readonly #childCounts: Uint32Array;
  readonly #children: Id[] = [];
  readonly #dataPackCounts: Uint32Array;
  readonly #dataPacks: number[] = [];

  constructor(trees: number) {
    this.#childCounts = new Uint32Array(trees);
    this.#dataPackCounts = new Uint32Array(trees);
  }

  addReferences(tree: number, subtrees: readonly Id[], packs: ReadonlySet<number>): void {
    this.#childCounts[tree] = subtrees.length;
    for (const id of subtrees) this.#children.push(id);
    this.#dataPackCounts[tree] = packs.size;
    for (const pack of packs) this.#dataPacks.push(pack);
  }

  answer(): TreesAnswer {
    return {
      childCounts: this.#childCounts,
      children: Buffer.from(this.#children.join(""), "hex"),
      unreadable: this.unreadable,
      faults: this.faults,
      dataPackCounts: this.#dataPackCounts,
      dataPacks: Uint32Array.from(this.#dataPacks),
    };
  }
}
