/** Waiting for what another process, or the other side of a connection, does in its own time. */
import { setTimeout as sleep } from "node:timers/promises";

const longestWaitMs = 30_000;

/** Looks again and again; what the look throws means "not yet". Throws when the condition does not come true in half a minute. */
export async function waitUntil(isTrue: () => boolean | Promise<boolean>, pauseMs = 10): Promise<void> {
  const endMs = performance.now() + longestWaitMs;
  let failure: unknown;
  while (performance.now() < endMs) {
    try {
      if (await isTrue()) return;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    await sleep(pauseMs);
  }
  throw new Error(`waited ${longestWaitMs / 1000} s in vain`, { cause: failure });
}
