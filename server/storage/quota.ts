/**
 * Quotas: bytes are set aside before they are stored, and given back when they are not. An upload of known size is refused
 * before it is read; one of unknown size, as soon as it goes too far.
 */
import { hasErrorCode } from "../../shared/errors.ts";
import { type FileHandle, pathOf } from "../../shared/format/layout.ts";
import type { QuotaLedger, QuotaPurpose, Reservation } from "../quota/ledger.ts";
import type { Storage, UploadBody } from "./storage.ts";
import { StorageWrapper } from "./wrapper.ts";

/** Uploads of unknown size set aside so much at a time, where there is room for it: asking for every chunk costs more. */
const pieceBytes = 1_048_576;

export class QuotaStorage extends StorageWrapper {
  readonly #repository: string;
  readonly #ledger: QuotaLedger;

  constructor(inner: Storage, folders: readonly string[], ledger: QuotaLedger) {
    super(inner);
    this.#repository = folders.join("/");
    this.#ledger = ledger;
  }

  /** Throws `out-of-space` when the file would exceed a limit. */
  override async put(handle: FileHandle, body: UploadBody): Promise<void> {
    let reservation: Reservation;
    try {
      reservation = await this.#ledger.reserve(this.#repository, body.announcedBytes ?? 0, purposeOf(handle));
    } catch (error) {
      // What is stored already takes no room, and whoever sends it again has to learn that it is there.
      return this.inner.put(handle, failingBody(error));
    }
    const counted = new CountedBody(body, reservation);
    let storedBytes = 0;
    try {
      await this.inner.put(handle, counted);
      storedBytes = counted.receivedBytes;
    } finally {
      await reservation.settle(storedBytes);
    }
  }

  override async remove(handle: FileHandle): Promise<void> {
    const removal = await this.#ledger.beginRemoval(this.#repository, pathOf(handle), purposeOf(handle));
    let removedBytes = 0;
    try {
      const sizeBytes = await this.#sizeOf(handle);
      try {
        await this.inner.remove(handle);
        removedBytes = sizeBytes;
      } catch (error) {
        // It may be gone although its removal could not be made durable.
        removedBytes = sizeBytes - (await this.#sizeOf(handle).catch(() => sizeBytes));
        throw error;
      }
    } finally {
      await removal.end(removedBytes);
    }
  }

  /** 0 for what does not exist. */
  async #sizeOf(handle: FileHandle): Promise<number> {
    try {
      return await this.inner.stat(handle);
    } catch (error) {
      if (hasErrorCode(error, "not-found")) return 0;
      throw error;
    }
  }
}

/** Reading needs a lock; making a repository smaller needs a lock and a new index, before anything is deleted. */
function purposeOf({ type }: FileHandle): QuotaPurpose {
  return type === "config" || type === "locks" || type === "index" ? "upkeep" : "content";
}

/** A body that sets aside what comes beyond its reservation before anybody gets it. */
class CountedBody implements UploadBody {
  readonly announcedBytes: number | undefined;
  receivedBytes = 0;
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #reservation: Reservation;
  #reservedBytes: number;

  constructor(body: UploadBody, reservation: Reservation) {
    this.announcedBytes = body.announcedBytes;
    this.#source = body[Symbol.asyncIterator]();
    this.#reservation = reservation;
    this.#reservedBytes = body.announcedBytes ?? 0;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return { next: () => this.#next(), return: () => this.#return() };
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    const result = await this.#source.next();
    if (result.done === true) return result;
    this.receivedBytes += result.value.length;
    const missingBytes = this.receivedBytes - this.#reservedBytes;
    if (missingBytes > 0) await this.#grow(missingBytes);
    return result;
  }

  async #grow(missingBytes: number): Promise<void> {
    const aheadBytes = Math.max(missingBytes, pieceBytes);
    try {
      await this.#reservation.grow(aheadBytes);
      this.#reservedBytes += aheadBytes;
    } catch (error) {
      if (!hasErrorCode(error, "out-of-space")) throw error;
      await this.#reservation.grow(missingBytes);
      this.#reservedBytes += missingBytes;
    }
  }

  async #return(): Promise<IteratorResult<Uint8Array>> {
    await this.#source.return?.();
    return { done: true, value: undefined };
  }
}

function failingBody(error: unknown): UploadBody {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
}
