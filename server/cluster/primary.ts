/** The process that accepts connections, starts those that serve them, and keeps what they share. */
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { type ListenAddress, listen } from "../listening/listen.ts";
import { lookIntervalMs, type PolicyFile } from "../policy/policy-file.ts";
import type { LocalQuotaLedger } from "../quota/local-ledger.ts";
import { RegularRecount } from "../quota/regular-recount.ts";
import { announceStart } from "../start/announce-start.ts";
import { openAuthentication } from "../start/open-authentication.ts";
import { openQuota } from "../start/open-quota.ts";
import { announceModes, openPolicy } from "../start/open-server.ts";
import { openTlsFiles } from "../start/open-tls.ts";
import type { ServerOptions } from "../start/options.ts";
import { handleSignals } from "../start/signals.ts";
import { type OpenedStorage, openStorage } from "../storage/open-storage.ts";
import { type CountedLedger, Workers } from "./workers.ts";

type Log = (line: string) => void;

/** Resolves when all workers serve. Throws `usage` and `unavailable`. */
export async function serveByWorkers(options: ServerOptions, address: ListenAddress, log: Log): Promise<void> {
  // Of what happens later, the workers tell.
  let isStarting = true;
  const announce: Log = (line) => {
    if (isStarting) log(line);
  };
  // Opened here to tell of it once, to find what is wrong before there are workers, and to sweep before anybody uploads.
  const { firstUser } = await openAuthentication(options, announce);
  const policy = await openPolicy(options, announce);
  announceModes(options, announce);
  if (options.tls) await openTlsFiles(options, announce);
  const { dataFolder, storage: location, groupAccessible: isGroupAccessible } = options;
  const storage = await openStorage({ dataFolder, location, isGroupAccessible }, process.env, announce);
  // The storage stays open: what is stored is counted again from time to time.
  const ledger = await openQuota(options, policy, storage, { announce, log });
  if (ledger === undefined) await storage.close();

  const workers = new Workers(options.workers, ledger && countedLedger(ledger, storage, log), log);
  const listener = createServer({ pauseOnConnect: true }, (socket) => workers.give(socket));
  handleSignals({
    stop: async () => {
      listener.close();
      // Nobody has seen the password.
      if (isStarting && firstUser !== undefined) await rm(options.htpasswdFile, { force: true });
      const isClean = await workers.stop();
      if (isClean) log("shutdown cleanly");
      process.exit(isClean ? 0 : 1);
    },
    stopNow: () => {
      workers.kill();
      process.exit(1);
    },
    reload: () => {
      workers.reload();
      void policy?.reload();
    },
  });
  const start = async (): Promise<string> => {
    const place = await listen(listener, address);
    await workers.start();
    return place;
  };
  await announceStart(options, address, firstUser, start, log);
  isStarting = false;
  if (ledger !== undefined && policy !== undefined) lookAfter(policy);
}

/** What others change as well is counted anew anyway, again and again. */
function countedLedger(ledger: LocalQuotaLedger, storage: OpenedStorage, log: Log): CountedLedger {
  if (storage.isShared) return { ledger, recount: async () => undefined };
  const recount = new RegularRecount({ ledger, hasCounted: true, measure: () => storage.usage(), log });
  return { ledger, recount: () => recount.run() };
}

/** Nobody asks this process for anything, so it has to look for other quotas by itself. */
function lookAfter(policy: PolicyFile): void {
  setInterval(() => void policy.current(), lookIntervalMs).unref();
}
