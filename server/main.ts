#!/usr/bin/env node
/** The server: reads its options, puts its parts together, listens, and ends without losing a request. */
import "./process-settings.ts";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { CofferError } from "../shared/errors.ts";
import { openAccessLog, type ReopenableLog } from "./access-log-file.ts";
import { createApp } from "./app.ts";
import { type Authenticator, noAuthentication } from "./auth/authenticator.ts";
import { HtpasswdAuthenticator } from "./auth/htpasswd-authenticator.ts";
import { runCommand } from "./cli/commands.ts";
import { createFirstUser, type FirstUser } from "./first-user.ts";
import { createHttpServer, type HttpServer, type TlsSettings } from "./http-server.ts";
import { listen, parseListenAddress } from "./listen.ts";
import { openObservation } from "./observation/open-observation.ts";
import { helpText, parseCommandLine, type ServerOptions } from "./options.ts";
import { fixedPolicy, policyOfFlags } from "./policy/flags-policy.ts";
import { PolicyFile } from "./policy/policy-file.ts";
import type { QuotaLedger } from "./quota/ledger.ts";
import { quotaLimits } from "./quota/limits.ts";
import { LocalQuotaLedger } from "./quota/local-ledger.ts";
import { assembleStorage } from "./storage/assemble.ts";
import { type OpenedStorage, openStorage } from "./storage/open-storage.ts";
import { programVersion } from "./version.ts";

/** For the operator: standard error, as rest-server does it. */
function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function serve(options: ServerOptions): Promise<void> {
  const address = parseListenAddress(options.listen);
  await requireFolder(options.dataFolder);
  log(`Data directory: ${options.dataFolder}`);
  const { htpasswd, firstUser } = await openAuthentication(options);
  const policy = await openPolicy(options);
  log(`Append only mode ${options.appendOnly ? "enabled" : "disabled"}`);
  log(`Private repositories ${options.privateRepositories ? "enabled" : "disabled"}`);
  const accessLog = options.accessLog === undefined ? undefined : await openAccessLog(options.accessLog, log);
  const { dataFolder, storage: location } = options;
  const storage = await openStorage({ dataFolder, location }, process.env, log);
  const observation = await openObservation(options.observation, {
    probe: storage.probe,
    hasPasswords: htpasswd !== undefined,
    log,
  });
  const tls = options.tls ? await readTlsSettings(options) : undefined;
  const ledger = openLedger(options, policy, storage);

  const authenticator: Authenticator = htpasswd ?? noAuthentication;
  const app = createApp({
    repositories: assembleStorage(storage.repositories, { ledger }),
    authenticator,
    policy: policy ?? fixedPolicy(policyOfFlags(options)),
    privateRepositories: options.privateRepositories,
    log,
    ...observation.dependencies,
    ...(accessLog === undefined ? {} : { accessLog }),
  });
  const httpServer = createHttpServer(app, tls);
  observation.watch(httpServer.server);
  // Before the start line: who reads it may send a signal at once.
  handleSignals(httpServer, htpasswd, [accessLog, observation.auditLog], policy);
  const place = await listen(httpServer.server, address).catch(async (error: unknown) => {
    // Nobody has seen the password: the next start shall make another one, and show it.
    if (firstUser !== undefined) await rm(options.htpasswdFile, { force: true });
    throw error;
  });
  if (firstUser !== undefined) tellFirstUser(firstUser, options.htpasswdFile);
  log(`start server on ${place}`);
  if (tls !== undefined) log(`TLS enabled, minimum version ${tls.minimumVersion}`);
}

/** Throws `usage` when the data folder is something else. It need not exist. */
async function requireFolder(path: string): Promise<void> {
  const status = await stat(path).catch(() => undefined);
  if (status !== undefined && !status.isDirectory())
    throw new CofferError("usage", `--path expected a folder, got ${path}, which is none`);
}

interface Authentication {
  /** Undefined when everybody is let in. */
  readonly htpasswd: HtpasswdAuthenticator | undefined;
  /** Set when one was made now. */
  readonly firstUser: FirstUser | undefined;
}

async function openAuthentication(options: ServerOptions): Promise<Authentication> {
  if (!options.authentication) {
    log("Authentication disabled");
    return { htpasswd: undefined, firstUser: undefined };
  }
  log("Authentication enabled");
  const firstUser = options.createFirstUser ? await createFirstUser(options.htpasswdFile) : undefined;
  const htpasswd = await HtpasswdAuthenticator.open(options.htpasswdFile, log);
  log(`Loaded htpasswd file ${options.htpasswdFile}`);
  return { htpasswd, firstUser };
}

function tellFirstUser({ user, password }: FirstUser, htpasswdFile: string): void {
  log(`Created the first user in ${htpasswdFile}. The password is shown only this once:`);
  log(`    user      ${user}`);
  log(`    password  ${password}`);
}

async function openPolicy(options: ServerOptions): Promise<PolicyFile | undefined> {
  if (options.policyFile === undefined) return undefined;
  const policy = await PolicyFile.open(options.policyFile, log);
  log(`Loaded policy file ${options.policyFile}`);
  return policy;
}

/** Counts what is stored, unless nothing limits it. A policy can get its quotas later, so it always counts. */
function openLedger(
  { maximumBytes }: ServerOptions,
  policy: PolicyFile | undefined,
  storage: OpenedStorage,
): QuotaLedger | undefined {
  if (maximumBytes === undefined && policy === undefined) return undefined;
  if (storage.usage === undefined) {
    // What a bucket holds, and what other servers do to it, nobody here counts.
    if (maximumBytes === undefined && policy?.latest.quotas.length === 0) return undefined;
    throw new CofferError(
      "usage",
      "quotas need repositories on disk: leave out --max-size and the policy's quotas, or set a quota in the store",
    );
  }
  log("Initializing quota (can take a while)...");
  const ledger = new LocalQuotaLedger(quotaLimits(maximumBytes, policy?.latest.quotas ?? []));
  for (const { folders, sizeBytes } of storage.usage()) ledger.record(folders, sizeBytes);
  policy?.onChange(({ quotas }) => ledger.useLimits(quotaLimits(maximumBytes, quotas)));
  log(`Quota initialized, currently using ${(ledger.usedBytes / 2 ** 30).toFixed(2)} GiB`);
  return ledger;
}

async function readTlsSettings(options: ServerOptions): Promise<TlsSettings> {
  const certificatePath = options.tlsCertificate ?? join(options.dataFolder, "public_key");
  const keyPath = options.tlsKey ?? join(options.dataFolder, "private_key");
  const [certificate, key] = await Promise.all([
    readPem(certificatePath, "certificate", "--tls-cert"),
    readPem(keyPath, "private key", "--tls-key"),
  ]);
  return { certificate, key, minimumVersion: options.tlsMinimumVersion };
}

async function readPem(path: string, what: string, flag: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new CofferError(
      "usage",
      `cannot read the ${what} for TLS: ${(cause as Error).message}; name it with ${flag}`,
      {
        cause,
      },
    );
  }
}

function handleSignals(
  httpServer: HttpServer,
  htpasswd: HtpasswdAuthenticator | undefined,
  logs: readonly (ReopenableLog | undefined)[],
  policy: PolicyFile | undefined,
): void {
  let isStopping = false;
  const drain = async (): Promise<void> => {
    await httpServer.drain();
    for (const each of logs) await each?.close();
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
    for (const each of logs) each?.reopen();
    void htpasswd?.reload();
    void policy?.reload();
  });
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
