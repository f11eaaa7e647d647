/**
 * Repeats what failed for a reason that may pass: a server that restarts, a line that is cut. Pauses double from 1 s to
 * 60 s, each made up to half longer or shorter by chance, until 15 minutes after the first attempt; at least one more
 * attempt is always made. Errors that will not pass are thrown at once.
 */
import { CofferError, type ErrorCode, hasErrorCode } from "../../shared/errors.ts";
import { equalBytes } from "../../shared/format/bytes.ts";
import { describeHandle, type FileHandle, type FileType, pathOf } from "../../shared/format/layout.ts";
import type { Backend, FileInfo, LoadOptions } from "./backend.ts";
import { cancellationOf, pause, throwIfCancelled } from "./cancellation.ts";
import { BackendWrapper } from "./wrapper.ts";

const firstPauseMs = 1000;
const longestPauseMs = 60_000;
const longestServerPauseMs = 5 * 60_000;
const defaultMaximumMs = 15 * 60_000;
/** A file that could not be loaded in all that time is not tried again for so long: the next thousand callers fail fast. */
const circuitOpenMs = 60 * 60_000;
/** A server that finds other bytes than were sent may have met a bad line; but not more often than this. */
const mismatchAttempts = 4;

const temporaryCodes: readonly ErrorCode[] = ["unavailable", "request-timeout"];

/** What happened to an operation that did not succeed at once; `describeRetry` makes the line that users see. */
export type RetryReport =
  | { readonly kind: "retrying"; readonly operation: string; readonly pauseMs: number; readonly error: CofferError }
  | { readonly kind: "recovered"; readonly operation: string; readonly retries: number }
  | { readonly kind: "gave-up"; readonly operation: string; readonly error: unknown };

/** One line as restic prints it: "Load(<data/1a2b3c4d5e>, 0, 0) returned error, retrying after 1.2s: ...". */
export function describeRetry(report: RetryReport): string {
  switch (report.kind) {
    case "retrying": {
      const pauseS = Math.round(report.pauseMs) / 1000;
      return `${report.operation} returned error, retrying after ${pauseS}s: ${report.error.message}`;
    }
    case "recovered":
      return `${report.operation} operation successful after ${report.retries} retries`;
    case "gave-up":
      return `${report.operation} failed: ${report.error instanceof Error ? report.error.message : report.error}`;
  }
}

export interface RetryOptions {
  readonly onRetry?: (report: RetryReport) => void;
  /** No further attempt begins later than this after the first one. */
  readonly maximumMs?: number;
  /** The clock, the wait and the chance, for tests. */
  readonly nowMs?: () => number;
  readonly pause?: (durationMs: number, signal?: AbortSignal) => Promise<void>;
  /** A number from 0 to 1. */
  readonly random?: () => number;
}

interface Attempts<Result> {
  readonly operation: string;
  readonly signal: AbortSignal | undefined;
  readonly run: (attempt: number) => Promise<Result>;
}

export class RetryBackend extends BackendWrapper {
  readonly #options: Required<RetryOptions>;
  /** When the loads of a file failed for good, by path. */
  readonly #brokenSinceMs: Map<string, number> = new Map();

  constructor(inner: Backend, options: RetryOptions = {}) {
    super(inner);
    this.#options = {
      onRetry: options.onRetry ?? (() => undefined),
      maximumMs: options.maximumMs ?? defaultMaximumMs,
      nowMs: options.nowMs ?? (() => performance.now()),
      pause: options.pause ?? pause,
      random: options.random ?? Math.random,
    };
  }

  override create(signal?: AbortSignal): Promise<void> {
    return this.#repeat({ operation: "Create()", signal, run: () => this.inner.create(signal) });
  }

  override list(type: FileType, signal?: AbortSignal): Promise<FileInfo[]> {
    return this.#repeat({ operation: `List(${type})`, signal, run: () => this.inner.list(type, signal) });
  }

  override stat(handle: FileHandle, signal?: AbortSignal): Promise<number> {
    const operation = `Stat(${describeHandle(handle)})`;
    return this.#repeat({ operation, signal, run: () => this.inner.stat(handle, signal) });
  }

  override async load(handle: FileHandle, options: LoadOptions = {}): Promise<Uint8Array> {
    const path = pathOf(handle);
    this.#checkCircuit(handle, path);
    const { signal } = options;
    try {
      const { offsetBytes = 0, lengthBytes = 0 } = options.range ?? {};
      const operation = `Load(${describeHandle(handle)}, ${lengthBytes}, ${offsetBytes})`;
      return await this.#repeat({ operation, signal, run: () => this.inner.load(handle, options) });
    } catch (error) {
      if (hasErrorCode(error, ...temporaryCodes) && !signal?.aborted)
        this.#brokenSinceMs.set(path, this.#options.nowMs());
      throw error;
    }
  }

  override save(handle: FileHandle, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    const operation = `Save(${describeHandle(handle)})`;
    return this.#repeat({ operation, signal, run: (attempt) => this.#saveOnce(handle, body, attempt, signal) });
  }

  override remove(handle: FileHandle, signal?: AbortSignal): Promise<void> {
    const operation = `Remove(${describeHandle(handle)})`;
    return this.#repeat({ operation, signal, run: () => this.inner.remove(handle, signal) });
  }

  /**
   * The answer to an earlier attempt may be lost although the file is stored. So an attempt after the first looks before it
   * writes: what is there and equal is success; what is in the way is deleted, unless the backend replaces anyway. Nothing is
   * deleted unseen: another client may have been told that it is stored.
   */
  async #saveOnce(
    handle: FileHandle,
    body: Uint8Array,
    attempt: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (attempt > 1 && !this.inner.hasAtomicReplace) {
      const stored = await this.#compareStored(handle, body, signal);
      if (stored === "equal") return;
      if (stored === "part" || (stored === "different" && handle.type !== "config")) {
        await this.#removeQuietly(handle, signal);
      }
    }
    try {
      await this.inner.save(handle, body, signal);
    } catch (error) {
      // A name says what is in the file, so the same bytes under it are what was wanted. Not so for `config`: whoever
      // finds one at the first attempt is about to initialize a repository that exists.
      const mayBeOurs = handle.type !== "config" || attempt > 1;
      if (!hasErrorCode(error, "already-exists") || !mayBeOurs) throw error;
      if ((await this.#compareStored(handle, body, signal)) !== "equal") throw error;
    }
  }

  /**
   * What is stored under the name. A "part" is the beginning of our own bytes: some servers leave it when a line is cut. Under the name
   * of their hash, "different" bytes are damaged ones; a different `config` is another client's, and the only one it has.
   */
  async #compareStored(
    handle: FileHandle,
    body: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<"equal" | "part" | "different" | "absent"> {
    try {
      const sizeBytes = await this.inner.stat(handle, signal);
      if (sizeBytes > body.length) return "different";
      const stored = await this.inner.load(handle, signal === undefined ? {} : { signal });
      if (!equalBytes(stored, body.subarray(0, stored.length))) return "different";
      return stored.length === body.length ? "equal" : "part";
    } catch (error) {
      if (hasErrorCode(error, "not-found")) return "absent";
      throw error;
    }
  }

  async #removeQuietly(handle: FileHandle, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.inner.remove(handle, signal);
    } catch (error) {
      // An append-only server refuses; the next save says what is wrong.
      if (!hasErrorCode(error, "forbidden")) throw error;
    }
  }

  #checkCircuit(handle: FileHandle, path: string): void {
    const brokenSinceMs = this.#brokenSinceMs.get(path);
    if (brokenSinceMs === undefined) return;
    if (this.#options.nowMs() - brokenSinceMs < circuitOpenMs) {
      const message = `${describeHandle(handle)}: loading failed for a long time before and is not tried again now`;
      throw new CofferError("unavailable", message);
    }
    this.#brokenSinceMs.delete(path);
  }

  async #repeat<Result>({ operation, signal, run }: Attempts<Result>): Promise<Result> {
    const { nowMs, onRetry, maximumMs } = this.#options;
    const startMs = nowMs();
    for (let attempt = 1; ; attempt += 1) {
      throwIfCancelled(signal);
      try {
        const result = await run(attempt);
        if (attempt > 1) onRetry({ kind: "recovered", operation, retries: attempt - 1 });
        return result;
      } catch (error) {
        if (signal?.aborted) throw cancellationOf(signal);
        const pauseMs = this.#pauseAfter(attempt, error);
        const isInTime = attempt === 1 || nowMs() + pauseMs - startMs <= maximumMs;
        if (!mayPass(error, attempt) || !isInTime) {
          if (attempt > 1) onRetry({ kind: "gave-up", operation, error });
          throw error;
        }
        onRetry({ kind: "retrying", operation, pauseMs, error });
        await this.#options.pause(pauseMs, signal);
      }
    }
  }

  #pauseAfter(attempt: number, error: unknown): number {
    const doubledMs = Math.min(firstPauseMs * 2 ** (attempt - 1), longestPauseMs);
    const jitteredMs = doubledMs * (0.5 + this.#options.random());
    const wanted = error instanceof CofferError ? error.data["retryAfterMs"] : undefined;
    return typeof wanted === "number" ? Math.max(jitteredMs, Math.min(wanted, longestServerPauseMs)) : jitteredMs;
  }
}

function mayPass(error: unknown, attempt: number): error is CofferError {
  return hasErrorCode(error, ...temporaryCodes) || (hasErrorCode(error, "hash-mismatch") && attempt < mismatchAttempts);
}
