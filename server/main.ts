#!/usr/bin/env node
/** The server: reads its options, puts its parts together, listens, and ends without losing a request. */
import "./process-settings.ts";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CofferError } from "../shared/errors.ts";
import { openAccessLog, type ReopenableLog } from "./access-log-file.ts";
import { createApp } from "./app.ts";
import { type Authenticator, noAuthentication } from "./auth/authenticator.ts";
import { HtpasswdAuthenticator } from "./auth/htpasswd-authenticator.ts";
import { createFirstUser } from "./first-user.ts";
import { createHttpServer, type HttpServer, type TlsSettings } from "./http-server.ts";
import { listen, parseListenAddress } from "./listen.ts";
import { helpText, parseCommandLine, type ServerOptions } from "./options.ts";
import { assembleStorage } from "./storage/assemble.ts";
import { threadsFor } from "./storage/disk/disk-queue.ts";
import { DiskRepositories } from "./storage/disk/disk-storage.ts";
import { programVersion } from "./version.ts";

/** For the operator: standard error, as rest-server does it. */
function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function serve(options: ServerOptions): Promise<void> {
  const address = parseListenAddress(options.listen);
  log(`Data directory: ${options.dataFolder}`);
  const htpasswd = await openAuthentication(options);
  log(`Append only mode ${options.appendOnly ? "enabled" : "disabled"}`);
  log(`Private repositories ${options.privateRepositories ? "enabled" : "disabled"}`);
  const accessLog = options.accessLog === undefined ? undefined : await openAccessLog(options.accessLog, log);
  const tls = options.tls ? await readTlsSettings(options) : undefined;
  const repositories = new DiskRepositories(options.dataFolder, { transfers: options.maxDiskTransfers });
  const swept = await repositories.sweep();
  if (swept > 0) log(`Removed ${swept} unfinished uploads of an earlier run`);

  const authenticator: Authenticator = htpasswd ?? noAuthentication;
  const app = createApp({
    repositories: assembleStorage(repositories, { appendOnly: options.appendOnly }),
    authenticator,
    privateRepositories: options.privateRepositories,
    log,
    ...(accessLog === undefined ? {} : { accessLog }),
  });
  const httpServer = createHttpServer(app, tls);
  // Before the start line: who reads it may send a signal at once.
  handleSignals(httpServer, htpasswd, accessLog);
  const place = await listen(httpServer.server, address);
  log(`start server on ${place}`);
  if (tls !== undefined) log(`TLS enabled, minimum version ${tls.minimumVersion}`);
}

async function openAuthentication(options: ServerOptions): Promise<HtpasswdAuthenticator | undefined> {
  if (!options.authentication) {
    log("Authentication disabled");
    return undefined;
  }
  log("Authentication enabled");
  if (options.createFirstUser) {
    const created = await createFirstUser(options.htpasswdFile);
    if (created !== undefined) {
      log(`Created the first user in ${options.htpasswdFile}. The password is shown only this once:`);
      log(`    user      ${created.user}`);
      log(`    password  ${created.password}`);
    }
  }
  const authenticator = await HtpasswdAuthenticator.open(options.htpasswdFile, log);
  log(`Loaded htpasswd file ${options.htpasswdFile}`);
  return authenticator;
}

async function readTlsSettings(options: ServerOptions): Promise<TlsSettings> {
  const certificatePath = options.tlsCertificate ?? join(options.dataFolder, "public_key");
  const keyPath = options.tlsKey ?? join(options.dataFolder, "private_key");
  const [certificate, key] = await Promise.all([readFile(certificatePath), readFile(keyPath)]);
  return { certificate, key, minimumVersion: options.tlsMinimumVersion };
}

function handleSignals(
  httpServer: HttpServer,
  htpasswd: HtpasswdAuthenticator | undefined,
  accessLog: ReopenableLog | undefined,
): void {
  let isStopping = false;
  const drain = async (): Promise<void> => {
    await httpServer.drain();
    await accessLog?.close();
    log("shutdown cleanly");
    process.exit(0);
  };
  const stop = (): void => {
    // Who asks twice does not want to wait for slow clients. Their uploads are swept at the next start.
    if (isStopping) process.exit(1);
    isStopping = true;
    void drain();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("SIGHUP", () => {
    accessLog?.reopen();
    void htpasswd?.reload();
  });
}

async function main(): Promise<void> {
  try {
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
