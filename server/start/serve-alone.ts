/** A server that is one process. */
import { type ListenAddress, listen } from "../listening/listen.ts";
import { announceStart } from "./announce-start.ts";
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
    print: (text) => void process.stdout.write(text),
    storage: { maxDiskTransfers: options.maxDiskTransfers },
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
