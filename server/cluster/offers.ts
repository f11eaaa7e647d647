/** What the processes of a server offer each other. */
import type { ListenAddress } from "../listening/listen.ts";
import type { ProcessMetrics } from "../metrics/prom-client.ts";
import type { LedgerOffer } from "./shared-ledger.ts";
import type { LoginNews } from "./shared-throttle.ts";

/** Of the primary process, which does not serve itself, to each worker. */
export type PrimaryOffer = LedgerOffer & {
  /** The metrics of all workers. */
  gatherMetrics(): Promise<readonly ProcessMetrics[]>;
  /** Passes on to the others how a login has ended. */
  spreadLogin(news: LoginNews): void;
};

/** Of each worker to the primary process. */
export type WorkerOffer = {
  /** Opens everything and listens; tells where. Throws `usage` and `unavailable`. */
  serve(task: WorkerTask): Promise<string>;
  /** Takes no more connections, finishes what is under way, and ends the process. */
  stop(): void;
  /** Has files read again and logs begun anew. */
  reload(): void;
  metrics(): Promise<ProcessMetrics | undefined>;
  learnLogin(news: LoginNews): void;
};

export interface WorkerTask {
  readonly address: ListenAddress;
  /** From 0; a worker that takes the place of another one has its number. */
  readonly index: number;
  /** How many workers there are. */
  readonly workers: number;
}
