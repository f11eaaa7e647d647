/**
 * Checks a repository: the index files, the packs against them, the trees of the snapshots, and as far as wanted the content
 * of the packs. Verdicts: docs/format.md, check. Nothing is changed.
 */
import type { Id } from "../../shared/format/layout.ts";
import { compileKernels } from "../../shared/kernels/kernels.ts";
import { throwIfCancelled } from "../backends/cancellation.ts";
import { SharedBuffers } from "../reading/shared-buffers.ts";
import { LocalTasks, type TaskRunner, TaskWorkers, usualWorkerCount } from "../reading/task-workers.ts";
import { workerEntry } from "../reading/worker-entry.ts";
import { CheckReader } from "./check-reader.ts";
import type { CheckAnswer, CheckSetup, CheckTask } from "./check-tasks.ts";
import { Findings } from "./findings.ts";
import { loadIndexes } from "./index-check.ts";
import type { CheckedPack, Inventory } from "./inventory.ts";
import type { CheckEvents, CheckOptions, CheckResult } from "./options.ts";
import { PackReading } from "./pack-reading.ts";
import { SnapshotCheck } from "./snapshot-check.ts";
import type { CheckSource } from "./source.ts";
import { choosePacks } from "./subset.ts";
import type { ReadingParts } from "./tree-reading.ts";

/** Below it, threads take longer to start than to do the work. */
const localBytes = 2 * 1024 * 1024;

/**
 * Problems are told by `problem` and counted. Throws only when cancelled, and what the repository says when it can no longer
 * be reached.
 */
export async function check(
  source: CheckSource,
  options: CheckOptions,
  events: CheckEvents = {},
  signal?: AbortSignal,
): Promise<CheckResult> {
  const run = new Check(source, options, new Findings(events), signal);
  try {
    return await run.run();
  } finally {
    await run.close();
  }
}

class Check {
  readonly #source: CheckSource;
  readonly #options: CheckOptions;
  readonly #findings: Findings;
  readonly #signal: AbortSignal | undefined;
  readonly #concurrency: number;
  readonly #buffers: SharedBuffers;
  #runner: TaskRunner<CheckTask, CheckAnswer> | undefined;

  constructor(source: CheckSource, options: CheckOptions, findings: Findings, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#options = options;
    this.#findings = findings;
    this.#signal = signal;
    this.#concurrency = source.backend.connections + usualWorkerCount();
    this.#buffers = new SharedBuffers(this.#concurrency);
  }

  async close(): Promise<void> {
    this.#buffers.close();
    await this.#runner?.close();
  }

  async run(): Promise<CheckResult> {
    throwIfCancelled(this.#signal);
    // Snapshots are listed before index files: whoever finishes a backup meanwhile writes its index first.
    const snapshotIds = this.#options.snapshots ?? (await this.#listSnapshots());
    const inventory = await loadIndexes(this.#source, this.#findings, this.#signal);
    if (inventory === undefined) return this.#findings.result;
    const actualSizes = await this.#checkPacks(inventory);
    const isFiltered = this.#options.snapshots !== undefined;
    const parts = this.#startReading(inventory, isFiltered);
    const packs = await new SnapshotCheck(parts, this.#findings).run(snapshotIds, isFiltered);
    await this.#readData(parts, packs, isFiltered, actualSizes);
    return this.#findings.result;
  }

  async #listSnapshots(): Promise<Id[]> {
    return (await this.#source.listFiles("snapshots")).map(({ id }) => id).sort();
  }

  /** The sizes of the packs that there are. */
  async #checkPacks(inventory: Inventory): Promise<ReadonlyMap<Id, number>> {
    this.#findings.phase("check all packs");
    const files = await this.#source.listFiles("data");
    const sizes = new Map(files.map(({ id, sizeBytes }) => [id, sizeBytes]));
    for (const { id, sizeBytes } of inventory.packs) {
      const actualBytes = sizes.get(id);
      if (actualBytes === undefined) this.#findings.problem(`pack ${id}: does not exist`);
      else if (actualBytes !== sizeBytes) {
        this.#findings.problem(`pack ${id}: unexpected file size: got ${actualBytes}, expected ${sizeBytes}`);
      }
    }
    this.#findings.additionalPacks(files.map(({ id }) => id).filter((id) => inventory.numberOf(id) === undefined));
    return sizes;
  }

  #startReading(inventory: Inventory, wantsDataPacks: boolean): ReadingParts {
    const readsData = this.#options.readData.kind !== "none";
    const wanted = inventory.packs.filter(({ hasTrees }) => readsData || hasTrees);
    const wantedBytes = wanted.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const setup: CheckSetup = {
      kernels: compileKernels(),
      key: this.#source.masterKey,
      table: inventory.table.shared,
      wantsDataPacks,
    };
    const runner: TaskRunner<CheckTask, CheckAnswer> =
      wantedBytes <= localBytes
        ? new LocalTasks(new CheckReader(setup))
        : new TaskWorkers(workerEntry("./check-worker", import.meta.url), setup, usualWorkerCount());
    this.#runner = runner;
    const buffers = this.#buffers;
    const [source, concurrency, signal] = [this.#source, this.#concurrency, this.#signal];
    return { source, inventory, runner, buffers, concurrency, signal };
  }

  async #readData(
    parts: ReadingParts,
    packs: readonly CheckedPack[],
    isFiltered: boolean,
    actualSizes: ReadonlyMap<Id, number>,
  ): Promise<void> {
    const random = this.#options.random ?? Math.random;
    const { packs: chosen, phase } = choosePacks(packs, this.#options.readData, isFiltered, random);
    if (phase === undefined) return;
    this.#findings.phase(phase);
    // That a pack is missing has been told.
    const present = chosen.filter(({ id }) => actualSizes.has(id));
    let done = 0;
    await new PackReading(parts, actualSizes).run(present, ({ pack, errors }) => {
      if (errors.length > 0) this.#findings.brokenPack(pack.id, errors);
      done += 1;
      this.#findings.progress("packs", done, present.length);
    });
    if (present.length === 0) this.#findings.progress("packs", 0, 0);
  }
}
