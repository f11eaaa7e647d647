/**
 * The place of one transfer in the queue for the disk. A transfer keeps its place from one piece to the next, because a disk that has to
 * seek is fast only while it stays in a file; but it never keeps one while its client is slow.
 */
import type { FairGate } from "./fair-gate.ts";

/** About as long as a seek takes: to keep the disk idle for longer costs more than to come back to the file later. */
export const patienceMs = 10;

/** A transfer that has moved so much lets those pass who wait: more than packs have, so that these are not interrupted. */
const turnBytes = 33_554_432;

export class DiskTurn {
  readonly #gate: FairGate;
  readonly #owner: string;
  #hasPlace = false;
  /** Nobody waits for a client that was slow with the piece before. */
  #isPatient = true;
  #isLent = false;
  #patience: NodeJS.Timeout | undefined;
  #movedBytes = 0;

  constructor(gate: FairGate, owner: string) {
    this.#gate = gate;
    this.#owner = owner;
  }

  /** To be awaited before the disk is used for the next piece. */
  async take(pieceBytes = 0): Promise<void> {
    if (this.#isLent) this.#isPatient = this.#patience !== undefined;
    this.#isLent = false;
    this.#stopWaiting();
    this.#movedBytes += pieceBytes;
    if (this.#movedBytes > turnBytes && this.#gate.hasWaiting) this.end();
    if (this.#hasPlace) return;
    this.#movedBytes = pieceBytes;
    await this.#gate.enter(this.#owner);
    this.#hasPlace = true;
  }

  /** To be called when it is the client who has to do something next. */
  lend(): void {
    if (!this.#hasPlace) return;
    this.#isLent = true;
    if (!this.#isPatient) this.#leave();
    this.#patience = setTimeout(() => this.end(), patienceMs);
  }

  /** Gives the place back. Idempotent; the next `take` waits in line again. */
  end(): void {
    this.#stopWaiting();
    this.#leave();
  }

  #stopWaiting(): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
  }

  #leave(): void {
    if (!this.#hasPlace) return;
    this.#hasPlace = false;
    this.#gate.leave();
  }
}
