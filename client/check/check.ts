/**
 * Checks a repository: the index files, the packs against them, the trees of the snapshots, and as far as wanted the content
 * of the packs. Verdicts: docs/FORMAT.md, check. Nothing is changed.
 */
import { CofferError } from "../../shared/errors.ts";
import { fromHex } from "../../shared/format/bytes.ts";
import type { Id } from "../../shared/format/layout.ts";
import { parseSnapshot } from "../../shared/format/snapshot.ts";
import { compileKernels } from "../../shared/kernels/kernels.ts";
import { throwIfCancelled } from "../backends/cancellation.ts";
import { SharedBuffers } from "../reading/shared-buffers.ts";
import { LocalTasks, type TaskRunner, TaskWorkers, usualWorkerCount } from "../reading/task-workers.ts";
import { workerEntry } from "../reading/worker-entry.ts";
import { forEachConcurrently } from "../repository/concurrency.ts";
import { CheckReader } from "./check-reader.ts";
import type { CheckAnswer, CheckSetup, CheckTask } from "./check-tasks.ts";
import { type CheckedPack, Inventory } from "./inventory.ts";
import type { CheckEvents, CheckOptions, CheckResult } from "./options.ts";
import { PackReading } from "./pack-reading.ts";
import type { CheckSource } from "./source.ts";
import { choosePacks } from "./subset.ts";
import { missingTree, TreeGraph } from "./tree-graph.ts";
import { type ReadingParts, TreeReading } from "./tree-reading.ts";

/** Below it, threads take longer to start than to do the work. */
const localBytes = 2 * 1024 * 1024;
/** The shortest blob in an index document, and how well such documents compress: for an estimate of their number. */
const storedBytesPerBlob = 40;

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
  const run = new Check(source, options, events, signal);
  try {
    await run.run();
    return run.result();
  } finally {
    await run.close();
  }
}

/** A snapshot that loaded, by its root tree. */
interface Root {
  readonly tree: Id;
}

class Check {
  readonly #source: CheckSource;
  readonly #options: CheckOptions;
  readonly #events: CheckEvents;
  readonly #signal: AbortSignal | undefined;
  readonly #concurrency: number;
  readonly #buffers: SharedBuffers;
  #runner: TaskRunner<CheckTask, CheckAnswer> | undefined;
  #problemCount = 0;
  #additionalFiles = 0;
  #isIndexDamaged = false;
  #suggestRepairIndex = false;
  #suggestPrune = false;
  readonly #brokenPacks: Id[] = [];

  constructor(source: CheckSource, options: CheckOptions, events: CheckEvents, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#options = options;
    this.#events = events;
    this.#signal = signal;
    this.#concurrency = source.backend.connections + usualWorkerCount();
    this.#buffers = new SharedBuffers(this.#concurrency);
  }

  result(): CheckResult {
    return {
      problemCount: this.#problemCount,
      brokenPacks: this.#brokenPacks,
      isIndexDamaged: this.#isIndexDamaged,
      suggestRepairIndex: this.#suggestRepairIndex,
      suggestPrune: this.#suggestPrune,
      additionalFiles: this.#additionalFiles,
    };
  }

  async close(): Promise<void> {
    this.#buffers.close();
    await this.#runner?.close();
  }

  async run(): Promise<void> {
    throwIfCancelled(this.#signal);
    // Snapshots are listed before index files: whoever finishes a backup meanwhile writes its index first.
    const snapshotIds = this.#options.snapshots ?? (await this.#listSnapshots());
    const inventory = await this.#loadIndexes();
    if (inventory === undefined) return;
    const actualSizes = await this.#checkPacks(inventory);
    const isFiltered = this.#options.snapshots !== undefined;
    const parts = this.#startReading(inventory, isFiltered);
    const packs = await this.#checkTrees(parts, snapshotIds, isFiltered);
    await this.#readData(parts, packs, isFiltered, actualSizes);
  }

  async #listSnapshots(): Promise<Id[]> {
    return (await this.#source.listFiles("snapshots")).map(({ id }) => id).sort();
  }

  #problem(text: string): void {
    this.#problemCount += 1;
    this.#events.problem?.(text);
  }

  /** Undefined when one is damaged: without all of them nothing can be said about the rest. */
  async #loadIndexes(): Promise<Inventory | undefined> {
    this.#events.phase?.("load indexes");
    const files = await this.#source.listFiles("index");
    const storedBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const inventory = new Inventory(Math.ceil(storedBytes / storedBytesPerBlob));
    let loaded = 0;
    await forEachConcurrently(files, this.#source.backend.connections, async ({ id }) => {
      throwIfCancelled(this.#signal);
      await this.#loadIndex(inventory, id);
      loaded += 1;
      this.#events.progress?.("index files loaded", loaded, files.length);
    });
    if (this.#isIndexDamaged) return undefined;
    this.#judgeIndexes(inventory);
    return inventory;
  }

  async #loadIndex(inventory: Inventory, id: Id): Promise<void> {
    try {
      inventory.addDocument(await this.#source.loadDocument("index", id, this.#signal));
    } catch (error) {
      if (!isDamagedFile(error)) throw error;
      this.#isIndexDamaged = true;
      this.#suggestRepairIndex = true;
      this.#problem(`error: error loading index ${id}: ${error.message}`);
    }
  }

  #judgeIndexes(inventory: Inventory): void {
    for (const id of inventory.contradictoryPacks) {
      this.#problem(
        `pack ${id}: listed with different blobs in several index files; run \`restic repair packs ${id}\``,
      );
    }
    if (inventory.repeatedPacks.size > 0) {
      this.#suggestRepairIndex = true;
      const count = inventory.repeatedPacks.size;
      this.#events.hint?.(
        `${count} packs are listed in several index files. Run \`restic repair index\` to correct this.`,
      );
    }
    const mixed = inventory.packs.filter(({ hasData, hasTrees }) => hasData && hasTrees);
    for (const { id } of mixed) this.#events.hint?.(`pack ${id} contains a mix of tree and data blobs`);
    if (mixed.length === 0) return;
    this.#suggestPrune = true;
    this.#events.hint?.("Mixed packs are not critical; run `restic prune` to correct this.");
  }

  /** The sizes of the packs that there are. */
  async #checkPacks(inventory: Inventory): Promise<ReadonlyMap<Id, number>> {
    this.#events.phase?.("check all packs");
    const files = await this.#source.listFiles("data");
    const sizes = new Map(files.map(({ id, sizeBytes }) => [id, sizeBytes]));
    for (const { id, sizeBytes } of inventory.packs) {
      const actualBytes = sizes.get(id);
      if (actualBytes === undefined) this.#problem(`pack ${id}: does not exist`);
      else if (actualBytes !== sizeBytes) {
        this.#problem(`pack ${id}: unexpected file size: got ${actualBytes}, expected ${sizeBytes}`);
      }
    }
    const additional = files.map(({ id }) => id).filter((id) => inventory.numberOf(id) === undefined);
    this.#additionalFiles = additional.length;
    if (additional.length > 0) {
      this.#suggestPrune = true;
      this.#events.additionalPacks?.(additional);
    }
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

  /** The packs that the snapshots need. */
  async #checkTrees(parts: ReadingParts, snapshotIds: readonly Id[], isFiltered: boolean): Promise<CheckedPack[]> {
    this.#events.phase?.("check snapshots, trees and blobs");
    const roots = await this.#loadSnapshots(snapshotIds);
    const graph = new TreeGraph(parts.inventory);
    const reading = new TreeReading(parts, graph);
    if (isFiltered) {
      for (const { tree } of roots) {
        const number = graph.numberOf(fromHex(tree));
        if (number !== undefined) reading.wantTree(number);
      }
    } else {
      // Nearly all trees belong to some snapshot: no need to find out which before they are asked for.
      for (const [number, { hasTrees }] of parts.inventory.packs.entries()) if (hasTrees) reading.wantPack(number);
    }
    await reading.run(isFiltered, (done, total) => this.#events.progress?.("tree packs", done, total));
    return this.#walk(parts.inventory, graph, roots, isFiltered);
  }

  async #loadSnapshots(ids: readonly Id[]): Promise<Root[]> {
    const roots = new Map<Id, Root>();
    await forEachConcurrently(ids, this.#source.backend.connections, async (id) => {
      throwIfCancelled(this.#signal);
      try {
        const { tree } = parseSnapshot(await this.#source.loadDocument("snapshots", id, this.#signal));
        roots.set(id, { tree });
      } catch (error) {
        if (!isDamagedFile(error)) throw error;
        this.#problem(`error: failed to load snapshot ${id.slice(0, 8)}: ${error.message}`);
      }
    });
    return ids.flatMap((id) => roots.get(id) ?? []);
  }

  /** Reports what is wrong with the trees that the snapshots reach; unreachable ones do not count. */
  #walk(inventory: Inventory, graph: TreeGraph, roots: readonly Root[], isFiltered: boolean): CheckedPack[] {
    const seen = new Uint8Array(inventory.blobs.count);
    const packs = new Uint8Array(inventory.packs.length);
    for (const [index, { tree }] of roots.entries()) {
      const root = graph.numberOf(fromHex(tree));
      if (root === undefined) this.#treeProblem(tree, [missingTree(tree)]);
      else this.#walkFrom(root, inventory, graph, seen, packs);
      this.#events.progress?.("snapshots", index + 1, roots.length);
    }
    if (roots.length === 0) this.#events.progress?.("snapshots", 0, undefined);
    return isFiltered ? inventory.packs.filter((_, number) => packs[number] === 1) : inventory.packs;
  }

  #walkFrom(root: number, inventory: Inventory, graph: TreeGraph, seen: Uint8Array, packs: Uint8Array): void {
    const stack = [root];
    for (let tree = stack.pop(); tree !== undefined; tree = stack.pop()) {
      if (seen[tree] === 1) continue;
      seen[tree] = 1;
      const faults = graph.faults(tree);
      if (faults.length > 0) this.#treeProblem(inventory.blobs.hexIdOf(tree), faults);
      const place = inventory.find("tree", inventory.blobs.idOf(tree));
      if (place !== undefined) packs[place.pack] = 1;
      for (const pack of graph.dataPacks(tree)) packs[pack] = 1;
      for (const child of graph.children(tree)) stack.push(child);
    }
  }

  #treeProblem(id: Id, lines: readonly string[]): void {
    this.#problem([`error for tree ${id.slice(0, 8)}:`, ...lines.map((line) => `  ${line}`)].join("\n"));
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
    this.#events.phase?.(phase);
    // That a pack is missing has been told.
    const present = chosen.filter(({ id }) => actualSizes.has(id));
    let done = 0;
    await new PackReading(parts, actualSizes).run(present, ({ pack, errors }) => {
      if (errors.length > 0) {
        this.#brokenPacks.push(pack.id);
        this.#problem(`pack ${pack.id} contains ${errors.length} errors: [${errors.join(" ")}]`);
      }
      done += 1;
      this.#events.progress?.("packs", done, present.length);
    });
    if (present.length === 0) this.#events.progress?.("packs", 0, 0);
  }
}

/** Errors of one file, unlike those of the connection. */
function isDamagedFile(error: unknown): error is CofferError {
  const connectionCodes = ["cancelled", "unavailable", "request-timeout", "unauthorized", "lock-lost", "internal"];
  return error instanceof CofferError && !connectionCodes.includes(error.code);
}
