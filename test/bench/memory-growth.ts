/** Shows that the client's memory does not grow with the amount of data: the same job with 1 and with 4 GiB. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { startCountedServer } from "../support/counted-server.ts";
import { runMeasured } from "../support/measured-process.ts";
import { RandomBytes, writeLargeFile } from "../support/sample-data.ts";
import { cofferCommand } from "./comparison.ts";
import { print, printTable } from "./table.ts";

const gibibyte = 2 ** 30;

export async function measureMemoryGrowth(workFolder: string): Promise<void> {
  const serverFolder = join(workFolder, "growth-server");
  mkdirSync(serverFolder);
  const server = await startCountedServer(["--path", serverFolder, "--no-auth"]);
  const figures: string[][] = [];
  try {
    for (const gibibytes of [1, 4]) {
      print(`making one file of ${gibibytes} GiB of random data ...`);
      const folder = join(workFolder, `growth-${gibibytes}`);
      mkdirSync(folder);
      writeLargeFile(join(folder, "file"), gibibytes * gibibyte, new RandomBytes(`growth-${gibibytes}`));
      const target = join(workFolder, "growth-restored");
      const peaks: string[] = [];
      for (const parameters of [
        ["init"],
        ["backup", folder],
        ["restore", "latest", "--target", target],
        ["check", "--read-data"],
      ]) {
        const run = await runMeasured([...cofferCommand, ...parameters], {
          env: {
            ...process.env,
            RESTIC_REPOSITORY: `rest:http://${server.address}/growth-${gibibytes}/`,
            RESTIC_PASSWORD: "benchmark",
            RESTIC_CACHE_DIR: join(workFolder, "growth-cache"),
          },
        });
        if (run.exitCode !== 0) throw new Error(`coffer ${parameters.join(" ")}: ${run.stderr}`);
        peaks.push(`${run.peakMemoryMiB.toFixed(0)} MiB`);
      }
      for (const used of [folder, target, join(serverFolder, `growth-${gibibytes}`)]) rmSync(used, { recursive: true });
      figures.push([`${gibibytes} GiB`, ...peaks.slice(1)]);
    }
  } finally {
    await server.stop();
  }
  printTable(["peak memory of the client", "backup", "restore", "check --read-data"], figures);
}
