/**
 * An open, locked repository for the time of one command. What can overlap does: while the key is derived, lists and documents are
 * on their way; while the lock settles, the command reads. Whatever happens, the lock is removed at the end.
 */
import type { CofferError } from "../../shared/errors.ts";
import { hasErrorCode } from "../../shared/errors.ts";
import { DryRunBackend } from "../backends/dry-run.ts";
import { createNodeProvider, type NodeProvider } from "../platform/node-provider.ts";
import type { OpenedBackend } from "../platform/open-backend.ts";
import { localZoneOffset } from "../platform/time-zone.ts";
import { systemClock } from "../repository/clock.ts";
import { acquireLock, type HeldLock } from "../repository/locks.ts";
import { RepositoryOpening } from "../repository/opening.ts";
import type { PrefetchedType } from "../repository/prefetch.ts";
import type { Repository } from "../repository/repository.ts";
import { type CacheKind, SessionCache } from "./cache.ts";
import type { CommandContext } from "./command.ts";
import { packSizeBytesOf } from "./global-options.ts";
import { resolveLocation } from "./location.ts";
import { processOwner } from "./machine.ts";
import { openConfiguredBackend } from "./open-backend.ts";
import { openWithPassword } from "./password/opening.ts";
import { Counter } from "./progress.ts";
import { formatGoDurationMs } from "./text/numbers.ts";

export interface SessionOptions {
  readonly lock: "none" | "shared" | "exclusive";
  /** `--no-lock` has its way: the command only reads. */
  readonly mayOmitLock?: boolean;
  /** What the command will want first. */
  readonly prefetch?: readonly PrefetchedType[];
  /** Nothing is written. */
  readonly isDryRun?: boolean;
  /** The shared cache when missing. */
  readonly cache?: CacheKind;
  /** Called before the repository is opened, when the place of the cache is known. */
  readonly onOpening?: () => void;
}

export interface Session {
  readonly repository: Repository;
  /** Connections opened so far, among other things. */
  readonly backend: OpenedBackend;
  readonly provider: NodeProvider;
  /** Undefined when the command takes none. */
  readonly lock: HeldLock | undefined;
  /** Raised by the user, or when the lock is lost. */
  readonly signal: AbortSignal;
}

/** Opens, locks, does the work, and cleans up, in this order whatever happens. */
export async function withSession<Result>(
  context: CommandContext,
  options: SessionOptions,
  work: (session: Session) => Promise<Result>,
): Promise<Result> {
  packSizeBytesOf(context.options);
  const location = await resolveLocation(context.options);
  const backend = await openConfiguredBackend(context, location);
  const opener = new SessionOpener(context, options, backend);
  try {
    const session = await opener.open();
    const result = await work(session);
    // What was read before the lock was known to hold must not be told as if it had.
    await session.lock?.confirmed;
    return result;
  } finally {
    await opener.close();
  }
}

class SessionOpener {
  readonly #context: CommandContext;
  readonly #options: SessionOptions;
  readonly #backend: OpenedBackend;
  readonly #provider: NodeProvider = createNodeProvider();
  readonly #cache: SessionCache | undefined;
  #lock: HeldLock | undefined;

  constructor(context: CommandContext, options: SessionOptions, backend: OpenedBackend) {
    this.#context = context;
    this.#options = options;
    this.#backend = backend;
    this.#cache = context.options.noCache ? undefined : new SessionCache(context, options.cache ?? "usual");
  }

  async open(): Promise<Session> {
    const repository = await this.#openRepository();
    this.#describe(repository);
    this.#lock = await this.#takeLock(repository);
    return {
      repository,
      backend: this.#backend,
      provider: this.#provider,
      lock: this.#lock,
      signal: this.#context.cancellation.signal,
    };
  }

  /** The lock first: others wait for it. */
  async close(): Promise<void> {
    await this.#lock?.release();
    this.#provider.dispose();
    await this.#cache?.close();
    await this.#backend.close();
  }

  async #openRepository(): Promise<Repository> {
    const { options, output, cancellation, password } = this.#context;
    await this.#cache?.prepare();
    this.#options.onOpening?.();
    const cache = this.#cache;
    const { signal } = cancellation;
    const opening = new RepositoryOpening(this.#writableBackend(), this.#provider, {
      keyHint: options.keyHint,
      signal,
      prefetch: this.#options.prefetch,
      onWarning: (text) => output.error(text),
      ...(cache === undefined ? {} : { openCache: (id) => cache.open(id) }),
    });
    if (password.kind === "known") this.#provider.prepareScrypt();
    return openWithPassword(opening, this.#context);
  }

  #writableBackend(): OpenedBackend | DryRunBackend {
    return this.#options.isDryRun ? new DryRunBackend(this.#backend) : this.#backend;
  }

  #describe({ config }: Repository): void {
    const { output, options } = this.#context;
    const compression = config.version === 1 ? "" : `, compression level ${options.compression}`;
    output.terminalOnly(`repository ${config.id.slice(0, 8)} opened (version ${config.version}${compression})`);
  }

  async #takeLock(repository: Repository): Promise<HeldLock | undefined> {
    const { options, output, cancellation } = this.#context;
    const { lock: kind, mayOmitLock } = this.#options;
    if (kind === "none" || (mayOmitLock && options.noLock)) return undefined;
    const retryForMs = Math.max(0, options.retryLockMs);
    const lock = await acquireLock(repository, {
      exclusive: kind === "exclusive",
      owner: processOwner(),
      clock: systemClock,
      zone: localZoneOffset,
      retryForMs,
      onConflict: () =>
        output.normal(`repo already locked, waiting up to ${formatGoDurationMs(retryForMs)} for the lock`),
      onWarning: (text) => output.error(text),
      signal: cancellation.signal,
    });
    repository.guardWith(lock);
    this.#followLoss(lock);
    return lock;
  }

  /** A command whose lock is gone ends as if interrupted, but says why. */
  #followLoss(lock: HeldLock): void {
    const { cancellation, output } = this.#context;
    lock.signal.addEventListener(
      "abort",
      () => {
        const reason = lock.signal.reason as CofferError;
        if (hasErrorCode(reason, "locked")) output.normal("repo already locked, waiting up to 0s for the lock");
        cancellation.cancel(reason);
      },
      { once: true },
    );
  }
}

/** Loads the index; on a terminal a counter shows how far it is. */
export async function loadIndex(context: CommandContext, session: Session): Promise<void> {
  const { output, updateIntervalMs } = context;
  const { repository, signal } = session;
  if (!output.terminal.screen.isTerminal || output.level < 1) return repository.loadIndex({ signal });
  const counter = new Counter(output, "index files loaded", updateIntervalMs);
  try {
    await repository.loadIndex({ signal, onProgress: (loaded, total) => counter.set(loaded, total) });
    counter.finish();
  } catch (error) {
    counter.abandon();
    throw error;
  }
}
