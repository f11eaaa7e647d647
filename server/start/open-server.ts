/** Puts the parts of a server together, for a process that serves alone or beside others. */
import { createApp } from "../app.ts";
import { createHttpServer, type HttpServer } from "../listening/http-server.ts";
import { openAccessLog, type ReopenableLog } from "../observation/log-file.ts";
import { type ObservationPlaces, openObservation } from "../observation/open-observation.ts";
import { fixedPolicy, policyOfFlags } from "../policy/flags-policy.ts";
import { PolicyFile } from "../policy/policy-file.ts";
import type { QuotaLedger } from "../quota/ledger.ts";
import { assembleStorage } from "../storage/assemble.ts";
import { type OpenedStorage, openStorage, type StorageChoice } from "../storage/open-storage.ts";
import { type CpuProfile, startCpuProfile } from "./cpu-profile.ts";
import type { FirstUser } from "./first-user.ts";
import { openAuthentication } from "./open-authentication.ts";
import { openTlsFiles } from "./open-tls.ts";
import type { ServerOptions } from "./options.ts";

type Log = (line: string) => void;

/** What depends on whether there are other processes of the same server. */
export interface ServingRole extends Pick<ObservationPlaces, "shareThrottle" | "gatherMetrics"> {
  /** Troubles of this process. */
  readonly log: Log;
  /** What each process would say alike. */
  readonly announce: Log;
  /** How this process uses the disk, alone or beside others. */
  readonly storage: Pick<StorageChoice, "maxDiskTransfers" | "hasOtherProcesses" | "turns">;
  /** Writes to standard output. */
  readonly print: (text: string) => void;
  /** Undefined when nothing limits what is stored. */
  openLedger(policy: PolicyFile | undefined, storage: OpenedStorage): Promise<QuotaLedger | undefined>;
}

export interface OpenServer extends Pick<HttpServer, "server" | "take"> {
  /** Set when one was made now. */
  readonly firstUser: FirstUser | undefined;
  /** Takes no more connections; resolves when all requests have been answered and all logs written. */
  drain(): Promise<void>;
  /** The last thing to do. */
  finishProfile(): Promise<void>;
  /** Has users, policy and certificate read again, and logs begun anew. */
  reload(): void;
}

const certificateCheckIntervalMs = 30_000;

/** Makes a server that does not listen yet. Throws `usage` and `unavailable`. */
export async function openServer(options: ServerOptions, role: ServingRole): Promise<OpenServer> {
  const { log, announce } = role;
  const cpuProfile = options.cpuProfile === undefined ? undefined : await startCpuProfile(options.cpuProfile);
  if (cpuProfile !== undefined) announce("CPU profiling enabled");
  const { authenticator, htpasswd, firstUser } = await openAuthentication(options, announce);
  const policy = await openPolicy(options, announce);
  announceModes(options, announce);
  const accessLog = options.accessLog === undefined ? undefined : await openAccessLog(options.accessLog, role);
  const tls = options.tls ? await openTlsFiles(options, announce) : undefined;
  const { dataFolder, storage: location, groupAccessible: isGroupAccessible } = options;
  const storage = await openStorage(
    { dataFolder, location, isGroupAccessible, ...role.storage },
    process.env,
    announce,
  );
  const observation = await openObservation(options.observation, {
    ...role,
    probe: storage.probe,
    hasPasswords: htpasswd !== undefined,
  });
  const ledger = await role.openLedger(policy, storage);
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
  const { replaceCertificate } = httpServer;
  observation.watch(() => httpServer.connectionCount);
  if (tls !== undefined) {
    setInterval(() => void tls.reloadIfChanged(replaceCertificate), certificateCheckIntervalMs).unref();
  }
  const logs: (ReopenableLog | undefined)[] = [accessLog, observation.auditLog];
  return {
    server: httpServer.server,
    take: httpServer.take,
    firstUser,
    drain: async () => {
      await httpServer.drain();
      for (const each of logs) await each?.close();
    },
    finishProfile: async () => {
      if (cpuProfile !== undefined) await finishProfile(cpuProfile, announce);
    },
    reload: () => {
      for (const each of logs) each?.reopen();
      void htpasswd?.reload();
      void policy?.reload();
      void tls?.reload(replaceCertificate);
    },
  };
}

/** Undefined when the flags say who may do what. Throws `usage`. */
export async function openPolicy({ policyFile }: ServerOptions, announce: Log): Promise<PolicyFile | undefined> {
  if (policyFile === undefined) return undefined;
  const policy = await PolicyFile.open(policyFile, announce);
  announce(`Loaded policy file ${policyFile}`);
  return policy;
}

/** The modes as rest-server tells of them. */
export function announceModes(options: ServerOptions, announce: Log): void {
  const state = (isEnabled: boolean): string => (isEnabled ? "enabled" : "disabled");
  announce(`Append only mode ${state(options.appendOnly)}`);
  announce(`Private repositories ${state(options.privateRepositories)}`);
  announce(`Group accessible repos ${state(options.groupAccessible)}`);
  if (options.verifyUploads) return;
  announce("Verification of uploads disabled");
  if (options.appendOnly) {
    announce(
      "warning: without verification, junk can be stored under any name that is not taken, and append-only keeps it",
    );
  }
}

/** Everything was served: a profile that cannot be written is no reason to end as a failure. */
async function finishProfile(cpuProfile: CpuProfile, announce: Log): Promise<void> {
  try {
    await cpuProfile.finish();
    announce("Stopped CPU profiling");
  } catch (error) {
    announce(`error: ${(error as Error).message}`);
  }
}
