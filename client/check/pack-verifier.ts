/** Verifies a pack as docs/format.md says under check: every blob, the header, the name. */
import { createHash, type Hash } from "node:crypto";
import { CofferError } from "../../shared/errors.ts";
import { toHex } from "../../shared/format/bytes.ts";
import type { Id } from "../../shared/format/layout.ts";
import { packLengthFieldBytes } from "../../shared/format/limits.ts";
import { decodePackHeader, readHeaderLength } from "../../shared/format/pack.ts";
import { describeBlobFailure } from "../reading/blob-errors.ts";
import { BlobList } from "../reading/blob-list.ts";
import type { BlobOpener } from "../reading/blob-opener.ts";
import type { PackAnswer, PackTask } from "./check-tasks.ts";

export class PackVerifier {
  readonly #opener: BlobOpener;
  /** The hashes of packs of which more parts are to come. Parts of several packs may take turns. */
  readonly #hashes = new Map<Id, Hash>();

  constructor(opener: BlobOpener) {
    this.#opener = opener;
  }

  verify(task: PackTask): PackAnswer {
    const part = new Uint8Array(task.memory, 0, task.lengthBytes);
    const blobs = BlobList.unpack(task.blobs);
    const errors: string[] = [];
    this.#hash(task, part);
    for (let blob = task.first; blob < task.end; blob++) this.#verifyBlob(task, part, blobs, blob, errors);
    if (task.isLast) {
      this.#verifyHeader(task, part, blobs, errors);
      this.#verifyName(task, errors);
    }
    return { errors };
  }

  #hash(task: PackTask, part: Uint8Array): void {
    if (task.offsetBytes === 0) this.#hashes.set(task.packId, createHash("sha256"));
    const hash = this.#hashes.get(task.packId);
    if (hash === undefined) {
      throw new CofferError("internal", `pack ${task.packId} expected its parts in order at one worker`);
    }
    hash.update(part);
  }

  #verifyBlob(task: PackTask, part: Uint8Array, blobs: BlobList, blob: number, errors: string[]): void {
    const id = blobs.hexIdOf(blob);
    const type = blobs.typeOf(blob);
    const start = blobs.offsetOf(blob) - task.offsetBytes;
    try {
      if (start + blobs.lengthOf(blob) > part.length) {
        throw new CofferError("out-of-range", "it lies behind the end of the file");
      }
      const sealed = part.subarray(start, start + blobs.lengthOf(blob));
      this.#opener.open(sealed, blobs.uncompressedOf(blob), blobs.idOf(blob));
    } catch (error) {
      if (!(error instanceof CofferError)) throw error;
      errors.push(`blob ${id}: ${describeBlobFailure(type, id, task.packId, error)}`);
    }
  }

  /** The header must list exactly the blobs of the index, without gaps. */
  #verifyHeader(task: PackTask, part: Uint8Array, blobs: BlobList, errors: string[]): void {
    try {
      const sizeBytes = task.offsetBytes + part.length;
      const headerBytes = readHeaderLength(part, sizeBytes);
      const end = part.length - packLengthFieldBytes;
      if (headerBytes > end) throw new CofferError("malformed", `it has ${headerBytes} bytes, more than its part`);
      const header = this.#opener.unseal(part.subarray(end - headerBytes, end));
      const entries = decodePackHeader(header, sizeBytes);
      if (entries.length !== blobs.count) {
        throw new CofferError("malformed", `it lists ${entries.length} blobs, the index ${blobs.count}`);
      }
      for (const [blob, entry] of entries.entries()) {
        const isSame =
          entry.type === blobs.typeOf(blob) &&
          entry.offsetBytes === blobs.offsetOf(blob) &&
          entry.lengthBytes === blobs.lengthOf(blob) &&
          entry.uncompressedBytes === blobs.uncompressedOf(blob) &&
          entry.id === blobs.hexIdOf(blob);
        if (!isSame) throw new CofferError("malformed", `blob ${entry.id} is not in the index at its place`);
      }
    } catch (error) {
      if (!(error instanceof CofferError)) throw error;
      errors.push(`pack header is damaged: ${error.message}`);
    }
  }

  #verifyName(task: PackTask, errors: string[]): void {
    const found = toHex(this.#hashes.get(task.packId)?.digest() ?? new Uint8Array());
    this.#hashes.delete(task.packId);
    if (found !== task.packId) errors.push(`unexpected pack id ${found}`);
  }
}
