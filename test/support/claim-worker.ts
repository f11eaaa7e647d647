/** A thread that claims ids in a shared table and says how many it got. */
import { parentPort, workerData } from "node:worker_threads";
import { BlobTable, type BlobTableShared } from "../../client/repository/blob-table.ts";

const { shared, ids, gate } = workerData as {
  shared: BlobTableShared;
  ids: Uint8Array;
  gate: Int32Array;
};
const table = BlobTable.attach(shared);
Atomics.add(gate, 1, 1);
Atomics.notify(gate, 1);
Atomics.wait(gate, 0, 0);
const won: number[] = [];
for (let offset = 0; offset < ids.length; offset += 32) {
  if (table.claim("data", ids, offset)) won.push(offset / 32);
}
parentPort?.postMessage(Uint32Array.from(won));
