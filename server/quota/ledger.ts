/**
 * The port through which storages account for what repositories hold. Every call can take time, so that the one ledger of a
 * server can live in another process than the uploads.
 *
 * A repository is named by its folders, joined with "/": the root has the empty name.
 */

/** What is stored. The upkeep of a repository (locks, its configuration, its index) may exceed a limit a little. */
export type QuotaPurpose = "content" | "upkeep";

export interface QuotaLedger {
  /**
   * Sets bytes aside before they are stored. Throws `out-of-space`, and then nothing was set aside. Whoever gets a reservation
   * has to settle it.
   */
  reserve(repository: string, bytes: number, purpose: QuotaPurpose): Promise<Reservation>;

  /**
   * Announces the removal of a file. Waits until no other removal of the same file is under way: nobody may give the same
   * bytes back twice. Whoever gets a removal has to end it.
   */
  beginRemoval(repository: string, path: string, purpose: QuotaPurpose): Promise<Removal>;
}

export interface Reservation {
  /** Sets further bytes aside. Throws `out-of-space`, and then has what it had before. */
  grow(bytes: number): Promise<void>;
  /** Ends the reservation: so many bytes were stored (0 for an upload that failed), and the rest is given back. Idempotent. */
  settle(storedBytes: number): Promise<void>;
}

export interface Removal {
  /** So many bytes are no longer stored. Idempotent. */
  end(removedBytes: number): Promise<void>;
}
