/**
 * Servers side by side: the same load, alternating, the median of several rounds, and ratios, because only ratios mean
 * something on a machine that others use too. All servers store in one folder, each in a repository of its own.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { median } from "../table.ts";
import { LoadProcess } from "./load-process.ts";
import type { LoadResult } from "./load-worker.ts";
import type { ObjectSet } from "./objects.ts";
import { cpuSecondsOf, forgetPeak, peakMiBOf, residentMiBOf } from "./probe.ts";
import { seedList } from "./seeds.ts";
import { type RunningServer, type ServerProgram, startProgram } from "./servers.ts";
import type { WorkName } from "./works.ts";

export interface ServerComparison {
  readonly folder: string;
  readonly rounds: number;
  /** 1 for the full size. */
  readonly scale: number;
  readonly programs: readonly ServerProgram[];
  readonly connections: readonly number[];
  /** The names of the phases to run; all when absent. */
  readonly phases?: readonly string[];
}

/** What one phase took with one server. */
export interface PhaseCost extends LoadResult {
  readonly requests: number;
  readonly serverCpuSeconds: number;
  readonly peakMiB: number;
  /** The peak above what was resident before. */
  readonly extraMiB: number;
}

/** The median of a phase's rounds for each server, in the order of the programs. */
export interface PhaseRow {
  readonly name: string;
  readonly connections: number;
  readonly bytesEach: number;
  readonly costs: readonly PhaseCost[];
}

interface Phase {
  readonly name: string;
  readonly work: WorkName;
  readonly requests: number;
  readonly objects: ObjectSet;
  readonly bytesEach: number;
  /** Instead of those of the comparison. */
  readonly connections?: readonly number[];
}

const settleMs = 300;
const listedObjects = 100_000;

function phasesOf({ scale, connections }: ServerComparison): Phase[] {
  // Every connection has something to do.
  const scaled = (count: number): number => Math.max(...connections, Math.round(count * scale));
  const packs: ObjectSet = { name: "pack", count: scaled(48), sizeBytes: 16 << 20 };
  const small: ObjectSet = { name: "small", count: scaled(3000), sizeBytes: 4096 };
  const listed: ObjectSet = { name: "listed", count: Math.max(1000, Math.round(listedObjects * scale)), sizeBytes: 1 };
  const list = { work: "list", objects: listed, bytesEach: 0 } as const;
  return [
    { name: "PUT 16 MiB", work: "put", requests: packs.count, objects: packs, bytesEach: packs.sizeBytes },
    { name: "GET 16 MiB", work: "get", requests: packs.count * 2, objects: packs, bytesEach: packs.sizeBytes },
    { name: "range 64 KiB", work: "range", requests: scaled(6000), objects: packs, bytesEach: 0 },
    { name: "PUT 4 KiB", work: "put", requests: small.count, objects: small, bytesEach: 0 },
    { name: "GET 4 KiB", work: "get", requests: scaled(6000), objects: small, bytesEach: 0 },
    { name: "HEAD", work: "head", requests: scaled(6000), objects: small, bytesEach: 0 },
    { name: `list of ${listed.count}`, ...list, requests: 3, connections: [1] },
    { name: `list of ${listed.count}`, ...list, requests: 5, connections: [5] },
  ];
}

/** Runs all phases with all servers. */
export async function compareServers(comparison: ServerComparison): Promise<PhaseRow[]> {
  const wanted = phasesOf(comparison).filter(({ name }) => isWanted(name, comparison.phases));
  const load = new LoadProcess();
  const servers: RunningServer[] = [];
  try {
    for (const { objects } of wanted.filter(({ work }) => work === "list").slice(0, 1)) {
      await seedList(join(comparison.folder, "listed"), objects);
    }
    for (const program of comparison.programs) servers.push(await startProgram(program, comparison.folder));
    const costs = new Map<string, PhaseCost[]>();
    for (let round = 0; round < comparison.rounds; round++) {
      await runRound({ comparison, load, servers, wanted, round, costs });
    }
    return toRows(comparison, wanted, servers, costs);
  } finally {
    for (const server of servers) await server.stop();
    await load.stop();
  }
}

function isWanted(name: string, phases: readonly string[] | undefined): boolean {
  return phases === undefined || phases.some((phase) => name.toLowerCase().startsWith(phase.toLowerCase()));
}

interface Round {
  readonly comparison: ServerComparison;
  readonly load: LoadProcess;
  readonly servers: readonly RunningServer[];
  readonly wanted: readonly Phase[];
  readonly round: number;
  readonly costs: Map<string, PhaseCost[]>;
}

async function runRound(run: Round): Promise<void> {
  const { comparison, round } = run;
  // Who goes first changes from round to round, so that none always meets the warmer caches.
  const servers = round % 2 === 0 ? run.servers : [...run.servers].reverse();
  for (const server of servers) {
    for (const connections of comparison.connections) await create(run, server, repositoryOf(run, server, connections));
  }
  for (const phase of run.wanted) {
    for (const connections of phase.connections ?? comparison.connections) {
      for (const server of servers) {
        if (phase.work === "get" || phase.work === "range" || phase.work === "head") {
          await provide(run, server, phase.objects, connections);
        }
        const cost = await measure(run, server, phase, connections);
        const key = keyOf(phase, connections, server);
        run.costs.set(key, [...(run.costs.get(key) ?? []), cost]);
      }
    }
  }
}

/** Sets that a repository has already. */
const uploaded = new Set<string>();

async function create({ load }: Round, server: RunningServer, repository: string): Promise<void> {
  const objects = { name: "none", count: 0, sizeBytes: 0 };
  await load.run({ work: "create", url: `${server.url}${repository}/`, connections: 1, requests: 1, objects });
}

/** Uploads what a phase reads when the phase that uploads it is not wanted, and looks once at the bytes that come back. */
async function provide(run: Round, server: RunningServer, objects: ObjectSet, connections: number): Promise<void> {
  const { load } = run;
  const url = `${server.url}${repositoryOf(run, server, connections)}/`;
  const key = `${url}${objects.name}`;
  const order = { url, connections: 5, requests: objects.count, objects };
  if (!uploaded.has(key)) await load.run({ ...order, work: "put" });
  uploaded.add(key);
  if (uploaded.has(`${key} verified`)) return;
  await load.run({ ...order, work: "verify" });
  uploaded.add(`${key} verified`);
}

async function measure(run: Round, server: RunningServer, phase: Phase, connections: number): Promise<PhaseCost> {
  await settle();
  const repository = phase.work === "list" ? "listed" : repositoryOf(run, server, connections);
  const url = `${server.url}${repository}/`;
  const cpuBefore = cpuSecondsOf(server.pid);
  forgetPeak(server.pid);
  const residentBefore = residentMiBOf(server.pid);
  const { work, requests, objects } = phase;
  const result = await run.load.run({ work, url, connections, requests, objects });
  if (work === "put") uploaded.add(`${url}${objects.name}`);
  const peakMiB = peakMiBOf(server.pid);
  return {
    ...result,
    requests,
    serverCpuSeconds: cpuSecondsOf(server.pid) - cpuBefore,
    peakMiB,
    extraMiB: peakMiB - residentBefore,
  };
}

/** What the phase before has left to be written is written now, and not in the middle of the next one. */
async function settle(): Promise<void> {
  spawnSync("sync");
  await sleep(settleMs);
}

/**
 * Another one in each round, and none is removed before all is measured: for minutes after many files were removed, ext4 makes new ones up
 * to five times slower.
 */
function repositoryOf({ round }: Round, server: RunningServer, connections: number): string {
  return `${server.name.replaceAll(" ", "-")}-${connections}-${round}`;
}

function keyOf(phase: Phase, connections: number, server: RunningServer): string {
  return `${phase.name}/${connections}/${server.name}`;
}

function toRows(
  comparison: ServerComparison,
  phases: readonly Phase[],
  servers: readonly RunningServer[],
  costs: ReadonlyMap<string, readonly PhaseCost[]>,
): PhaseRow[] {
  return phases.flatMap((phase) =>
    (phase.connections ?? comparison.connections).map((connections) => ({
      name: phase.name,
      connections,
      bytesEach: phase.bytesEach,
      costs: servers.map((server) => medianOf(costs.get(keyOf(phase, connections, server)) ?? [])),
    })),
  );
}

function medianOf(costs: readonly PhaseCost[]): PhaseCost {
  const of = (pick: (cost: PhaseCost) => number): number => median(costs.map(pick));
  return {
    requests: of((cost) => cost.requests),
    seconds: of((cost) => cost.seconds),
    // Connections and memory: what happened once counts.
    openedConnections: Math.max(...costs.map((cost) => cost.openedConnections)),
    cpuSeconds: of((cost) => cost.cpuSeconds),
    medianMs: of((cost) => cost.medianMs),
    p99Ms: of((cost) => cost.p99Ms),
    serverCpuSeconds: of((cost) => cost.serverCpuSeconds),
    peakMiB: Math.max(...costs.map((cost) => cost.peakMiB)),
    extraMiB: Math.max(...costs.map((cost) => cost.extraMiB)),
  };
}
