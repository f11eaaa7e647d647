/**
 * The index in memory: bytes and time per blob at a million blobs. `node test/bench/index.ts [blobs]`. The target is at most 56
 * bytes per blob, packs included.
 */
import { randomBytes } from "node:crypto";
import { BlobTable } from "../../client/repository/blob-table.ts";
import { MasterIndex } from "../../client/repository/master-index.ts";
import { printTable } from "./table.ts";

const blobs = Number(process.argv[2] ?? 1_000_000);
const blobsPerPack = 16;
const blobsPerFile = 50_000;

const ids = randomBytes(32 * blobs);
const rows: string[][] = [];

function measure(name: string, count: number, work: () => void): void {
  const begunMs = performance.now();
  work();
  const elapsedMs = performance.now() - begunMs;
  rows.push([name, `${((elapsedMs * 1e6) / count).toFixed(0)} ns`, `${elapsedMs.toFixed(0)} ms`]);
}

/** Index files as a backup writes them, one at a time. */
function* documents(): Generator<Uint8Array, void, void> {
  for (let first = 0; first < blobs; first += blobsPerFile) {
    const packs: string[] = [];
    const end = Math.min(blobs, first + blobsPerFile);
    for (let begin = first; begin < end; begin += blobsPerPack) {
      const entries: string[] = [];
      for (let number = begin; number < Math.min(end, begin + blobsPerPack); number++) {
        const id = ids.toString("hex", number * 32, number * 32 + 32);
        const offset = (number - begin) * 1_048_576;
        entries.push(`{"id":"${id}","type":"data","offset":${offset},"length":1048576,"uncompressed_length":1500000}`);
      }
      packs.push(`{"id":"${randomBytes(32).toString("hex")}","blobs":[${entries.join(",")}]}`);
    }
    yield Buffer.from(`{"packs":[${packs.join(",")}]}\n`);
  }
}

function loadIndex(): MasterIndex {
  const index = new MasterIndex();
  let elapsedMs = 0;
  for (const document of documents()) {
    const begunMs = performance.now();
    index.addDocument(document, 2);
    elapsedMs += performance.now() - begunMs;
  }
  rows.push([
    "load index files (JSON text)",
    `${((elapsedMs * 1e6) / blobs).toFixed(0)} ns`,
    `${elapsedMs.toFixed(0)} ms`,
  ]);
  measure("fit", blobs, () => index.finish());
  return index;
}

/** What the system gives the process for the bare table, which holds for its lengths too. */
function measureResident(): number {
  const before = process.memoryUsage().rss;
  const table = BlobTable.create();
  for (let number = 0; number < blobs; number++) {
    table.insert("data", ids, number * 32, { packIndex: 0, offsetBytes: number, lengthBytes: 1, uncompressedBytes: 0 });
  }
  table.fit();
  return table.count === blobs ? process.memoryUsage().rss - before : Number.NaN;
}

const residentBytes = measureResident();
// Twice: the first run is for the compiler.
for (const run of ["cold", "warm"]) {
  rows.length = 0;
  const index = loadIndex();
  const { usedBytes, table } = index;
  measure("find, present", blobs, () => {
    for (let number = 0; number < blobs; number++) table.find("data", ids, number * 32);
  });
  measure("find, absent", blobs, () => {
    for (let number = 0; number < blobs; number++) table.find("tree", ids, number * 32);
  });
  measure("claim in the shared table", blobs, () => {
    const claimed = BlobTable.attach(table.shared);
    for (let number = 0; number < blobs; number++) claimed.claim("tree", ids, number * 32);
  });
  if (run === "cold") continue;
  rows.push(["memory, blobs and packs, by lengths", `${(usedBytes / blobs).toFixed(1)} bytes`, ""]);
  rows.push(["memory of the bare table, by the system", `${(residentBytes / blobs).toFixed(1)} bytes`, ""]);
}

printTable([`index of ${blobs} blobs`, "per blob", "in all"], rows);
