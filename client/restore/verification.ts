/** `--verify`: reads the files that were written again and compares them, blob by blob, with the snapshot. */
import { CofferError } from "../../shared/errors.ts";
import type { BlobSource } from "../reading/source.ts";
import type { TaskRunner } from "../reading/task-workers.ts";
import { forEachConcurrently } from "../repository/concurrency.ts";
import { type BytePath, nameOf, parentOf } from "./byte-path.ts";
import { compareContent } from "./content-comparison.ts";
import { piecesOf, sizeOfPieces } from "./content-plan.ts";
import type { RestoreAnswer, RestoreTask } from "./file-tasks.ts";
import type { WalkedItem, WalkVisitor } from "./tree-walk.ts";

/** Names of the files that were written, by folder: a few bytes each, where nodes would be hundreds. */
export class WrittenFiles {
  readonly #names = new Map<BytePath, Set<BytePath>>();

  add(path: BytePath): void {
    const folder = parentOf(path);
    const names = this.#names.get(folder);
    if (names === undefined) this.#names.set(folder, new Set([nameOf(path)]));
    else names.add(nameOf(path));
  }

  has(path: BytePath): boolean {
    return this.#names.get(parentOf(path))?.has(nameOf(path)) ?? false;
  }
}

export interface VerificationParts {
  readonly index: BlobSource["index"];
  readonly runner: TaskRunner<RestoreTask, RestoreAnswer>;
  readonly written: WrittenFiles;
  readonly concurrency: number;
  readonly failed: (path: BytePath, error: Error) => void;
}

/** How many files are gathered before they are compared. */
const filesAtOnce = 2000;

/** Walks the same trees as the restore did. `finish` is to be called at the end. */
export class VerificationVisitor implements WalkVisitor {
  readonly #parts: VerificationParts;
  #items: WalkedItem[] = [];
  /** Files that were compared, damaged ones included. */
  fileCount = 0;

  constructor(parts: VerificationParts) {
    this.#parts = parts;
  }

  visitItem(item: WalkedItem): Promise<void> | undefined {
    if (item.node.type !== "file" || !this.#parts.written.has(item.path)) return undefined;
    this.#items.push(item);
    return this.#items.length >= filesAtOnce ? this.finish() : undefined;
  }

  itemFailed(): void {
    // The restore has walked here before, and has reported it.
  }

  async finish(): Promise<void> {
    const items = this.#items;
    this.#items = [];
    await forEachConcurrently(items, this.#parts.concurrency, (item) => this.#compare(item));
  }

  async #compare({ path, node, name, folder }: WalkedItem): Promise<void> {
    const place = { folder: folder.path, name };
    const pieces = piecesOf(node.content ?? [], this.#parts.index);
    const { sizeBytes, missing } = await compareContent(this.#parts.runner, this.#parts.index.table, place, pieces);
    this.fileCount += 1;
    const expectedBytes = sizeOfPieces(pieces);
    const first = missing[0];
    if (sizeBytes !== expectedBytes) {
      const found = sizeBytes < 0 ? "no readable file" : `${sizeBytes} bytes`;
      this.#parts.failed(
        path,
        new CofferError("damaged", `verification expected ${expectedBytes} bytes, found ${found}`),
      );
    } else if (first !== undefined) {
      const where = `at offset ${first.position} blob ${this.#parts.index.table.idOf(first.entry)} was expected, and other content was found`;
      this.#parts.failed(path, new CofferError("hash-mismatch", `verification failed: ${where}`));
    }
  }
}
