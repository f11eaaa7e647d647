/** Lock files: storing one's own, reading those of others, and what is wrong when two do not go together. Source: docs/format.md, section 7.4. */
import { CofferError, hasErrorCode } from "../../shared/errors.ts";
import { toHex, utf8Encode } from "../../shared/format/bytes.ts";
import type { Id } from "../../shared/format/layout.ts";
import { encodeLock, type Lock, parseLock } from "../../shared/format/lock.ts";
import type { CryptoProvider } from "../../shared/format/provider.ts";
import { formatLocal, parseTime, type ZoneOffset } from "../../shared/format/time.ts";
import type { Backend } from "../backends/backend.ts";
import type { Clock } from "./clock.ts";
import { forEachConcurrently } from "./concurrency.ts";
import { isDamage, messageOf } from "./failures.ts";

/** What of a repository locks need. */
export interface LockRepository {
  readonly backend: Backend;
  readonly provider: CryptoProvider;
  /** The bytes to store for a JSON text. */
  sealDocument(json: Uint8Array): Uint8Array;
  /** The JSON text of a stored lock, verified. */
  loadDocument(type: "locks", id: Id, signal?: AbortSignal): Promise<Uint8Array>;
}

export interface LockFile {
  readonly id: Id;
  readonly lock: Lock;
}

/** A lock that is ready to be stored: its id is known before, so that it can be removed whatever becomes of the request. */
export interface SealedLock {
  readonly id: Id;
  readonly content: Uint8Array;
}

export function sealLock(repository: LockRepository, lock: Lock): SealedLock {
  const content = repository.sealDocument(utf8Encode(encodeLock(lock)));
  return { id: toHex(repository.provider.sha256(content)), content };
}

export async function loadLock(repository: LockRepository, id: Id, signal?: AbortSignal): Promise<LockFile> {
  return { id, lock: parseLock(await repository.loadDocument("locks", id, signal)) };
}

/** Between the rounds of reading locks of which some could not be read. */
const unreadablePausesMs = [5000, 10_000, 20_000];
/** How often the list is read again when locks have vanished from under it. */
const maxVanishings = 20;
/** Requests for locks have a connection of their own; more at a time would only wait for it. */
const concurrentLoads = 4;

type Round = { readonly kind: "read" | "vanished" } | { readonly kind: "unreadable"; readonly error: unknown };

/** Reads the locks of others, each only once: a lock file never changes. */
export class LockReader {
  readonly #repository: LockRepository;
  readonly #clock: Clock;
  readonly #locks: Map<Id, Lock> = new Map();

  constructor(repository: LockRepository, clock: Clock) {
    this.#repository = repository;
    this.#clock = clock;
  }

  /**
   * All locks but those named. Empty files are no locks. While one cannot be read, all is tried again after 5, 10 and 20 s;
   * then throws `damaged`, or what the backend throws.
   */
  async readOthers(own: ReadonlySet<Id>, signal?: AbortSignal): Promise<LockFile[]> {
    let vanishings = 0;
    for (let failures = 0; ; ) {
      const round = await this.#readRound(own, signal);
      if (round.kind === "read") return [...this.#locks].map(([id, lock]) => ({ id, lock }));
      // A lock that is gone may have been refreshed: its successor is in the next list, but perhaps not in this one.
      if (round.kind === "vanished" && vanishings++ < maxVanishings) continue;
      const pauseMs = unreadablePausesMs[failures++];
      if (pauseMs === undefined) throw unreadableLock(round.kind === "unreadable" ? round.error : undefined);
      await this.#clock.pause(pauseMs, signal);
    }
  }

  async #readRound(own: ReadonlySet<Id>, signal: AbortSignal | undefined): Promise<Round> {
    const files = await this.#repository.backend.list("locks", signal);
    const others = new Set(files.filter(({ id, sizeBytes }) => sizeBytes > 0 && !own.has(id)).map(({ id }) => id));
    for (const id of this.#locks.keys()) if (!others.has(id)) this.#locks.delete(id);
    const missing = [...others].filter((id) => !this.#locks.has(id));
    let round: Round = { kind: "read" };
    await forEachConcurrently(missing, concurrentLoads, async (id) => {
      try {
        this.#locks.set(id, (await loadLock(this.#repository, id, signal)).lock);
      } catch (error) {
        if (hasErrorCode(error, "cancelled", "lock-lost")) throw error;
        if (!hasErrorCode(error, "not-found")) round = { kind: "unreadable", error };
        else if (round.kind === "read") round = { kind: "vanished" };
      }
    });
    return round;
  }
}

function unreadableLock(error: unknown): CofferError {
  if (error !== undefined && !isDamage(error) && error instanceof CofferError) {
    return new CofferError(error.code, `unable to read locks: ${error.message}`, { cause: error });
  }
  return new CofferError(
    "damaged",
    `invalid lock file: ${messageOf(error ?? "locks come and go too fast to be read")}\n` +
      "the `unlock --remove-all` command can be used to remove invalid locks; make sure that no other program is accessing the repository",
    { cause: error },
  );
}

/** The lock that stands in the way of a new one, if any. Whether it is stale does not matter: only `unlock` may say so. */
export function findConflict(others: readonly LockFile[], exclusive: boolean): LockFile | undefined {
  return others.find(({ lock }) => lock.exclusive) ?? (exclusive ? others[0] : undefined);
}

export function lockedError({ id, lock }: LockFile, clock: Clock, zone: ZoneOffset): CofferError {
  const { unixNs } = parseTime(lock.time);
  const age = formatAge(clock.wallMs() - Number(unixNs / 1_000_000n));
  const kind = lock.exclusive ? "exclusively " : "";
  return new CofferError(
    "locked",
    `unable to create lock in backend: repository is already locked ${kind}by PID ${lock.pid} on ${lock.hostname} ` +
      `by ${lock.username} (UID ${lock.uid}, GID ${lock.gid})\n` +
      `lock was created at ${formatLocal(unixNs, zone)} (${age} ago)\n` +
      `storage ID ${id.slice(0, 8)}\n` +
      "the `unlock` command can be used to remove stale locks",
    { data: { id, lock } },
  );
}

/** As Go writes durations, to a tenth of a second: "2m3.1s", "26h0m0s". */
export function formatAge(durationMs: number): string {
  const sign = durationMs < 0 ? "-" : "";
  const tenths = Math.round(Math.abs(durationMs) / 100);
  const minutes = Math.floor(tenths / 600);
  const seconds = `${(tenths % 600) / 10}s`;
  if (minutes === 0) return `${sign}${seconds}`;
  return minutes < 60
    ? `${sign}${minutes}m${seconds}`
    : `${sign}${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}
