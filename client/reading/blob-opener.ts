/** Opens sealed blobs, one after the other, in memory that is used again and again. One per thread. */
import { hash } from "node:crypto";
import { CofferError } from "../../shared/errors.ts";
import { equalBytes, toHex } from "../../shared/format/bytes.ts";
import { maxBlobBytes } from "../../shared/format/limits.ts";
import type { SealingKey } from "../../shared/format/provider.ts";
import { sealedOverheadBytes } from "../../shared/format/sealing.ts";
import type { KernelsModule } from "../../shared/kernels/kernels.ts";
import { SealEngine } from "../platform/seal-engine.ts";
import { createZstdDecompressor, type ZstdDecompressor } from "../platform/zstd.ts";

/** A blob of data has at most 8 MiB. Larger memory, for the tree of a huge folder, is given back. */
const keptPlaintextBytes = 16 * 1024 * 1024;

export class BlobOpener {
  readonly #engine: SealEngine;
  readonly #zstd: ZstdDecompressor = createZstdDecompressor();
  #plaintext: Uint8Array = new Uint8Array(0);

  constructor(module: KernelsModule, key: SealingKey) {
    this.#engine = new SealEngine(module, 0);
    this.#engine.open(key);
  }

  /**
   * What a sealed byte string holds; a view that is valid until the next call. Throws `unauthenticated` when the tag is
   * wrong, `malformed` when it is too short to have one.
   */
  unseal(sealed: Uint8Array): Uint8Array {
    if (sealed.length < sealedOverheadBytes) {
      throw new CofferError("malformed", `expected at least ${sealedOverheadBytes} sealed bytes, got ${sealed.length}`);
    }
    const lengthBytes = sealed.length - sealedOverheadBytes;
    if (this.#plaintext.length < lengthBytes || this.#plaintext.length > keptPlaintextBytes) {
      this.#plaintext = new Uint8Array(Math.max(lengthBytes, 1024 * 1024));
    }
    return this.#plaintext.subarray(0, this.#engine.openInto(sealed, this.#plaintext));
  }

  /**
   * The plaintext of a blob, verified against its id (32 bytes); a view that is valid until the next call.
   * `uncompressedBytes`: the plaintext's length by the index, 0 for a blob that is not compressed. Throws as `unseal`
   * does, `malformed` when the content does not decode to that length, `hash-mismatch` when it is other content.
   */
  open(sealed: Uint8Array, uncompressedBytes: number, id: Uint8Array): Uint8Array {
    const payload = this.unseal(sealed);
    const plaintext = uncompressedBytes === 0 ? payload : this.#decompress(payload, uncompressedBytes);
    const found = hash("sha256", plaintext, "buffer");
    if (!equalBytes(found, id)) {
      throw new CofferError("hash-mismatch", `content hashes to ${toHex(found)}`);
    }
    return plaintext;
  }

  #decompress(payload: Uint8Array, uncompressedBytes: number): Uint8Array {
    const plaintext = this.#zstd.decompress(payload, Math.min(uncompressedBytes, maxBlobBytes), uncompressedBytes);
    if (plaintext.length === uncompressedBytes) return plaintext;
    throw new CofferError(
      "malformed",
      `expected ${uncompressedBytes} bytes after decompression, got ${plaintext.length}`,
    );
  }
}
