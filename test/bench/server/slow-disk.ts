/**
 * One slow disk: what 40 clients get at once compared with 5, and how long a lock takes meanwhile. The server as built, on a disk that
 * is made slow (spinning-disk.ts), with several limits; 64 stands for none.
 */
import { join } from "node:path";
import { print, printTable } from "../table.ts";
import { LoadProcess } from "./load-process.ts";
import type { ObjectSet } from "./objects.ts";
import { cofferServer, type RunningServer, startProgram } from "./servers.ts";
import type { WorkName } from "./works.ts";

export interface SlowDiskOptions {
  readonly folder: string;
  /** 1 for 80 packs. */
  readonly scale: number;
  readonly limits: readonly number[];
}

const connections = [5, 40] as const;
const idleLocks: ObjectSet = { name: "idle-lock", count: 10, sizeBytes: 200 };
const locks: ObjectSet = { name: "lock", count: 10, sizeBytes: 200 };

interface Cost {
  readonly seconds: number;
  /** The median time that a lock took meanwhile. */
  readonly lockMs: number;
}

/** Prints one table. */
export async function measureSlowDisk({ folder, scale, limits }: SlowDiskOptions): Promise<void> {
  const packs: ObjectSet = { name: "pack", count: Math.max(40, Math.round(80 * scale)), sizeBytes: 16 << 20 };
  const rows: string[][] = [];
  for (const limit of limits) {
    const disk = new URL("spinning-disk.ts", import.meta.url);
    const program = cofferServer("coffer", ["--max-disk-transfers", String(limit)], undefined, [disk]);
    const server = await startProgram(program, join(folder, `limit-${limit}`));
    try {
      for (const work of ["put", "get"] as const) {
        const costs: Cost[] = [];
        for (const count of connections) costs.push(await measure(server, work, packs, count));
        rows.push(rowOf(limit, work, packs, costs));
      }
    } finally {
      await server.stop();
    }
  }
  print(
    "40 : 5 = what 40 connections get together, compared with 5; a lock = median time of an upload of 200 bytes meanwhile",
  );
  printTable(["", "limit", "5 connections", "40 connections", "40 : 5", "a lock at 5", "at 40"], rows);
}

async function measure(server: RunningServer, work: WorkName, packs: ObjectSet, count: number): Promise<Cost> {
  const load = new LoadProcess();
  const user = new LoadProcess();
  try {
    const url = `${server.url}packs-${count}/`;
    const order = { url, connections: 1, requests: 1, objects: idleLocks };
    await load.run({ ...order, work: "create" });
    // Hashes the locks, so that this does not fall into the measured time.
    await user.run({ ...order, work: "lock", url: `${server.url}user-${work}-${count}/`, requests: idleLocks.count });
    const packsDone = load.run({ work, url, connections: count, requests: packs.count, objects: packs });
    const lockOrder = { ...order, work: "lock", url: `${server.url}user-${work}-${count}/`, objects: locks } as const;
    const lock = await user.run({ ...lockOrder, requests: locks.count });
    return { seconds: (await packsDone).seconds, lockMs: lock.medianMs };
  } finally {
    await load.stop();
    await user.stop();
  }
}

function rowOf(limit: number, work: string, packs: ObjectSet, [few, many]: readonly Cost[]): string[] {
  if (few === undefined || many === undefined) return [work];
  const speed = ({ seconds }: Cost): string => `${((packs.count * packs.sizeBytes) / 1e6 / seconds).toFixed(0)} MB/s`;
  return [
    `${work.toUpperCase()} 16 MiB`,
    String(limit),
    speed(few),
    speed(many),
    (few.seconds / many.seconds).toFixed(2),
    `${few.lockMs.toFixed(0)} ms`,
    `${many.lockMs.toFixed(0)} ms`,
  ];
}
