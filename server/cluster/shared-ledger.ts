/** One ledger for several processes: it lives in one of them, and the others call it. */
import type { QuotaLedger, QuotaPurpose, Removal, Reservation } from "../quota/ledger.ts";
import type { Line } from "./line.ts";

/** What the process with the ledger offers to one of the others. Reservations and removals are named by numbers. */
export type LedgerOffer = {
  reserve(repository: string, bytes: number, purpose: QuotaPurpose): Promise<number>;
  growReservation(number: number, bytes: number): Promise<void>;
  settleReservation(number: number, storedBytes: number): Promise<void>;
  beginRemoval(repository: string, path: string, purpose: QuotaPurpose): Promise<number>;
  endRemoval(number: number, removedBytes: number): Promise<void>;
};

/** A reservation, and how much it has set aside. */
interface Reserved {
  readonly reservation: Reservation;
  bytes: number;
}

/** What one process has asked for and not ended yet. */
export class LedgerAccount {
  readonly #ledger: QuotaLedger;
  readonly #reservations = new Map<number, Reserved>();
  readonly #removals = new Map<number, Removal>();
  #numbers = 0;
  #isClosed = false;

  constructor(ledger: QuotaLedger) {
    this.#ledger = ledger;
  }

  get offer(): LedgerOffer {
    return {
      reserve: async (repository, bytes, purpose) => {
        const reservation = await this.#ledger.reserve(repository, bytes, purpose);
        if (this.#isClosed) await reservation.settle(0);
        return this.#keep(this.#reservations, { reservation, bytes });
      },
      growReservation: async (number, bytes) => {
        const reserved = this.#reservations.get(number);
        await reserved?.reservation.grow(bytes);
        if (reserved !== undefined) reserved.bytes += bytes;
      },
      settleReservation: async (number, storedBytes) => {
        await this.#reservations.get(number)?.reservation.settle(storedBytes);
        this.#reservations.delete(number);
      },
      beginRemoval: async (repository, path, purpose) => {
        const removal = await this.#ledger.beginRemoval(repository, path, purpose);
        if (this.#isClosed) await removal.end(0);
        return this.#keep(this.#removals, removal);
      },
      endRemoval: async (number, removedBytes) => {
        await this.#removals.get(number)?.end(removedBytes);
        this.#removals.delete(number);
      },
    };
  }

  /**
   * Ends what a process that is gone has left. Whether its last uploads and removals have happened, nobody knows here: all of them count as
   * stored. False when there were any, so that somebody has to count anew.
   */
  async close(): Promise<boolean> {
    this.#isClosed = true;
    const isSure = this.#reservations.size === 0 && this.#removals.size === 0;
    for (const { reservation, bytes } of this.#reservations.values()) await reservation.settle(bytes);
    for (const removal of this.#removals.values()) await removal.end(0);
    this.#reservations.clear();
    this.#removals.clear();
    return isSure;
  }

  #keep<Kept>(place: Map<number, Kept>, kept: Kept): number {
    this.#numbers += 1;
    place.set(this.#numbers, kept);
    return this.#numbers;
  }
}

/** The ledger as the other processes see it. */
export class RemoteQuotaLedger implements QuotaLedger {
  readonly #line: Line<LedgerOffer>;

  constructor(line: Line<LedgerOffer>) {
    this.#line = line;
  }

  async reserve(repository: string, bytes: number, purpose: QuotaPurpose): Promise<Reservation> {
    const number = await this.#line.call("reserve", repository, bytes, purpose);
    const settle = once((storedBytes: number) => this.#line.call("settleReservation", number, storedBytes));
    return { grow: (moreBytes) => this.#line.call("growReservation", number, moreBytes), settle };
  }

  async beginRemoval(repository: string, path: string, purpose: QuotaPurpose): Promise<Removal> {
    const number = await this.#line.call("beginRemoval", repository, path, purpose);
    return { end: once((removedBytes: number) => this.#line.call("endRemoval", number, removedBytes)) };
  }
}

function once(action: (bytes: number) => Promise<void>): (bytes: number) => Promise<void> {
  let isDone = false;
  return async (bytes) => {
    if (isDone) return;
    isDone = true;
    await action(bytes);
  };
}
