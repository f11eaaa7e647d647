#!/usr/bin/env node
/** The server: reads its command line, and serves. */
import "./start/process-settings.ts";
import { stat } from "node:fs/promises";
import { CofferError } from "../shared/errors.ts";
import { runCommand } from "./cli/commands.ts";
import { isWorker } from "./cluster/worker-environment.ts";
import { type ListenAddress, parseListenAddress } from "./listening/listen.ts";
import { takeActivatedSocket } from "./listening/socket-activation.ts";
import { helpText, parseCommandLine, type ServerOptions } from "./start/options.ts";
import { serveAlone } from "./start/serve-alone.ts";
import { threadsFor } from "./storage/disk/disk-queue.ts";
import { programVersion } from "./version.ts";

const oldestNode = 24;

/** For the operator: standard error, as rest-server does it. */
function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function serve(options: ServerOptions): Promise<void> {
  // Counts until the first work of the threads.
  process.env["UV_THREADPOOL_SIZE"] ??= String(threadsFor(Math.ceil(options.maxDiskTransfers / options.workers)));
  if (isWorker()) {
    const { serveAsWorker } = await import("./cluster/worker.ts");
    return serveAsWorker(options, log);
  }
  if (options.workers > 1) {
    const { serveByWorkers } = await import("./cluster/primary.ts");
    return serveByWorkers(options, await prepare(options), log);
  }
  await serveAlone(options, await prepare(options), log);
}

async function prepare(options: ServerOptions): Promise<ListenAddress> {
  const address = chooseAddress(options);
  await requireFolder(options.dataFolder);
  log(`Data directory: ${options.dataFolder}`);
  return address;
}

/** A socket that systemd passes goes before what the command line says. */
function chooseAddress(options: ServerOptions): ListenAddress {
  const descriptor = takeActivatedSocket(process.env, process.pid);
  return descriptor === undefined ? parseListenAddress(options.listen) : { kind: "descriptor", descriptor };
}

/** Throws `usage` when the data folder is something else. It need not exist. */
async function requireFolder(path: string): Promise<void> {
  const status = await stat(path).catch(() => undefined);
  if (status !== undefined && !status.isDirectory())
    throw new CofferError("usage", `--path expected a folder, got ${path}, which is none`);
}

function requireNode(): void {
  if (Number.parseInt(process.versions.node, 10) >= oldestNode) return;
  throw new CofferError("usage", `coffer-server needs Node ${oldestNode} or newer, and this is ${process.version}`);
}

/** Whoever reads what we print may leave; that is no reason to end. */
function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
}

async function main(): Promise<void> {
  outliveReaders();
  try {
    requireNode();
    if (await runCommand(process.argv.slice(2))) return;
    const commandLine = parseCommandLine(process.argv.slice(2));
    if (commandLine.action === "help") process.stdout.write(helpText());
    else if (commandLine.action === "version") process.stdout.write(`${programVersion()}\n`);
    else await serve(commandLine.options);
  } catch (error) {
    log(`error: ${error instanceof Error ? error.message : String(error)}`);
    if (!(error instanceof CofferError) && error instanceof Error && !("code" in error)) log(error.stack ?? "");
    process.exitCode = 1;
    // Whatever was opened before the failure must not keep the process.
    process.exit();
  }
}

await main();
