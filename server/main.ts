#!/usr/bin/env node
/** The server: reads its options, puts its parts together, listens, and ends without losing a request. */
import "./process-settings.ts";
import { join } from "node:path";
import { CofferError } from "../shared/errors.ts";
import { openAccessLog, type ReopenableLog } from "./access-log-file.ts";
import { createApp } from "./app.ts";
import { type Authenticator, noAuthentication } from "./auth/authenticator.ts";
import { CertificateAuthenticator, refuseEverybody } from "./auth/certificate-authenticator.ts";
import { HtpasswdAuthenticator } from "./auth/htpasswd-authenticator.ts";
import { ProxyAuthenticator } from "./auth/proxy-authenticator.ts";
import { type CpuProfile, startCpuProfile } from "./cpu-profile.ts";
import { createFirstUser } from "./first-user.ts";
import { createHttpServer, type HttpServer } from "./http-server.ts";
import { type ListenAddress, listen, parseListenAddress } from "./listen.ts";
import { helpText, parseCommandLine, type ServerOptions } from "./options.ts";
import { takeActivatedSocket } from "./socket-activation.ts";
import { assembleStorage } from "./storage/assemble.ts";
import { DiskRepositories } from "./storage/disk/disk-storage.ts";
import { TlsFiles } from "./tls-files.ts";
import { programVersion } from "./version.ts";

/** For the operator: standard error, as rest-server does it. */
function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function serve(options: ServerOptions): Promise<void> {
  const address = chooseAddress(options);
  log(`Data directory: ${options.dataFolder}`);
  const cpuProfile = options.cpuProfile === undefined ? undefined : await startCpuProfile(options.cpuProfile);
  if (cpuProfile !== undefined) log("CPU profiling enabled");
  const { authenticator, htpasswd } = await openAuthentication(options);
  logModes(options);
  const accessLog = options.accessLog === undefined ? undefined : await openAccessLog(options.accessLog, log);
  const tls = options.tls ? await openTlsFiles(options) : undefined;
  const repositories = new DiskRepositories(options.dataFolder, { isGroupAccessible: options.groupAccessible });
  const swept = await repositories.sweep();
  if (swept > 0) log(`Removed ${swept} unfinished uploads of an earlier run`);

  const app = createApp({
    repositories: assembleStorage(repositories, options),
    authenticator,
    privateRepositories: options.privateRepositories,
    log,
    ...(options.debug ? { debug: log } : {}),
    ...(accessLog === undefined ? {} : { accessLog }),
  });
  const httpServer = createHttpServer(app, tls?.settings);
  // Before the start line: who reads it may send a signal at once.
  handleSignals({ httpServer, htpasswd, accessLog, tls, cpuProfile });
  const place = await listen(httpServer.server, address);
  log(address.kind === "descriptor" ? "systemd socket activation mode" : `start server on ${place}`);
  if (tls !== undefined) log(describeTls(options));
}

/** A socket that systemd passes goes before what the command line says. */
function chooseAddress(options: ServerOptions): ListenAddress {
  const descriptor = takeActivatedSocket(process.env, process.pid);
  return descriptor === undefined ? parseListenAddress(options.listen) : { kind: "descriptor", descriptor };
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

interface Authentication {
  readonly authenticator: Authenticator;
  /** The users of the password file, when there is one. */
  readonly htpasswd?: HtpasswdAuthenticator;
}

async function openAuthentication(options: ServerOptions): Promise<Authentication> {
  if (!options.authentication) {
    log("Authentication disabled");
    return { authenticator: noAuthentication };
  }
  if (options.proxyUserHeader !== undefined) {
    log("Proxy Authentication enabled.");
    return { authenticator: new ProxyAuthenticator(options.proxyUserHeader) };
  }
  log("Authentication enabled");
  if (options.tlsClientAuthorities === undefined) {
    const htpasswd = await openHtpasswd(options);
    return { authenticator: htpasswd, htpasswd };
  }
  log(`Client certificates ${options.tlsClientAuthentication}, authorities ${options.tlsClientAuthorities}`);
  // Nobody gets as far as a password when certificates are required.
  if (options.tlsClientAuthentication === "required") {
    return { authenticator: new CertificateAuthenticator(refuseEverybody, log) };
  }
  const htpasswd = await openHtpasswd(options);
  return { authenticator: new CertificateAuthenticator(htpasswd, log), htpasswd };
}

async function openHtpasswd(options: ServerOptions): Promise<HtpasswdAuthenticator> {
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

function certificatePath(options: ServerOptions): string {
  return options.tlsCertificate ?? join(options.dataFolder, "public_key");
}

function keyPath(options: ServerOptions): string {
  return options.tlsKey ?? join(options.dataFolder, "private_key");
}

function openTlsFiles(options: ServerOptions): Promise<TlsFiles> {
  const { tlsClientAuthorities: clientAuthorities } = options;
  const paths = { certificate: certificatePath(options), key: keyPath(options) };
  return TlsFiles.open(
    clientAuthorities === undefined ? paths : { ...paths, clientAuthorities },
    {
      minimumVersion: options.tlsMinimumVersion,
      requiresClientCertificate: options.tlsClientAuthentication === "required",
    },
    log,
  );
}

function describeTls(options: ServerOptions): string {
  const files = `private key ${keyPath(options)}, pubkey ${certificatePath(options)}`;
  return `TLS enabled, ${files}, minimum version ${options.tlsMinimumVersion}`;
}

interface Running {
  readonly httpServer: HttpServer;
  readonly htpasswd: HtpasswdAuthenticator | undefined;
  readonly accessLog: ReopenableLog | undefined;
  readonly tls: TlsFiles | undefined;
  readonly cpuProfile: CpuProfile | undefined;
}

const certificateCheckIntervalMs = 30_000;

function handleSignals({ httpServer, htpasswd, accessLog, tls, cpuProfile }: Running): void {
  let isStopping = false;
  const drain = async (): Promise<void> => {
    await httpServer.drain();
    await accessLog?.close();
    log("shutdown cleanly");
    if (cpuProfile !== undefined) await finishProfile(cpuProfile);
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
    void tls?.reload(httpServer.replaceCertificate);
  });
  if (tls === undefined) return;
  setInterval(() => void tls.reloadIfChanged(httpServer.replaceCertificate), certificateCheckIntervalMs).unref();
}

/** Everything was served: a profile that cannot be written is no reason to end as a failure. */
async function finishProfile(cpuProfile: CpuProfile): Promise<void> {
  try {
    await cpuProfile.finish();
    log("Stopped CPU profiling");
  } catch (error) {
    log(`error: ${(error as Error).message}`);
  }
}

async function main(): Promise<void> {
  try {
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
