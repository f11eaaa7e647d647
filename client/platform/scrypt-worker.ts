/** One thread of scrypt: warms up, then mixes the lanes that it is sent, in place, and sends them back. See scrypt.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { mixLanes, type ScryptModule } from "../../shared/kernels/scrypt-kernel.ts";
import type { LanesDone, LanesToMix } from "./scrypt.ts";

const module = workerData as ScryptModule;

// V8 starts with simple code and replaces it, function by function, when it has run for a while. A few rounds on tiny
// tables, while the key file is still on its way, save that time later.
const warmUp = { N: 16, r: 8 };
for (let round = 0; round < 20; round++) mixLanes(module, new Uint8Array(2 * 128 * warmUp.r), warmUp);

parentPort?.once("message", ({ lanes, parameters }: LanesToMix) => {
  mixLanes(module, lanes, parameters);
  parentPort?.postMessage({ lanes } satisfies LanesDone);
});
