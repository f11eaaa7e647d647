/**
 * `npm run demo [-- [--keep] [FOLDER]]`: shows Coffer at work, as a user would see it. Starts a server with
 * authentication on a free loopback port, and drives the real command line against it: init, backup, change files,
 * backup, snapshots, what was added, restore, compare, check. Where restic is on PATH, it must agree.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Demonstration, DemonstrationFailed } from "./demonstration.ts";
import { print, printReport } from "./report.ts";

const { values, positionals } = parseArgs({
  options: { keep: { type: "boolean", default: false } },
  allowPositionals: true,
});

const workFolder = mkdtempSync(join(tmpdir(), "coffer-demo-"));
const demonstration = new Demonstration(workFolder, positionals[0] === undefined ? undefined : resolve(positionals[0]));

async function cleanUp(): Promise<void> {
  await demonstration.stop();
  if (values.keep) print(`kept: ${workFolder}`);
  else rmSync(workFolder, { recursive: true, force: true, maxRetries: 3 });
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    void cleanUp().finally(() => process.exit(130));
  });
}

try {
  printReport(await demonstration.run());
} catch (error) {
  process.exitCode = 1;
  if (!(error instanceof DemonstrationFailed)) throw error;
  print(`\nFAILED: ${error.message}`);
} finally {
  await cleanUp();
}
