/** Reads single blobs, verified, from whichever copy is good. Source: docs/format.md, section 4.5. */
import { CofferError } from "../../shared/errors.ts";
import { toHex } from "../../shared/format/bytes.ts";
import type { FileHandle, Id } from "../../shared/format/layout.ts";
import { maxBlobBytes } from "../../shared/format/limits.ts";
import type { BlobType } from "../../shared/format/pack.ts";
import type { Provider, Sealer } from "../../shared/format/provider.ts";
import { sealedOverheadBytes } from "../../shared/format/sealing.ts";
import type { Backend } from "../backends/backend.ts";
import { throwIfCancelled } from "../backends/cancellation.ts";
import { isDamage, messageOf, signalOption } from "./failures.ts";
import type { BlobLocation } from "./master-index.ts";

/** What of a repository reading blobs needs. */
export interface BlobReaderSource {
  readonly backend: Backend;
  readonly provider: Provider;
  readonly sealer: Sealer;
  readonly index: { lookup(type: BlobType, id: Id): readonly BlobLocation[] };
}

export class BlobReader {
  readonly #source: BlobReaderSource;

  constructor(source: BlobReaderSource) {
    this.#source = source;
  }

  /**
   * The plaintext. All copies are tried; when none is good, cached packs are dropped and each copy is loaded once more. Throws
   * `not-found` when the index has no such blob, `damaged` when all copies are bad or gone, and what the backend throws
   * when a copy could not be reached: that one may be good.
   */
  async load(type: BlobType, id: Id, signal?: AbortSignal): Promise<Uint8Array> {
    const locations = this.#source.index.lookup(type, id);
    if (locations.length === 0) {
      throw new CofferError("not-found", `id ${id} not found in repository`, { data: { type, id } });
    }
    const first = await this.#tryAll(locations, type, id, signal);
    if (first.plaintext !== undefined) return first.plaintext;
    for (const location of locations) await this.#source.backend.dropCached?.(handleOf(type, location));
    const second = await this.#tryAll(locations, type, id, signal);
    if (second.plaintext !== undefined) return second.plaintext;
    throw second.failures.find((failure) => !isDamage(failure)) ?? second.failures[0];
  }

  async #tryAll(
    locations: readonly BlobLocation[],
    type: BlobType,
    id: Id,
    signal: AbortSignal | undefined,
  ): Promise<{ plaintext?: Uint8Array; failures: unknown[] }> {
    const failures: unknown[] = [];
    for (const location of locations) {
      try {
        return { plaintext: await this.#loadCopy(location, type, id, signal), failures };
      } catch (error) {
        throwIfCancelled(signal);
        failures.push(error);
      }
    }
    return { failures };
  }

  async #loadCopy(
    location: BlobLocation,
    type: BlobType,
    id: Id,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const { offsetBytes, lengthBytes } = location;
    const { backend } = this.#source;
    try {
      if (lengthBytes < sealedOverheadBytes) {
        throw new CofferError("malformed", `length expected at least ${sealedOverheadBytes} bytes, got ${lengthBytes}`);
      }
      const range = { offsetBytes, lengthBytes };
      return this.#open(await backend.load(handleOf(type, location), { range, ...signalOption(signal) }), location, id);
    } catch (error) {
      if (!isDamage(error) && !(error instanceof CofferError && error.code === "not-found")) throw error;
      const reason = error.code === "unauthenticated" ? "ciphertext verification failed" : messageOf(error);
      throw new CofferError(
        "damaged",
        `decrypting blob <${type}/${id.slice(0, 8)}> from pack ${location.packId} failed: ${reason}`,
        { cause: error, data: { type, id, packId: location.packId } },
      );
    }
  }

  #open(sealed: Uint8Array, { uncompressedBytes }: BlobLocation, id: Id): Uint8Array {
    const { provider, sealer } = this.#source;
    const payload = sealer.open(sealed);
    // The index only says that the blob is compressed: its length there is protected by nothing, and the format does not rely on it.
    const plaintext = uncompressedBytes === 0 ? payload : provider.decompress(payload, maxBlobBytes);
    const actual = toHex(provider.sha256(plaintext));
    if (actual !== id) throw new CofferError("hash-mismatch", `content expected to hash to ${id}, got ${actual}`);
    return plaintext;
  }
}

/** Packs with trees are what a cache keeps. */
function handleOf(type: BlobType, { packId }: BlobLocation): FileHandle {
  return { type: "data", id: packId, isMetadata: type === "tree" };
}
