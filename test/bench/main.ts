/**
 * `npm run bench [-- --rounds 3 --scale 1 --only comparison,memory,startup,steps,index,batch --peer PROGRAM]`: the figures
 * that the project is judged by. Needs restic on PATH (or --peer) for the comparison; about 10 minutes at full size.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { measureBatches } from "./batch.ts";
import { cofferCommand, compare } from "./comparison.ts";
import { measureMemoryGrowth } from "./memory-growth.ts";
import { type Parts, runParts } from "./parts.ts";
import { measureStartup } from "./startup.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    scale: { type: "string", default: "1" },
    only: { type: "string", default: "steps,index,startup,comparison,memory" },
    peer: { type: "string", default: "restic" },
    folder: { type: "string", default: tmpdir() },
  },
});

const workFolder = mkdtempSync(join(values.folder, "coffer-bench-"));
const parts: Parts = {
  steps: async () => runProgram("steps.ts"),
  index: async () => runProgram("index.ts"),
  startup: () => measureStartup(workFolder),
  comparison: async () => {
    const folder = join(workFolder, "comparison");
    mkdirSync(folder);
    await compare({
      workFolder: folder,
      rounds: Number(values.rounds),
      scale: Number(values.scale),
      programs: [
        { name: "coffer", command: cofferCommand },
        { name: "restic", command: [values.peer] },
      ],
    });
    rmSync(folder, { recursive: true });
  },
  memory: () => measureMemoryGrowth(workFolder),
  batch: () => measureBatches(workFolder, Number(values.rounds)),
};

/** The micro-benchmarks are programs of their own, so that no other part's garbage disturbs them. */
function runProgram(name: string): void {
  const program = fileURLToPath(new URL(name, import.meta.url));
  const { status } = spawnSync(process.execPath, [program], { stdio: "inherit" });
  if (status !== 0) throw new Error(`${name} ended with exit code ${status}`);
}

await runParts(parts, values.only, workFolder);
