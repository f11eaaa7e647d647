/**
 * Long life: very many requests of all kinds, with errors and aborted uploads among them, and what the server holds before, in between
 * and after. Throws when it keeps a socket or a file that it did not have before.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { median, print, printTable } from "../table.ts";
import { cycleRequests } from "./cycle.ts";
import { LoadProcess } from "./load-process.ts";
import type { ObjectSet } from "./objects.ts";
import { cpuSecondsOf, handlesOf, peakMiBOf, residentMiBOf } from "./probe.ts";
import { cofferServer, type RunningServer, startProgram } from "./servers.ts";

export interface SoakOptions {
  readonly folder: string;
  readonly requests: number;
}

const segments = 10;
const connections = 20;
/** Connections that were closed and files that were read to their end are gone by then. */
const settleMs = 1_500;

interface Sample {
  readonly requests: number;
  readonly residentMiB: number;
  readonly cells: readonly string[];
  readonly open: number;
}

/** Prints one line for each tenth of the requests. */
export async function soak({ folder, requests }: SoakOptions): Promise<void> {
  const server = await startProgram(cofferServer(), join(folder, "soak"));
  const load = new LoadProcess();
  const samples = [await sample(server, 0)];
  try {
    const url = `${server.url}soak/`;
    const none: ObjectSet = { name: "none", count: 0, sizeBytes: 0 };
    await load.run({ work: "create", url, connections: 1, requests: 1, objects: none });
    const cycles = Math.ceil(requests / segments / cycleRequests);
    for (let segment = 1; segment <= segments; segment++) {
      // Now and then there are larger objects, which take other ways.
      const sizeBytes = segment % 2 === 0 ? 100_000 : 4096;
      const objects: ObjectSet = { name: `segment-${segment}`, count: cycles, sizeBytes };
      await load.run({ work: "cycle", url, connections, requests: cycles, objects });
      samples.push(await sample(server, segment * cycles * cycleRequests));
    }
  } finally {
    await load.stop();
    await server.stop();
  }
  report(samples);
}

async function sample(server: RunningServer, requests: number): Promise<Sample> {
  await sleep(settleMs);
  const { files, sockets, threads } = handlesOf(server.pid);
  const residentMiB = residentMiBOf(server.pid);
  const figures = [residentMiB, peakMiBOf(server.pid), sockets, files, threads].map((value) => value.toFixed(0));
  const cells = [String(requests), ...figures, `${cpuSecondsOf(server.pid).toFixed(1)} s`];
  return { requests, residentMiB, cells, open: files + sockets };
}

function report(samples: readonly Sample[]): void {
  printTable(
    ["requests", "MiB", "peak", "sockets", "files", "threads", "CPU"],
    samples.map(({ cells }) => cells),
  );
  const [first] = samples;
  const last = samples.at(-1);
  if (first === undefined || last === undefined) return;
  const half = samples.length >> 1;
  const early = median(samples.slice(2, half + 1).map(({ residentMiB }) => residentMiB));
  const late = median(samples.slice(half + 1).map(({ residentMiB }) => residentMiB));
  print(
    `memory, median of the second half against the first without its beginning: ${(late - early).toFixed(1)} MiB more\n`,
  );
  if (last.open > first.open) throw new Error(`${last.open - first.open} sockets or files stayed open`);
}
