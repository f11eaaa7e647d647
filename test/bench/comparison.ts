/**
 * Coffer beside the restic on PATH, over our own server on loopback: alternating runs, the median of several rounds,
 * and ratios, because only ratios mean something on a machine that others use too.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type CountedServer, startCountedServer } from "../support/counted-server.ts";
import { type MeasuredRun, runMeasured } from "../support/measured-process.ts";
import { RandomBytes, SampleText, writeLargeFile, writeSmallFiles } from "../support/sample-data.ts";
import { median, print, printTable } from "./table.ts";

const pauseMs = 500;

export const cofferCommand: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL("../../dist/client/main.js", import.meta.url)),
];

export interface ComparisonOptions {
  readonly workFolder: string;
  readonly rounds: number;
  /** 1 for the full size: 1 GiB of random data, 1 GiB of text, 20,000 small files. */
  readonly scale: number;
  /** The names of the programs to run; the first is the one whose ratios are wanted. */
  readonly programs: readonly Program[];
}

export interface Program {
  readonly name: string;
  readonly command: readonly string[];
}

interface Cost extends MeasuredRun {
  readonly connections: number;
}

interface Row {
  readonly name: string;
  /** Arguments for the program; `target` is a fresh folder that may be written. */
  readonly arguments: (target: string) => readonly string[];
}

const rows: readonly Row[] = [
  { name: "backup, random data", arguments: () => ["backup", "random"] },
  { name: "backup, text", arguments: () => ["backup", "text"] },
  { name: "backup, small files", arguments: () => ["backup", "small"] },
  { name: "backup, unchanged", arguments: () => ["backup", "small"] },
  {
    name: "restore, random data",
    arguments: (target) => ["restore", "latest", "--path", "random", "--target", target],
  },
  { name: "restore, text", arguments: (target) => ["restore", "latest", "--path", "text", "--target", target] },
  { name: "restore, small files", arguments: (target) => ["restore", "latest", "--path", "small", "--target", target] },
  { name: "check", arguments: () => ["check"] },
  { name: "check --read-data", arguments: () => ["check", "--read-data"] },
];

/** Runs all rows with all programs and prints one table; resolves to the ratios by row (peer's wall / ours). */
export async function compare(options: ComparisonOptions): Promise<void> {
  makeData(options);
  const serverFolder = join(options.workFolder, "server");
  mkdirSync(serverFolder);
  const server = await startCountedServer(["--path", serverFolder, "--no-auth"]);
  try {
    const costs = new Map<string, Cost[]>();
    for (let round = 0; round < options.rounds; round++) {
      await runRound(options, server, round, costs);
      rmSync(serverFolder, { recursive: true });
      mkdirSync(serverFolder);
    }
    printCosts(options, costs);
  } finally {
    await server.stop();
  }
}

/** `sizeFactor` 1: 1 GiB in 16 files each of random data and of text, and 20,000 small files. */
function makeData({ workFolder, scale }: ComparisonOptions): void {
  const fileBytes = Math.round((64 << 20) * scale);
  for (const [name, make] of [
    ["random", (seed: string) => new RandomBytes(seed)],
    ["text", (seed: string) => new SampleText(seed)],
  ] as const) {
    print(`making ${((fileBytes * 16) / 2 ** 20).toFixed(0)} MiB of ${name} ...`);
    mkdirSync(join(workFolder, name));
    for (let i = 0; i < 16; i++) writeLargeFile(join(workFolder, name, `file-${i}`), fileBytes, make(`${name}-${i}`));
  }
  const count = Math.round(20_000 * scale);
  print(`making ${count} small files ...\n`);
  writeSmallFiles(join(workFolder, "small"), count, "small");
}

async function runRound(
  options: ComparisonOptions,
  server: CountedServer,
  round: number,
  costs: Map<string, Cost[]>,
): Promise<void> {
  // Who goes first changes from round to round, so that neither always meets the warmer caches.
  const programs = round % 2 === 0 ? options.programs : [...options.programs].reverse();
  for (const program of programs) await measure(options, server, program, `init-${round}`, ["init"]);
  for (const row of rows) {
    for (const program of programs) {
      const target = targetOf(options, program, row);
      const cost = await measure(options, server, program, row.name, row.arguments(target));
      const key = `${row.name}/${program.name}`;
      costs.set(key, [...(costs.get(key) ?? []), cost]);
    }
  }
  for (const program of programs) {
    rmSync(join(options.workFolder, `cache-${program.name}`), { recursive: true, force: true });
    for (const row of rows) rmSync(targetOf(options, program, row), { recursive: true, force: true });
  }
}

/**
 * A folder that does not exist yet. It is removed only after the round: a file system makes new files much more slowly just after many were
 * removed, and the next run would pay for it.
 */
function targetOf({ workFolder }: ComparisonOptions, program: Program, row: Row): string {
  return join(workFolder, `restored-${program.name}-${row.name.replaceAll(/\W+/g, "-")}`);
}

/** What the run before has left to be written is written now, and not in the middle of the next run. */
async function settle(): Promise<void> {
  spawnSync("sync");
  await sleep(pauseMs);
}

async function measure(
  options: ComparisonOptions,
  server: CountedServer,
  program: Program,
  title: string,
  parameters: readonly string[],
): Promise<Cost> {
  await settle();
  const before = await server.acceptedConnections();
  const run = await runMeasured([...program.command, ...parameters], {
    cwd: options.workFolder,
    env: {
      ...process.env,
      RESTIC_REPOSITORY: `rest:http://${server.address}/${program.name}/`,
      RESTIC_PASSWORD: "benchmark",
      RESTIC_CACHE_DIR: join(options.workFolder, `cache-${program.name}`),
    },
  });
  if (run.exitCode !== 0)
    throw new Error(`${program.name}, ${title}: exit code ${run.exitCode}\n${run.stdout}${run.stderr}`);
  return { ...run, connections: (await server.acceptedConnections()) - before };
}

function printCosts(options: ComparisonOptions, costs: ReadonlyMap<string, readonly Cost[]>): void {
  const figure = (row: Row, program: Program, pick: (cost: Cost) => number): number =>
    median((costs.get(`${row.name}/${program.name}`) ?? []).map(pick));
  const [own, ...peers] = options.programs;
  if (own === undefined) return;
  for (const peer of peers) {
    print(
      `median of ${options.rounds} alternating rounds; speed = wall ${peer.name} / wall ${own.name}, above 1 means that ${own.name} is faster`,
    );
    printTable(
      [
        "",
        `wall ${own.name}`,
        peer.name,
        "speed",
        "CPU s",
        peer.name,
        "ratio",
        "peak MiB",
        peer.name,
        "conn.",
        peer.name,
      ],
      rows.map((row) => {
        const wall = [figure(row, own, (c) => c.wallSeconds), figure(row, peer, (c) => c.wallSeconds)] as const;
        const cpu = [figure(row, own, (c) => c.cpuSeconds), figure(row, peer, (c) => c.cpuSeconds)] as const;
        return [
          row.name,
          `${wall[0].toFixed(2)} s`,
          `${wall[1].toFixed(2)} s`,
          (wall[1] / wall[0]).toFixed(2),
          cpu[0].toFixed(2),
          cpu[1].toFixed(2),
          (cpu[0] / cpu[1]).toFixed(2),
          figure(row, own, (c) => c.peakMemoryMiB).toFixed(0),
          figure(row, peer, (c) => c.peakMemoryMiB).toFixed(0),
          figure(row, own, (c) => c.connections).toFixed(0),
          figure(row, peer, (c) => c.connections).toFixed(0),
        ];
      }),
    );
  }
}
