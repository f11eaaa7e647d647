/** A thread in which a flush takes as long as it is told to: it stores from clients that stall, and says how many flushes ran at once. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import { testObject } from "./stored-files.ts";
import { waitUntil } from "./wait-until.ts";

const { path, transfers, clients } = workerData as { path: string; transfers: number; clients: number };
const sentBytes = 5 * 1_048_576;
let release = (): void => undefined;
/** Both the clients and the disk take that long. */
const released = new Promise<void>((resolve) => {
  release = resolve;
});
let [stalled, running, most] = [0, 0, 0];

Object.assign(fs, {
  fdatasync: (_descriptor: number, callback: (error: null) => void) => {
    running += 1;
    most = Math.max(most, running);
    void released.then(() => {
      running -= 1;
      callback(null);
    });
  },
});
syncBuiltinESMExports();
// Not before: it keeps the function that it finds.
const { DiskRepositories } = await import("../../server/storage/disk/disk-storage.ts");

async function* slowly(content: Uint8Array): AsyncIterable<Uint8Array> {
  yield content.subarray(0, sentBytes);
  stalled += 1;
  await released;
  yield content.subarray(sentBytes);
}

const storage = new DiskRepositories(path, { transfers }).at(["r"]);
await storage.create();
const uploads = Array.from({ length: clients }, (_, i) => {
  const object = testObject(`client ${i}`, sentBytes + 1);
  return storage.put(object, slowly(object.content));
});
await waitUntil(() => stalled === clients);
release();
await Promise.all(uploads);
parentPort?.postMessage({ most, running });
