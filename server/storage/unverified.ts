/**
 * Uploads are stored without hashing them, for processors that cannot hash as fast as the network brings. They are as atomic and durable
 * as ever, and nothing is replaced.
 *
 * An upload that was stored, but whose answer was lost, comes again. It is accepted when it brings, byte for byte, what is stored.
 */
import { CofferError, hasErrorCode } from "../../shared/errors.ts";
import { describeHandle, type FileHandle } from "../../shared/format/layout.ts";
import type { StoredContent } from "./storage.ts";
import { StorageWrapper } from "./wrapper.ts";

export class UnverifiedStorage extends StorageWrapper {
  /** Throws `unavailable` when another upload of the same name was faster: only a retry can compare the two. */
  override async put(handle: FileHandle, body: AsyncIterable<Uint8Array>): Promise<void> {
    if (handle.type === "config") return this.inner.put(handle, body);
    if (await this.#exists(handle)) return this.#compareWithStored(handle, body);
    const watched = new WatchedBody(body);
    try {
      await this.inner.put(handle, watched);
    } catch (error) {
      if (!hasErrorCode(error, "already-exists")) throw error;
      if (!watched.isBegun) return this.#compareWithStored(handle, watched);
      throw new CofferError("unavailable", `${describeHandle(handle)} was stored by another upload meanwhile`, {
        cause: error,
      });
    }
  }

  async #exists(handle: FileHandle): Promise<boolean> {
    try {
      await this.inner.stat(handle);
      return true;
    } catch (error) {
      if (hasErrorCode(error, "not-found")) return false;
      throw error;
    }
  }

  /** Throws `already-exists` when the body is not what is stored. */
  async #compareWithStored(handle: FileHandle, body: AsyncIterable<Uint8Array>): Promise<void> {
    const refusal = await this.#refusalOf(handle);
    const content = await this.#readStored(handle);
    try {
      if (!(await isSameContent(body, content))) throw refusal;
    } finally {
      await content.close();
    }
  }

  /** Who refuses a name has made it durable, so the storage is asked to refuse before the upload is said to be stored. */
  async #refusalOf(handle: FileHandle): Promise<CofferError> {
    try {
      await this.inner.put(handle, refusingBody(handle));
    } catch (error) {
      if (hasErrorCode(error, "already-exists")) return error;
      throw error;
    }
    throw new CofferError("internal", "a body that throws was stored");
  }

  async #readStored(handle: FileHandle): Promise<StoredContent> {
    try {
      return await this.inner.read(handle);
    } catch (error) {
      if (!hasErrorCode(error, "not-found")) throw error;
      throw new CofferError("unavailable", `${describeHandle(handle)} was removed during an upload of the same name`, {
        cause: error,
      });
    }
  }
}

/** For a storage that reads before it looks: nothing becomes visible of a body that throws. */
// biome-ignore lint/correctness/useYield: it fails before it has anything to give
async function* refusingBody(handle: FileHandle): AsyncIterable<Uint8Array> {
  throw new CofferError("already-exists", `${describeHandle(handle)} exists already`);
}

/** Compares as far as both are equal; the rest is left to whoever discards bodies. */
async function isSameContent(body: AsyncIterable<Uint8Array>, content: StoredContent): Promise<boolean> {
  const stored = new ByteReader(content.chunks());
  let comparedBytes = 0;
  for await (const chunk of body) {
    comparedBytes += chunk.length;
    if (comparedBytes > content.totalBytes || !(await stored.startsWith(chunk))) return false;
  }
  return comparedBytes === content.totalBytes;
}

/** Stored bytes in pieces of the sizes that somebody else has. */
class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#source = chunks[Symbol.asyncIterator]();
  }

  /** Takes as many bytes as the piece has and tells whether they are the same. */
  async startsWith(piece: Uint8Array): Promise<boolean> {
    let offset = 0;
    while (offset < piece.length) {
      if (this.#rest.length === 0) {
        const result = await this.#source.next();
        if (result.done === true) return false;
        this.#rest = result.value;
      }
      const length = Math.min(this.#rest.length, piece.length - offset);
      if (Buffer.compare(this.#rest.subarray(0, length), piece.subarray(offset, offset + length)) !== 0) return false;
      this.#rest = this.#rest.subarray(length);
      offset += length;
    }
    return true;
  }
}

/** Knows whether somebody has begun to read it. Who leaves it early does not end it. */
class WatchedBody implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterator<Uint8Array>;
  isBegun = false;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#source = body[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => {
        this.isBegun = true;
        return this.#source.next();
      },
    };
  }
}
