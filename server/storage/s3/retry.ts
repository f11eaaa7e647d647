/** Repeating what failed for a reason that passes. */
import { setTimeout as sleep } from "node:timers/promises";
import { CofferError } from "../../../shared/errors.ts";
import { failureOf } from "./store-error.ts";

export interface RetryPolicy {
  readonly attempts: number;
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** No attempt begins later than this after the first one. */
  readonly totalMs: number;
  /** From 0 up to 1. */
  random(): number;
  pause(ms: number): Promise<void>;
  now(): number;
}

/** Below five minutes: then a client takes its upload for stuck. */
export const defaultRetryPolicy: RetryPolicy = {
  attempts: 6,
  firstPauseMs: 200,
  longestPauseMs: 10_000,
  totalMs: 180_000,
  random: Math.random,
  pause: async (ms) => void (await sleep(ms)),
  now: Date.now,
};

/** Runs an action again while it fails with what is transient. The last error comes out. */
export async function withRetries<Result>(policy: RetryPolicy, action: () => Promise<Result>): Promise<Result> {
  const startedMs = policy.now();
  for (let attempt = 1; ; attempt++) {
    try {
      return await action();
    } catch (error) {
      const pauseMs = pauseBeforeNext(policy, attempt, error, policy.now() - startedMs);
      if (pauseMs === undefined) throw attempt === 1 ? error : afterAttempts(error, attempt);
      await policy.pause(pauseMs);
    }
  }
}

/** Full jitter: many that failed together do not come again together. Undefined when it is time to give up. */
function pauseBeforeNext(policy: RetryPolicy, attempt: number, error: unknown, spentMs: number): number | undefined {
  const failure = failureOf(error);
  if (failure?.isTransient !== true || attempt >= policy.attempts || spentMs >= policy.totalMs) return undefined;
  const longestMs = Math.min(policy.longestPauseMs, policy.firstPauseMs * 2 ** (attempt - 1));
  const wantedMs = Math.min(failure.retryAfterMs ?? 0, policy.longestPauseMs);
  return Math.max(wantedMs, policy.random() * longestMs);
}

function afterAttempts(error: unknown, attempts: number): unknown {
  if (!(error instanceof CofferError)) return error;
  return new CofferError(error.code, `${error.message} (tried ${attempts} times)`, { cause: error, data: error.data });
}
