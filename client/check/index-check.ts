/** Loads the index files, and judges what they say together. */
import type { Id } from "../../shared/format/layout.ts";
import { throwIfCancelled } from "../backends/cancellation.ts";
import { forEachConcurrently } from "../repository/concurrency.ts";
import { type Findings, isDamagedFile } from "./findings.ts";
import { Inventory } from "./inventory.ts";
import type { CheckSource } from "./source.ts";

/** The shortest blob in an index document, and how well such documents compress: for an estimate of their number. */
const storedBytesPerBlob = 40;

/** Undefined when one is damaged: without all of them nothing can be said about the rest. */
export async function loadIndexes(
  source: CheckSource,
  findings: Findings,
  signal: AbortSignal | undefined,
): Promise<Inventory | undefined> {
  findings.phase("load indexes");
  const files = await source.listFiles("index");
  const storedBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const inventory = new Inventory(Math.ceil(storedBytes / storedBytesPerBlob));
  let loaded = 0;
  await forEachConcurrently(files, source.backend.connections, async ({ id }) => {
    throwIfCancelled(signal);
    await loadIndex(source, inventory, id, findings, signal);
    loaded += 1;
    findings.progress("index files loaded", loaded, files.length);
  });
  if (findings.result.isIndexDamaged) return undefined;
  judgeIndexes(inventory, findings);
  return inventory;
}

async function loadIndex(
  source: CheckSource,
  inventory: Inventory,
  id: Id,
  findings: Findings,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    inventory.addDocument(await source.loadDocument("index", id, signal));
  } catch (error) {
    if (!isDamagedFile(error)) throw error;
    findings.damagedIndex(`error: error loading index ${id}: ${error.message}`);
  }
}

function judgeIndexes({ contradictoryPacks, repeatedPacks, packs }: Inventory, findings: Findings): void {
  for (const id of contradictoryPacks) {
    const advice = `run \`restic repair packs ${id}\``;
    findings.problem(`pack ${id}: listed with different blobs in several index files; ${advice}`);
  }
  if (repeatedPacks.size > 0) {
    const advice = "Run `restic repair index` to correct this.";
    findings.hintAtIndex(`${repeatedPacks.size} packs are listed in several index files. ${advice}`);
  }
  const mixed = packs.filter(({ hasData, hasTrees }) => hasData && hasTrees);
  for (const { id } of mixed) findings.hintAtPrune(`pack ${id} contains a mix of tree and data blobs`);
  if (mixed.length > 0) findings.hintAtPrune("Mixed packs are not critical; run `restic prune` to correct this.");
}
