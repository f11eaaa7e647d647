/** How long the built programs take to start, and what an idle server weighs. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { runMeasured } from "../support/measured-process.ts";
import { cofferCommand } from "./comparison.ts";
import { median, printTable } from "./table.ts";

const serverProgram = fileURLToPath(new URL("../../dist/server/main.js", import.meta.url));
const repetitions = 9;

export async function measureStartup(workFolder: string): Promise<void> {
  const node: number[] = [];
  const version: number[] = [];
  const listening: number[] = [];
  const idleMiB: number[] = [];
  for (let i = 0; i < repetitions; i++) {
    node.push((await runMeasured([process.execPath, "--eval", "0"])).wallSeconds * 1000);
    version.push((await runMeasured([...cofferCommand, "version"])).wallSeconds * 1000);
    const server = await startServer(workFolder);
    listening.push(server.listeningMs);
    idleMiB.push(server.idleMiB);
  }
  printTable(
    [`median of ${repetitions}`, "measured", "limit"],
    [
      ["node itself", `${median(node).toFixed(0)} ms`, ""],
      ["coffer version", `${median(version).toFixed(0)} ms`, "150 ms"],
      ["coffer-server listens after", `${median(listening).toFixed(0)} ms`, "500 ms"],
      ["coffer-server idle", `${median(idleMiB).toFixed(0)} MiB`, "90 MiB"],
    ],
  );
}

async function startServer(workFolder: string): Promise<{ listeningMs: number; idleMiB: number }> {
  const start = performance.now();
  const child = spawn(process.execPath, [serverProgram, "--path", workFolder, "--no-auth", "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    for await (const line of createInterface({ input: child.stderr })) {
      if (line.startsWith("start server on ")) break;
    }
    const listeningMs = performance.now() - start;
    await sleep(300);
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, "latin1"));
    return { listeningMs, idleMiB: Number(match?.[1] ?? Number.NaN) / 1024 };
  } finally {
    child.kill("SIGTERM");
  }
}
