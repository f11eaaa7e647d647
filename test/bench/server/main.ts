/**
 * `npm run bench:server [-- --only comparison,disk,soak --rounds 3 --scale 1 --phases "PUT 16,GET 4" --connections 5,40 --workers N --peer PROGRAM]`: our server as
 * built beside rclone's and, where there is one, rest-server (on PATH, or --peer).
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Parts, runParts } from "../parts.ts";
import { print } from "../table.ts";
import { compareServers } from "./comparison.ts";
import { printComparison } from "./report.ts";
import { cofferServer, isInstalled, rcloneServer, restServer, type ServerProgram } from "./servers.ts";
import { measureSlowDisk } from "./slow-disk.ts";
import { soak } from "./soak.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "comparison,disk,soak" },
    /** Of the part "soak". */
    requests: { type: "string", default: "200000" },
    /** Values of --max-disk-transfers for the part "disk". */
    limits: { type: "string", default: "5,1,64" },
    rounds: { type: "string", default: "3" },
    scale: { type: "string", default: "1" },
    connections: { type: "string", default: "5,40" },
    phases: { type: "string" },
    /** Also our server with so many processes. */
    workers: { type: "string" },
    /** Further programs of ours to compare with: the main.js of another build. */
    base: { type: "string" },
    peer: { type: "string" },
    "no-rclone": { type: "boolean", default: false },
    folder: { type: "string", default: tmpdir() },
  },
});

const folder = mkdtempSync(join(values.folder, "coffer-bench-server-"));

const parts: Parts = {
  comparison: async () => {
    const programs = installedPrograms();
    const rounds = Number(values.rounds);
    const rows = await compareServers({
      folder,
      rounds,
      scale: Number(values.scale),
      programs,
      connections: values.connections.split(",").map(Number),
      ...(values.phases === undefined ? {} : { phases: values.phases.split(",") }),
    });
    printComparison(
      programs.map(({ name }) => name),
      rows,
      rounds,
    );
  },
  soak: () => soak({ folder, requests: Number(values.requests) }),
  disk: () => measureSlowDisk({ folder, scale: Number(values.scale), limits: values.limits.split(",").map(Number) }),
};

function installedPrograms(): ServerProgram[] {
  const programs = [cofferServer()];
  if (values.base !== undefined) programs.push(cofferServer("base", [], values.base));
  if (values.workers !== undefined) {
    programs.push(cofferServer(`${values.workers} workers`, ["--workers", values.workers]));
  }
  const peer = values.peer ?? "rest-server";
  if (isInstalled(peer)) programs.push(restServer(peer));
  else print(`${peer} is not installed: left out`);
  if (values["no-rclone"]) return programs;
  if (isInstalled("rclone")) programs.push(rcloneServer);
  else print("rclone is not installed: left out");
  return programs;
}

await runParts(parts, values.only, folder);
