/** What signals do to a running server. */

import type { HtpasswdAuthenticator } from "../auth/htpasswd-authenticator.ts";
import type { HttpServer } from "../listening/http-server.ts";
import type { TlsFiles } from "../listening/tls-files.ts";
import type { ReopenableLog } from "../observation/log-file.ts";
import type { PolicyFile } from "../policy/policy-file.ts";
import type { CpuProfile } from "./cpu-profile.ts";

export interface Running {
  readonly httpServer: HttpServer;
  readonly htpasswd: HtpasswdAuthenticator | undefined;
  readonly policy: PolicyFile | undefined;
  readonly logs: readonly (ReopenableLog | undefined)[];
  readonly tls: TlsFiles | undefined;
  readonly cpuProfile: CpuProfile | undefined;
  readonly log: (line: string) => void;
}

const certificateCheckIntervalMs = 30_000;

/** SIGTERM and SIGINT end it without cutting anybody off; SIGHUP has files read again and logs begun anew. */
export function handleSignals({ httpServer, htpasswd, policy, logs, tls, cpuProfile, log }: Running): void {
  let isStopping = false;
  const drain = async (): Promise<void> => {
    await httpServer.drain();
    for (const each of logs) await each?.close();
    log("shutdown cleanly");
    if (cpuProfile !== undefined) await finishProfile(cpuProfile, log);
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
    void tls?.reload(httpServer.replaceCertificate);
  });
  if (tls === undefined) return;
  setInterval(() => void tls.reloadIfChanged(httpServer.replaceCertificate), certificateCheckIntervalMs).unref();
}

/** Everything was served: a profile that cannot be written is no reason to end as a failure. */
async function finishProfile(cpuProfile: CpuProfile, log: (line: string) => void): Promise<void> {
  try {
    await cpuProfile.finish();
    log("Stopped CPU profiling");
  } catch (error) {
    log(`error: ${(error as Error).message}`);
  }
}
