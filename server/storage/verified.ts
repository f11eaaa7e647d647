/**
 * Content must hash to its name: an upload under an id is stored only when the SHA-256 of its bytes is that id. `config`
 * has no id and passes.
 *
 * An upload that was stored, but whose answer was lost, comes again. It is accepted when what it brings and what is stored both
 * hash to the id, so that a retry succeeds although nothing is ever overwritten.
 */
import { createHash, type Hash } from "node:crypto";
import { CofferError, hasErrorCode } from "../../shared/errors.ts";
import type { FileHandle, Id } from "../../shared/format/layout.ts";
import type { StoredContent, UploadBody } from "./storage.ts";
import { StorageWrapper } from "./wrapper.ts";

export class VerifiedStorage extends StorageWrapper {
  /** Throws `hash-mismatch` when the content is not what the id says. */
  override async put(handle: FileHandle, body: UploadBody): Promise<void> {
    if (handle.type === "config") return this.inner.put(handle, body);
    const verified = new VerifiedBody(handle.id, body);
    try {
      await this.inner.put(handle, verified);
    } catch (error) {
      if (!hasErrorCode(error, "already-exists")) throw error;
      if (!(await this.#isStoredAlready(handle, verified))) throw error;
    }
  }

  async #isStoredAlready(handle: FileHandle & { id: Id }, body: VerifiedBody): Promise<boolean> {
    try {
      for await (const _chunk of body);
    } catch (error) {
      if (hasErrorCode(error, "hash-mismatch")) return false;
      throw error;
    }
    const content = await this.#readExisting(handle);
    try {
      const hash = createHash("sha256");
      for await (const chunk of content.chunks()) hash.update(chunk);
      return hash.digest("hex") === handle.id;
    } finally {
      await content.close();
    }
  }

  async #readExisting(handle: FileHandle): Promise<StoredContent> {
    try {
      return await this.inner.read(handle);
    } catch (error) {
      if (!hasErrorCode(error, "not-found")) throw error;
      throw new CofferError("unavailable", "the stored file was removed during an upload of the same content", {
        cause: error,
      });
    }
  }
}

/**
 * A body that throws `hash-mismatch` at its end when its bytes do not hash to the id. It can be read in two goes: who leaves it
 * early does not end it, and the end can be asked for again.
 */
class VerifiedBody implements UploadBody {
  readonly announcedBytes: number | undefined;
  readonly #id: Id;
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #hash: Hash = createHash("sha256");
  #digest: string | undefined;

  constructor(id: Id, body: UploadBody) {
    this.announcedBytes = body.announcedBytes;
    this.#id = id;
    this.#source = body[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return { next: () => this.#next() };
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#digest === undefined) {
      const result = await this.#source.next();
      if (result.done !== true) {
        this.#hash.update(result.value);
        return result;
      }
      this.#digest = this.#hash.digest("hex");
    }
    if (this.#digest !== this.#id) {
      const handle = this.#id.slice(0, 10);
      throw new CofferError("hash-mismatch", `upload expected content with SHA-256 ${handle}…, got ${this.#digest}`);
    }
    return { done: true, value: undefined };
  }
}
