/**
 * Who may use the disk. One disk does not become faster when forty want something of it at once: one that seeks becomes much slower. So
 * only a few transfers of packs use it at a time. Whatever is short (a lock, a look at a size, a range, a small upload) has places of its own
 * and never waits behind packs, neither here nor for a thread: there are threads for all places (threadsFor).
 */
import { DiskTurn } from "./disk-turn.ts";
import { FairGate } from "./fair-gate.ts";

export const defaultTransfers = 5;
/** A thread for each (threadsFor). */
export const mostTransfers = 256;
const shortPlaces = 9;
/** As many flushes as transfers: an upload writes and flushes at the same time. */
const threadsOfTransfer = 2;
/** Besides the disk's users: passwords are checked by the same threads. */
const otherThreads = 2;

/** How many threads it takes so that nobody who has a place waits for one. */
export function threadsFor(transfers: number): number {
  return threadsOfTransfer * transfers + shortPlaces + otherThreads;
}

export class DiskQueue {
  readonly #transfers: FairGate;
  /** A flush goes on when its upload has lent its place to another one: it takes a place of its own, or there would be one for each client. */
  readonly #flushes: FairGate;
  readonly #short = new FairGate(shortPlaces);

  constructor(transfers: number) {
    this.#transfers = new FairGate(transfers);
    this.#flushes = new FairGate(transfers);
  }

  /** A turn for reading or writing a file, which has to be taken before the disk is used and ended afterwards. */
  turnFor(owner: string, isShort: boolean): DiskTurn {
    return new DiskTurn(isShort ? this.#short : this.#transfers, owner);
  }

  /** Begins a flush of what an upload has written so far. Undefined, and nothing begins, when there are as many as there may be. */
  tryFlush(flush: () => Promise<void>): Promise<void> | undefined {
    if (!this.#flushes.tryEnter()) return undefined;
    return flush().finally(() => this.#flushes.leave());
  }

  /** Does something that needs no client. */
  async shortly<Result>(owner: string, action: () => Promise<Result>): Promise<Result> {
    await this.#short.enter(owner);
    try {
      return await action();
    } finally {
      this.#short.leave();
    }
  }
}
