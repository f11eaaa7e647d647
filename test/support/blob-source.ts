/** The plainest way to read a repository, for tests of what reads many blobs: everything in maps, nothing in parallel. */

import type { Backend } from "../../client/backends/backend.ts";
import type { CheckSource } from "../../client/check/source.ts";
import { createNodeProvider } from "../../client/platform/node-provider.ts";
import type { BlobSource } from "../../client/reading/source.ts";
import { type BlobLocation, MasterIndex } from "../../client/repository/master-index.ts";
import { CofferError } from "../../shared/errors.ts";
import { toHex } from "../../shared/format/bytes.ts";
import { decodeDocument } from "../../shared/format/document.ts";
import type { FileType, Id } from "../../shared/format/layout.ts";
import type { BlobType } from "../../shared/format/pack.ts";
import type { SealingKey } from "../../shared/format/provider.ts";
import { decodeTree } from "../../shared/format/tree.ts";

const provider = createNodeProvider();

export class PlainBlobSource implements BlobSource, CheckSource {
  readonly backend: Backend;
  readonly masterKey: SealingKey;
  readonly index: MasterIndex = new MasterIndex();

  /** Without its index, which a check loads itself. */
  static unindexed(backend: Backend, masterKey: SealingKey): PlainBlobSource {
    return new PlainBlobSource(backend, masterKey);
  }

  private constructor(backend: Backend, masterKey: SealingKey) {
    this.backend = backend;
    this.masterKey = masterKey;
  }

  static async open(backend: Backend, masterKey: SealingKey): Promise<PlainBlobSource> {
    const source = new PlainBlobSource(backend, masterKey);
    for (const { id } of await backend.list("index"))
      source.index.addDocument(await source.loadDocument("index", id), 2);
    return source;
  }

  async loadDocument(type: "index" | "snapshots", id: Id): Promise<Uint8Array> {
    const sealed = await this.backend.load({ type, id });
    if (idOf(sealed) !== id) throw new CofferError("damaged", `${type}/${id}: invalid data returned`);
    return decodeDocument(provider.sealer(this.masterKey).open(sealed), 2, provider);
  }

  listFiles(type: FileType): ReturnType<Backend["list"]> {
    return this.backend.list(type);
  }

  async loadBlob(type: BlobType, id: Id): Promise<Uint8Array> {
    let failure: unknown = new CofferError("not-found", `blob ${id} is in no index`);
    for (const place of this.index.lookup(type, id)) {
      try {
        return await this.#loadCopy(place, id);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  async #loadCopy({ packId, offsetBytes, lengthBytes, uncompressedBytes }: BlobLocation, id: Id): Promise<Uint8Array> {
    const sealed = await this.backend.load({ type: "data", id: packId }, { range: { offsetBytes, lengthBytes } });
    const payload = provider.sealer(this.masterKey).open(sealed);
    const plaintext = uncompressedBytes === 0 ? payload : provider.decompress(payload, uncompressedBytes);
    if (toHex(provider.sha256(plaintext)) !== id) throw new CofferError("hash-mismatch", `blob ${id} is other content`);
    return plaintext;
  }

  async loadTree(id: Id): Promise<ReturnType<typeof decodeTree>> {
    return decodeTree(await this.loadBlob("tree", id));
  }

  /** The blobs of all places, for tests that damage one of them. */
  placesOf(type: BlobType, id: Id): readonly BlobLocation[] {
    return this.index.lookup(type, id);
  }
}

export function idOf(bytes: Uint8Array): Id {
  return toHex(provider.sha256(bytes));
}
