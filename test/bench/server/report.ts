/** The figures of a comparison as a table for each peer. */
import { print, printTable } from "../table.ts";
import type { PhaseCost, PhaseRow } from "./comparison.ts";

/** The first server is the one whose ratios are wanted. */
export function printComparison(names: readonly string[], rows: readonly PhaseRow[], rounds: number): void {
  const [own = ""] = names;
  for (const [i, peer] of names.entries()) {
    if (i === 0) continue;
    print(`median of ${rounds} alternating rounds; speed = ${own} / ${peer}, above 1 means that ${own} is faster;`);
    print("CPU of the server per request; memory and connections: the most of all rounds");
    printTable(
      [
        "",
        "conn.",
        own,
        peer,
        "speed",
        "CPU ms",
        peer,
        "ratio",
        "p99 ms",
        peer,
        "peak MiB",
        peer,
        "extra",
        peer,
        "opened",
      ],
      rows.map((row) => cellsOf(row, row.costs[0], row.costs[i])),
    );
  }
}

function cellsOf(row: PhaseRow, own: PhaseCost | undefined, peer: PhaseCost | undefined): string[] {
  if (own === undefined || peer === undefined) return [row.name];
  const cpu = [own, peer].map((cost) => (cost.serverCpuSeconds * 1000) / cost.requests);
  const [ownCpu = Number.NaN, peerCpu = Number.NaN] = cpu;
  return [
    row.name,
    String(row.connections),
    speedOf(row, own),
    speedOf(row, peer),
    (peer.seconds / own.seconds).toFixed(2),
    ownCpu.toFixed(3),
    peerCpu.toFixed(3),
    (ownCpu / peerCpu).toFixed(2),
    own.p99Ms.toFixed(1),
    peer.p99Ms.toFixed(1),
    own.peakMiB.toFixed(0),
    peer.peakMiB.toFixed(0),
    own.extraMiB.toFixed(0),
    peer.extraMiB.toFixed(0),
    `${own.openedConnections} : ${peer.openedConnections}`,
  ];
}

function speedOf({ bytesEach, name }: PhaseRow, { requests, seconds }: PhaseCost): string {
  if (bytesEach > 0) return `${((requests * bytesEach) / 1e6 / seconds).toFixed(0)} MB/s`;
  if (name.startsWith("list")) return `${(seconds / requests).toFixed(2)} s each`;
  return `${(requests / seconds).toFixed(0)} /s`;
}
