/** What the processes of a server offer each other. */
import type { ProcessMetrics } from "../metrics/prom-client.ts";
import type { LedgerOffer } from "./shared-ledger.ts";
import type { LoginNews } from "./shared-throttle.ts";
import type { TurnsOffer } from "./shared-turns.ts";

/** Of the primary process, which does not serve itself, to each worker. */
export type PrimaryOffer = LedgerOffer &
  TurnsOffer & {
    /** The metrics of all workers. */
    gatherMetrics(): Promise<readonly ProcessMetrics[]>;
    /** Passes on to the others how a login has ended. */
    spreadLogin(news: LoginNews): void;
    /** Confirms a connection that was handed over. */
    tookConnection(number: number): void;
    closedConnection(): void;
    /** Writes to standard output: written by several, lines would be torn. */
    print(text: string): void;
  };

/** Of each worker to the primary process. */
export type WorkerOffer = {
  /** Opens everything; then connections can come. Throws `usage` and `unavailable`. */
  serve(task: WorkerTask): Promise<void>;
  /** Takes no more connections, finishes what is under way, and ends the process. */
  stop(): void;
  /** Has files read again and logs begun anew. */
  reload(): void;
  metrics(): Promise<ProcessMetrics | undefined>;
  learnLogin(news: LoginNews): void;
};

/** Comes with a connection beside the calls. */
export interface HandOver {
  readonly kind: "connection";
  readonly number: number;
}

export interface WorkerTask {
  /** From 0; a worker that takes the place of another one has its number. */
  readonly index: number;
  /** How many workers there are. */
  readonly workers: number;
}
