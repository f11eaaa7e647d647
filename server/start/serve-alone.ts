/** A server that is one process. */
import { rm } from "node:fs/promises";
import { type ListenAddress, listen } from "../listening/listen.ts";
import { describeTls } from "../listening/open-tls.ts";
import type { FirstUser } from "./first-user.ts";
import { tellFirstUser } from "./open-authentication.ts";
import { openQuota } from "./open-quota.ts";
import { openServer } from "./open-server.ts";
import type { ServerOptions } from "./options.ts";
import { handleSignals } from "./signals.ts";

type Log = (line: string) => void;

/** Resolves when the server listens. Throws `usage` and `unavailable`. */
export async function serveAlone(options: ServerOptions, address: ListenAddress, log: Log): Promise<void> {
  const opened = await openServer(options, {
    log,
    announce: log,
    maxDiskTransfers: options.maxDiskTransfers,
    openLedger: (policy, storage) => openQuota(options, policy, storage, { announce: log, log }),
  });
  // Before the start line: who reads it may send a signal at once.
  handleSignals({
    stop: async () => {
      await opened.drain();
      log("shutdown cleanly");
      await opened.finishProfile();
      process.exit(0);
    },
    // Uploads that are cut off are swept at the next start.
    stopNow: () => process.exit(1),
    reload: () => opened.reload(),
  });
  await announceStart(options, address, opened.firstUser, () => listen(opened.server, address), log);
}

/** Starts to listen, and tells of it as rest-server does. */
export async function announceStart(
  options: ServerOptions,
  address: ListenAddress,
  firstUser: FirstUser | undefined,
  start: () => Promise<string>,
  log: Log,
): Promise<void> {
  const place = await start().catch(async (error: unknown) => {
    // Nobody has seen the password: the next start shall make another one, and show it.
    if (firstUser !== undefined) await rm(options.htpasswdFile, { force: true });
    throw error;
  });
  if (firstUser !== undefined) tellFirstUser(firstUser, options.htpasswdFile, log);
  log(address.kind === "descriptor" ? "systemd socket activation mode" : `start server on ${place}`);
  if (options.tls) log(describeTls(options));
}
