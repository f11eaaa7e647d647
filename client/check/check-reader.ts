/** Reads trees and verifies packs: what a worker thread of a check does. */

import { BlobOpener } from "../reading/blob-opener.ts";
import type { TaskHandler } from "../reading/task-messages.ts";
import { BlobTable } from "../repository/blob-table.ts";
import type { CheckAnswer, CheckSetup, CheckTask } from "./check-tasks.ts";
import { PackVerifier } from "./pack-verifier.ts";
import { TreeReader } from "./tree-reader.ts";

export class CheckReader implements TaskHandler<CheckTask, CheckAnswer> {
  readonly #trees: TreeReader;
  readonly #packs: PackVerifier;

  constructor(setup: CheckSetup) {
    const opener = new BlobOpener(setup.kernels, setup.key);
    this.#trees = new TreeReader(opener, BlobTable.attach(setup.table), setup.wantsDataPacks);
    this.#packs = new PackVerifier(opener);
  }

  handle(task: CheckTask): CheckAnswer {
    return task.kind === "trees" ? this.#trees.read(task) : this.#packs.verify(task);
  }

  end(): void {}
}
