/**
 * Sends saves of small objects that wait for a connection at the same moment in one request, where the server offers it. Nothing
 * waits for company: while there are free slots, each object goes out alone and at once; what gathers while all are busy goes
 * together into the next one that is free. Lock files have connections of their own and are never gathered.
 *
 * A part that was not stored is saved again singly, so that every error is the one that a single upload gets. Repeating is left to
 * the wrapper outside of this one: to it, each object is an operation of its own.
 */

import { CofferError } from "../../shared/errors.ts";
import type { FileHandle } from "../../shared/format/layout.ts";
import type { BatchLimits, ObjectHandle } from "../../shared/rest/batch.ts";
import type { Backend } from "./backend.ts";
import { type ObjectToSave, partOverheadBytes } from "./batch-body.ts";
import { cancellationOf, throwIfCancelled } from "./cancellation.ts";
import { checkHandle } from "./ranges.ts";
import type { Semaphore } from "./semaphore.ts";
import { BackendWrapper } from "./wrapper.ts";

/** A backend of which the server may take several objects in one request. */
export interface BatchSender extends Backend {
  /** Undefined as long as the server has not offered it. */
  readonly batchLimits: BatchLimits | undefined;
  /**
   * Saves objects in one request. For each in turn, whether it is stored; for one that is not, `save` tells why. Does not keep the
   * bodies once it has returned its promise. Throws when the server does not understand, or there is no answer.
   */
  saveBatch(objects: readonly ObjectToSave[], signal: AbortSignal): Promise<readonly boolean[]>;
}

/**
 * Enough to hide what a request costs, whatever the server would take: larger objects are paid for by the byte, and more of them would
 * keep one connection busy while others have nothing to do. The bytes are memory, once for each connection.
 */
const clientLimits: BatchLimits = { parts: 100, partBytes: 1024 * 1024, totalBytes: 4 * 1024 * 1024 };

/** A line that breaks so often in a row may be a proxy that dislikes batches. */
const failuresInRow = 3;

/** A save that waits, or is under way in a batch. */
interface PendingSave extends ObjectToSave {
  readonly signal: AbortSignal | undefined;
  /** Of somebody who has been told so: nothing is to be done for it any more. */
  isCancelled: boolean;
  /** From now on its signal does not end it at once. */
  readonly ignoreSignal: () => void;
  /** Whether it was stored; if not, it is saved singly. */
  readonly settle: (isStored: boolean | Promise<boolean>) => void;
}

export class BatchingBackend extends BackendWrapper {
  readonly #sender: BatchSender;
  readonly #slots: Semaphore;
  /** In the order in which they came. */
  readonly #waiting: Set<PendingSave> = new Set();
  #failures = 0;

  /** `limited` wraps `sender` and has its operations run in `slots`. */
  constructor(limited: Backend, sender: BatchSender, slots: Semaphore) {
    super(limited);
    this.#sender = sender;
    this.#slots = slots;
  }

  override async save(handle: FileHandle, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkHandle(handle);
    throwIfCancelled(signal);
    const limits = this.#slots.isFree ? undefined : this.#limits();
    const isGathered = limits !== undefined && isObject(handle) && body.length <= limits.partBytes;
    if (isGathered && (await this.#gather(handle, body, signal))) return;
    await this.inner.save(handle, body, signal);
  }

  /** Undefined when nothing is to be sent in batches. */
  #limits(): BatchLimits | undefined {
    const offered = this.#sender.batchLimits;
    if (offered === undefined || this.#failures >= failuresInRow) return undefined;
    return {
      parts: Math.min(offered.parts, clientLimits.parts),
      partBytes: Math.min(offered.partBytes, clientLimits.partBytes),
      totalBytes: Math.min(offered.totalBytes, clientLimits.totalBytes),
    };
  }

  /** Waits for a slot, together with others. True when the object is stored, false when it has to be saved singly. */
  #gather(handle: ObjectHandle, body: Uint8Array, signal: AbortSignal | undefined): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        save.isCancelled = true;
        this.#waiting.delete(save);
        if (signal !== undefined) reject(cancellationOf(signal));
      };
      const ignoreSignal = (): void => signal?.removeEventListener("abort", onAbort);
      const settle = (isStored: boolean | Promise<boolean>): void => {
        ignoreSignal();
        resolve(isStored);
      };
      const save: PendingSave = { handle, body, signal, isCancelled: false, ignoreSignal, settle };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(save);
      // A turn in the queue for each save, as without batches. Whoever finds that its save has gone with an earlier one is done.
      this.#slots.run(() => this.#sendWaiting()).catch(reject);
    });
  }

  async #sendWaiting(): Promise<void> {
    const limits = this.#limits();
    const saves = this.#takeWaiting(limits ?? { ...clientLimits, parts: 1 });
    const [first] = saves;
    if (first === undefined) return;
    if (saves.length === 1) await this.#sendOne(first);
    else await this.#sendBatch(saves);
  }

  #takeWaiting({ parts, totalBytes }: BatchLimits): PendingSave[] {
    const saves: PendingSave[] = [];
    let restBytes = totalBytes - partOverheadBytes;
    for (const save of this.#waiting) {
      restBytes -= save.body.length + partOverheadBytes;
      if (saves.length > 0 && (saves.length === parts || restBytes < 0)) break;
      saves.push(save);
      this.#waiting.delete(save);
    }
    return saves;
  }

  async #sendOne({ handle, body, signal, ignoreSignal, settle }: PendingSave): Promise<void> {
    // The body is the caller's and must not be let go before it is no longer read.
    ignoreSignal();
    const saved = this.#sender.save(handle, body, signal).then(() => true);
    settle(saved);
    await Promise.allSettled([saved]);
  }

  async #sendBatch(saves: readonly PendingSave[]): Promise<void> {
    const abandoned = new AbortController();
    const onAbort = (): void => {
      if (saves.every(({ isCancelled }) => isCancelled)) abandoned.abort();
    };
    for (const { signal } of saves) signal?.addEventListener("abort", onAbort, { once: true });
    let stored: readonly boolean[] = [];
    try {
      stored = await this.#sender.saveBatch(saves, abandoned.signal);
      this.#failures = 0;
    } catch (error) {
      if (!abandoned.signal.aborted) this.#failures += mayPass(error) ? 1 : failuresInRow;
    } finally {
      for (const { signal } of saves) signal?.removeEventListener("abort", onAbort);
    }
    for (const [i, { settle }] of saves.entries()) settle(stored[i] === true);
  }
}

function isObject(handle: FileHandle): handle is ObjectHandle {
  return handle.type !== "config" && handle.type !== "locks";
}

/** A line that broke or a server that is busy; anything else says that this server, or what is before it, takes no batches. */
function mayPass(error: unknown): boolean {
  return error instanceof CofferError && (error.code === "unavailable" || error.code === "request-timeout");
}
