#!/usr/bin/env node
/** The composition root of the command line: the process's arguments and environment in, its exit code out. */
import process from "node:process";

const oldestNode = 24;

async function main(): Promise<number> {
  if (Number.parseInt(process.versions.node, 10) < oldestNode) {
    process.stderr.write(`coffer needs Node ${oldestNode} or newer, and this is ${process.version}\n`);
    return 1;
  }
  // Not a static import: an older Node would fail on it with words that help nobody.
  const { runProgram } = await import("./cli/run.ts");
  return runProgram({ parameters: process.argv.slice(2), environment: process.env });
}

// Everything has been written and closed: what is still open (idle connections, timers) need not be waited for.
process.exit(await main());
