/** Removing locks that others have left behind. Source: docs/format.md, section 7.4. */
import { hasErrorCode } from "../../shared/errors.ts";
import type { Id } from "../../shared/format/layout.ts";
import type { Lock } from "../../shared/format/lock.ts";
import { parseTime } from "../../shared/format/time.ts";
import { forEachConcurrently } from "./concurrency.ts";
import { isDamage } from "./failures.ts";
import { type LockRepository, loadLock } from "./lock-files.ts";

/** A lock that has not been refreshed for so long is dead. */
const maxAgeMs = 30 * 60 * 1000;

export interface UnlockOptions {
  /** Every file in `locks/`, whatever it holds and however fresh it is. */
  readonly removeAll: boolean;
  readonly nowMs: number;
  readonly hostname: string;
  /** Whether a process of this machine exists. */
  readonly isProcessAlive: (pid: number) => boolean;
  /** Locks that cannot be read are left alone. */
  readonly onUnreadable?: ((id: Id, error: unknown) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Returns how many were removed. */
export async function removeLocks(repository: LockRepository, options: UnlockOptions): Promise<number> {
  const { backend } = repository;
  const files = await backend.list("locks", options.signal);
  let removed = 0;
  await forEachConcurrently(files, backend.connections, async ({ id }) => {
    if (!options.removeAll && !(await isRemovable(repository, id, options))) return;
    await backend.remove({ type: "locks", id }, options.signal);
    removed += 1;
  });
  return removed;
}

async function isRemovable(repository: LockRepository, id: Id, options: UnlockOptions): Promise<boolean> {
  try {
    return isStale((await loadLock(repository, id, options.signal)).lock, options);
  } catch (error) {
    if (!isDamage(error) && !hasErrorCode(error, "not-found")) throw error;
    options.onUnreadable?.(id, error);
    return false;
  }
}

/** Older than 30 minutes, or of a process of this machine that is gone. */
export function isStale(
  lock: Lock,
  { nowMs, hostname, isProcessAlive }: Pick<UnlockOptions, "nowMs" | "hostname" | "isProcessAlive">,
): boolean {
  const ageMs = nowMs - Number(parseTime(lock.time).unixNs / 1_000_000n);
  return ageMs > maxAgeMs || (lock.hostname === hostname && !isProcessAlive(lock.pid));
}
