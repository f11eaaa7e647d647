#!/usr/bin/env node
/** The server: reads its options, puts its parts together, listens, and ends without losing a request. */
import "./start/process-settings.ts";
import { rm, stat } from "node:fs/promises";
import { CofferError } from "../shared/errors.ts";
import { createApp } from "./app.ts";
import { runCommand } from "./cli/commands.ts";
import { createHttpServer } from "./listening/http-server.ts";
import { type ListenAddress, listen, parseListenAddress } from "./listening/listen.ts";
import { describeTls, openTlsFiles } from "./listening/open-tls.ts";
import { takeActivatedSocket } from "./listening/socket-activation.ts";
import { openAccessLog } from "./observation/log-file.ts";
import { openObservation } from "./observation/open-observation.ts";
import { fixedPolicy, policyOfFlags } from "./policy/flags-policy.ts";
import { PolicyFile } from "./policy/policy-file.ts";
import { startCpuProfile } from "./start/cpu-profile.ts";
import { openAuthentication, tellFirstUser } from "./start/open-authentication.ts";
import { openQuota } from "./start/open-quota.ts";
import { helpText, parseCommandLine, type ServerOptions } from "./start/options.ts";
import { handleSignals } from "./start/signals.ts";
import { assembleStorage } from "./storage/assemble.ts";
import { threadsFor } from "./storage/disk/disk-queue.ts";
import { openStorage } from "./storage/open-storage.ts";
import { programVersion } from "./version.ts";

/** For the operator: standard error, as rest-server does it. */
function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function serve(options: ServerOptions): Promise<void> {
  const address = chooseAddress(options);
  await requireFolder(options.dataFolder);
  log(`Data directory: ${options.dataFolder}`);
  const cpuProfile = options.cpuProfile === undefined ? undefined : await startCpuProfile(options.cpuProfile);
  if (cpuProfile !== undefined) log("CPU profiling enabled");
  const { authenticator, htpasswd, firstUser } = await openAuthentication(options, log);
  const policy = await openPolicy(options);
  logModes(options);
  const accessLog = options.accessLog === undefined ? undefined : await openAccessLog(options.accessLog, log);
  const tls = options.tls ? await openTlsFiles(options, log) : undefined;
  const { dataFolder, storage: location, groupAccessible: isGroupAccessible, maxDiskTransfers } = options;
  const storage = await openStorage({ dataFolder, location, isGroupAccessible, maxDiskTransfers }, process.env, log);
  const observation = await openObservation(options.observation, {
    probe: storage.probe,
    hasPasswords: htpasswd !== undefined,
    log,
  });
  const ledger = openQuota(options, policy, storage, log);

  const app = createApp({
    repositories: assembleStorage(storage.repositories, { ledger, verifyUploads: options.verifyUploads }),
    authenticator,
    policy: policy ?? fixedPolicy(policyOfFlags(options)),
    privateRepositories: options.privateRepositories,
    log,
    ...observation.dependencies,
    ...(options.debug ? { debug: log } : {}),
    ...(accessLog === undefined ? {} : { accessLog }),
  });
  const httpServer = createHttpServer(app, tls?.settings);
  observation.watch(httpServer.server);
  const logs = [accessLog, observation.auditLog];
  // Before the start line: who reads it may send a signal at once.
  handleSignals({ httpServer, htpasswd, policy, logs, tls, cpuProfile, log });
  const place = await listen(httpServer.server, address).catch(async (error: unknown) => {
    // Nobody has seen the password: the next start shall make another one, and show it.
    if (firstUser !== undefined) await rm(options.htpasswdFile, { force: true });
    throw error;
  });
  if (firstUser !== undefined) tellFirstUser(firstUser, options.htpasswdFile, log);
  log(address.kind === "descriptor" ? "systemd socket activation mode" : `start server on ${place}`);
  if (tls !== undefined) log(describeTls(options));
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

async function openPolicy(options: ServerOptions): Promise<PolicyFile | undefined> {
  if (options.policyFile === undefined) return undefined;
  const policy = await PolicyFile.open(options.policyFile, log);
  log(`Loaded policy file ${options.policyFile}`);
  return policy;
}

function logModes(options: ServerOptions): void {
  const state = (isEnabled: boolean): string => (isEnabled ? "enabled" : "disabled");
  log(`Append only mode ${state(options.appendOnly)}`);
  log(`Private repositories ${state(options.privateRepositories)}`);
  log(`Group accessible repos ${state(options.groupAccessible)}`);
  if (options.verifyUploads) return;
  log("Verification of uploads disabled");
  if (options.appendOnly) {
    log("warning: without verification, junk can be stored under any name that is not taken, and append-only keeps it");
  }
}

/** Whoever reads what we print may leave; that is no reason to end. */
function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
}

async function main(): Promise<void> {
  outliveReaders();
  try {
    if (await runCommand(process.argv.slice(2))) return;
    const commandLine = parseCommandLine(process.argv.slice(2));
    if (commandLine.action === "help") process.stdout.write(helpText());
    else if (commandLine.action === "version") process.stdout.write(`${programVersion()}\n`);
    else {
      // Counts until the first work of the threads.
      process.env["UV_THREADPOOL_SIZE"] ??= String(threadsFor(commandLine.options.maxDiskTransfers));
      await serve(commandLine.options);
    }
  } catch (error) {
    log(`error: ${error instanceof Error ? error.message : String(error)}`);
    if (!(error instanceof CofferError) && error instanceof Error && !("code" in error)) log(error.stack ?? "");
    process.exitCode = 1;
    // Whatever was opened before the failure must not keep the process.
    process.exit();
  }
}

await main();
