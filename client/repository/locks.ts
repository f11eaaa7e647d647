/**
 * Locks: taking one before a repository is used, keeping it fresh while it is, and giving it back. Other programs see only files, so
 * everything rests on their order. Source: docs/format.md, section 7.4.
 */
import { CofferError, hasErrorCode } from "../../shared/errors.ts";
import type { Lock } from "../../shared/format/lock.ts";
import type { ZoneOffset } from "../../shared/format/time.ts";
import type { Clock } from "./clock.ts";
import { messageOf } from "./failures.ts";
import { HeldLock, type OwnLock } from "./held-lock.ts";
import { findConflict, LockReader, type LockRepository, lockedError } from "./lock-files.ts";

export type { HeldLock } from "./held-lock.ts";

export interface LockOptions {
  /** Alone in the repository; otherwise beside any number of others that are not exclusive either. */
  readonly exclusive: boolean;
  /** Who holds it. */
  readonly owner: Pick<Lock, "hostname" | "username" | "pid" | "uid" | "gid">;
  readonly clock: Clock;
  readonly zone: ZoneOffset;
  /** How long to try again when another lock is in the way. */
  readonly retryForMs?: number | undefined;
  /** Told once, before waiting or giving up. */
  readonly onConflict?: ((error: CofferError) => void) | undefined;
  /** What went wrong without harm, such as a lock file that could not be deleted. */
  readonly onWarning?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Between writing a lock and looking for those of others that were written at the same time. */
const settleMs = 200;
/** If reading others' locks and writing ours took longer, nothing may be read before the lock is confirmed: see `announce`. */
const maxAnnouncementMs = settleMs - 50;
const firstRetryMs = 5000;
const maxRetryMs = 60_000;

/**
 * Takes a lock, and returns as soon as others can see it. What is read from then on is safe to use once `confirmed` has resolved; until then
 * nothing may be written. Throws `locked` when another lock is in the way (with `retryForMs`: still in the way at the end; the returned lock is
 * confirmed then), `damaged` when one cannot be read, and what the backend throws.
 */
export async function acquireLock(repository: LockRepository, options: LockOptions): Promise<HeldLock> {
  const { clock, signal, retryForMs = 0, onConflict } = options;
  const reader = new LockReader(repository, clock);
  const deadlineMs = clock.monotonicMs() + retryForMs;
  for (let pauseMs = firstRetryMs, isFirst = true; ; pauseMs = Math.min(2 * pauseMs, maxRetryMs), isFirst = false) {
    try {
      const lock = await announce(repository, reader, options);
      if (retryForMs > 0) await lock.confirmed;
      return lock;
    } catch (error) {
      if (!hasErrorCode(error, "locked")) throw error;
      if (isFirst) onConflict?.(error);
      const remainingMs = deadlineMs - clock.monotonicMs();
      if (remainingMs <= 0) throw error;
      await clock.pause(Math.min(pauseMs, remainingMs), signal);
    }
  }
}

/**
 * Looks for locks in the way, writes ours, and leaves it to `confirmed` to look again 200 ms later.
 *
 * Reading may begin before that only if our file was there within 200 ms after we began to look. For then a program whose lock we did not
 * see wrote it after that moment, looks again more than 200 ms after it, and finds ours. Otherwise it might miss ours, remove what we
 * read, and be gone before we look again.
 */
async function announce(repository: LockRepository, reader: LockReader, options: LockOptions): Promise<HeldLock> {
  const { clock, signal, exclusive, zone, owner } = options;
  const begunMs = clock.monotonicMs();
  const refuseOthers = async (own: ReadonlySet<string>, until?: AbortSignal): Promise<void> => {
    const conflict = findConflict(await reader.readOthers(own, until), exclusive);
    if (conflict !== undefined) throw lockedError(conflict, clock, zone);
  };
  await refuseOthers(new Set(), signal);
  const own: OwnLock = { exclusive, ...owner };
  const lock = new HeldLock(repository, own, {
    clock,
    zone,
    warn: options.onWarning ?? (() => undefined),
    confirm: async (ownIds, until) => {
      await clock.pause(settleMs, until);
      await refuseOthers(ownIds, until);
    },
  });
  await lock.begin(signal).catch((error: unknown) => {
    throw failedToCreate(error);
  });
  if (clock.monotonicMs() - begunMs > maxAnnouncementMs) await lock.confirmed;
  return lock;
}

function failedToCreate(error: unknown): unknown {
  if (!(error instanceof CofferError) || error.code === "cancelled") return error;
  return new CofferError(error.code, `unable to create lock in backend: ${messageOf(error)}`, { cause: error });
}
