/** What a raised AbortSignal means for backends: the operation ends with a typed error, soon. */
import { CofferError } from "../../shared/errors.ts";

/**
 * The error that an operation ends with once its signal is raised: the signal's reason when that is one of ours (a lost
 * lock names itself), else `cancelled`.
 */
export function cancellationOf(signal: AbortSignal): CofferError {
  if (signal.reason instanceof CofferError) return signal.reason;
  return new CofferError("cancelled", "the operation was cancelled", { cause: signal.reason });
}

/** Throws when the signal is raised already; every backend operation begins with it. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancellationOf(signal);
}

/** Waits. A raised signal ends the wait at once with the cancellation. */
export function pause(durationMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(cancellationOf(signal));
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      if (signal) reject(cancellationOf(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, durationMs);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
