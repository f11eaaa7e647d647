/** A lock from its writing to its release: refreshed every five minutes, won back after a sleep, or lost. Source: docs/format.md, section 7.4. */
import { CofferError, hasErrorCode } from "../../shared/errors.ts";
import type { Id } from "../../shared/format/layout.ts";
import type { Lock } from "../../shared/format/lock.ts";
import { formatTime, type ZoneOffset } from "../../shared/format/time.ts";
import { throwIfCancelled } from "../backends/cancellation.ts";
import type { Clock } from "./clock.ts";
import { messageOf } from "./failures.ts";
import { type LockRepository, sealLock } from "./lock-files.ts";
import type { WriteGuard } from "./write-guard.ts";

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const refreshPeriodMs = 5 * minuteMs;
/** After a refresh that failed. */
const refreshRetryMs = minuteMs;
/** Others take a lock for stale after 30 minutes; from 7.5 minutes before that on it must be won back before anything is written. */
const maxAgeMs = 22.5 * minuteMs;
/** While the machine sleeps timers stand still: a clock that is looked at often notices soon. */
const watchPeriodMs = secondMs;
const settleMs = 200;
const maxReleaseMs = minuteMs;

/** What every file of this lock says; the time differs. */
export type OwnLock = Omit<Lock, "time">;

export interface HeldLockOptions {
  readonly clock: Clock;
  readonly zone: ZoneOffset;
  warn(text: string): void;
  /** Resolves when no other lock has come in the way; throws `locked` otherwise. */
  confirm(ownIds: ReadonlySet<Id>, signal: AbortSignal): Promise<void>;
}

type State = "held" | "lost" | "released";

interface WrittenLock {
  readonly id: Id;
  readonly at: Moment;
}

interface Moment {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

export class HeldLock implements WriteGuard {
  readonly #repository: LockRepository;
  readonly #own: OwnLock;
  readonly #options: HeldLockOptions;
  /** Raised when the lock is lost, or is not confirmed. */
  readonly #loss: AbortController = new AbortController();
  /** Ends the confirmation. */
  readonly #confirmation: AbortController = new AbortController();
  /** Ends refreshing and winning back. */
  #work: AbortController = new AbortController();
  #state: State = "held";
  /** The file that others see. */
  #currentId: Id | undefined;
  /** All files of ours that may be there. */
  readonly #ownIds: Set<Id> = new Set();
  #refreshedAt: Moment;
  #nextRefreshMs = 0;
  #isConfirmed = false;
  #refreshing: Promise<void> | undefined;
  #winningBack: Promise<void> | undefined;
  #releasing: Promise<void> | undefined;
  #stopWatching: () => void = () => undefined;
  #warn: (text: string) => void;

  /** Resolves when no other lock came in the way while this one was written; rejects with `locked` when one did. */
  confirmed: Promise<void> = Promise.resolve();

  constructor(repository: LockRepository, own: OwnLock, options: HeldLockOptions) {
    this.#repository = repository;
    this.#own = own;
    this.#options = options;
    this.#warn = options.warn;
    this.#refreshedAt = this.#now();
  }

  /** Raised when the command has to end at once, because the lock was not confirmed (`locked`) or was lost (`lock-lost`). */
  get signal(): AbortSignal {
    return this.#loss.signal;
  }

  /** The file that is stored now; another one after each refresh. */
  get id(): Id | undefined {
    return this.#currentId;
  }

  get exclusive(): boolean {
    return this.#own.exclusive;
  }

  /** Writes the lock. Called once, by `acquireLock`. */
  async begin(signal?: AbortSignal): Promise<void> {
    try {
      this.#adopt(await this.#write(signal));
      throwIfCancelled(signal);
    } catch (error) {
      // The request may have arrived all the same. If not, that nothing can be removed is no news.
      this.#warn = () => undefined;
      await this.release();
      throw error;
    }
    this.#stopWatching = this.#options.clock.every(watchPeriodMs, () => this.#watch());
    this.confirmed = this.#confirm(signal);
    // Whoever does not wait for it learns it by the signal.
    this.confirmed.catch(() => undefined);
  }

  /** Waits until the lock is confirmed and fresh. Throws `lock-lost`, `locked`, or `internal` after the release. */
  async admitWrite(): Promise<void> {
    if (!this.#isConfirmed && this.#state === "held") await this.confirmed;
    if (this.#state === "held" && this.#ageMs() >= maxAgeMs) this.#winBack();
    if (this.#winningBack !== undefined) await this.#winningBack;
    if (this.#state === "lost") throw this.#loss.signal.reason;
    if (this.#state === "released") {
      throw new CofferError("internal", "write expected a lock, but it was released already");
    }
  }

  /**
   * Removes the lock, within a minute, whatever the command's signal says; what fails is a warning. Safe to call again, and after a
   * loss. Nothing may be written afterwards.
   */
  release(): Promise<void> {
    this.#releasing ??= this.#release();
    return this.#releasing;
  }

  async #confirm(signal: AbortSignal | undefined): Promise<void> {
    const ended = this.#confirmation.signal;
    const until = signal === undefined ? ended : AbortSignal.any([signal, ended]);
    try {
      await this.#options.confirm(this.#ownIds, until);
      this.#isConfirmed = true;
    } catch (error) {
      if (this.#state === "held") {
        this.#lose(error);
        await this.release();
      }
      throw error;
    }
  }

  #watch(): void {
    if (this.#state !== "held") return;
    if (this.#ageMs() >= maxAgeMs) this.#winBack();
    else if (this.#refreshing === undefined && this.#ageMs() >= this.#nextRefreshMs) this.#refresh();
  }

  /** New file first, then the old one away: at every moment there is one. */
  #refresh(): void {
    const { signal } = this.#work;
    this.#refreshing = this.#write(signal)
      .then((written) => {
        this.#adopt(written);
        return this.#removeOldFiles(signal);
      })
      .catch((error: unknown) => {
        this.#nextRefreshMs = this.#ageMs() + refreshRetryMs;
        if (this.#state === "held" && !hasErrorCode(error, "cancelled")) {
          this.#warn(`unable to refresh lock: ${messageOf(error)}`);
        }
      })
      .finally(() => {
        this.#refreshing = undefined;
      });
  }

  /** A lock so old may have been removed by others, who then work as if we were dead. One try, while all writes wait. */
  #winBack(): void {
    this.#winningBack ??= this.#replaceStale()
      .catch((cause: unknown) => {
        if (this.#state === "held")
          this.#lose(new CofferError("lock-lost", "failed to refresh lock in time", { cause }));
      })
      .finally(() => {
        this.#winningBack = undefined;
        if (this.#state === "lost") void this.release();
      });
  }

  async #replaceStale(): Promise<void> {
    this.#work.abort();
    // It ends soon, and may have succeeded.
    await this.#refreshing;
    if (this.#ageMs() < maxAgeMs) return;
    this.#work = new AbortController();
    const { signal } = this.#work;
    await this.#expectListed(signal);
    const written = await this.#write(signal);
    await this.#options.clock.pause(settleMs, signal);
    await this.#expectListed(signal);
    this.#adopt(written);
    await this.#removeOldFiles(signal);
  }

  /** Throws unless the file that others knew is still there. */
  async #expectListed(signal: AbortSignal): Promise<void> {
    const files = await this.#repository.backend.list("locks", signal);
    if (files.some(({ id }) => id === this.#currentId)) return;
    throw new CofferError("lock-lost", "the lock was removed by another program while this one was suspended");
  }

  /** Stores a file with the time of now. */
  async #write(signal: AbortSignal | undefined): Promise<WrittenLock> {
    const at = this.#now();
    const time = formatTime(BigInt(Math.floor(at.wallMs)) * 1_000_000n, this.#options.zone);
    const { id, content } = sealLock(this.#repository, { ...this.#own, time });
    // Before the request: it may arrive although it seems to fail.
    this.#ownIds.add(id);
    await this.#repository.backend.save({ type: "locks", id }, content, signal);
    return { id, at };
  }

  /** From now on this file is the lock. */
  #adopt({ id, at }: WrittenLock): void {
    this.#currentId = id;
    this.#refreshedAt = at;
    this.#nextRefreshMs = refreshPeriodMs;
  }

  /** What cannot be removed now is tried again with the next refresh. */
  async #removeOldFiles(signal: AbortSignal): Promise<void> {
    try {
      for (const id of [...this.#ownIds]) {
        if (id !== this.#currentId) await this.#removeOwn(id, signal);
      }
    } catch (error) {
      if (!signal.aborted) this.#warn(`unable to remove an old lock: ${messageOf(error)}`);
    }
  }

  async #removeOwn(id: Id, signal: AbortSignal): Promise<void> {
    await this.#repository.backend.remove({ type: "locks", id }, signal);
    this.#ownIds.delete(id);
  }

  #lose(reason: unknown): void {
    this.#state = "lost";
    this.#loss.abort(reason);
  }

  async #release(): Promise<void> {
    const { clock } = this.#options;
    if (this.#state === "held") this.#state = "released";
    this.#stopWatching();
    this.#confirmation.abort();
    this.#work.abort();
    const timeout = new AbortController();
    const isLate = clock.pause(maxReleaseMs, timeout.signal).then(
      () => timeout.abort(new CofferError("unavailable", "it took longer than a minute")),
      () => undefined,
    );
    try {
      // A file that is still on its way would arrive after its removal.
      await Promise.race([Promise.all([this.#refreshing, this.#winningBack]), isLate]);
      for (const id of [...this.#ownIds]) await this.#removeOwn(id, timeout.signal);
    } catch (error) {
      this.#warn(
        `unable to remove lock ${[...this.#ownIds].map((id) => id.slice(0, 8)).join(", ")}: ${messageOf(error)}`,
      );
    } finally {
      timeout.abort();
    }
  }

  #now(): Moment {
    const { clock } = this.#options;
    return { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() };
  }

  /** The longer of both clocks: one stands still while the machine sleeps, the other may be set back. */
  #ageMs(): number {
    const now = this.#now();
    return Math.max(now.wallMs - this.#refreshedAt.wallMs, now.monotonicMs - this.#refreshedAt.monotonicMs);
  }
}
