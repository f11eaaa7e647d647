/**
 * Sealing for hot loops, into memory of the caller's. One engine per thread. It checks and lays out; the arithmetic is
 * done by OpenSSL directly where that works, else by node:crypto and the WebAssembly kernels. Source: docs/format.md,
 * section 2.2.
 */
import { randomFillSync } from "node:crypto";
import { CofferError } from "../../shared/errors.ts";
import { isAllZero } from "../../shared/format/bytes.ts";
import type { SealingKey } from "../../shared/format/provider.ts";
import {
  checkIvToSeal,
  checkSealed,
  checkSealingKey,
  equalTags,
  ivBytes,
  sealedOverheadBytes,
  tagBytes,
  unauthenticatedError,
} from "../../shared/format/sealing.ts";
import { instantiateKernels, type Kernels, type KernelsModule } from "../../shared/kernels/kernels.ts";
import { KernelSealing } from "./kernel-sealing.ts";
import { canUseOpenSsl, OpenSslSealing } from "./openssl-sealing.ts";
import { pieceBytes, type SealingMethod } from "./sealing-method.ts";

/** Random IVs are drawn this many at a time; a draw costs more than a hundred times an IV's bytes. */
const ivPoolBytes = 256 * ivBytes;

/**
 * `fastest`: OpenSSL directly where that works. `kernels`: public interfaces only; for engines that seal little, since
 * loading koffi takes 15 ms once per process.
 */
export type SealingChoice = "fastest" | "kernels";

export class SealEngine {
  /** The kernels whose memory the engine uses; a chunker may share them. */
  readonly kernels: Kernels;
  /** The part of the kernels' memory that is the caller's: its address, and a view of it. */
  readonly scratchOffset: number;
  readonly scratch: Uint8Array<ArrayBuffer>;
  readonly #method: SealingMethod;
  readonly #ivPool: Uint8Array = new Uint8Array(ivPoolBytes);
  #ivPoolUsed: number = ivPoolBytes;
  #hasKey = false;

  /** `scratchBytes` of the kernels' memory are left to the caller. */
  constructor(kernelsModule: KernelsModule, scratchBytes: number, choice: SealingChoice = "fastest") {
    // 64 KiB lie between the piece and the scratch, so that they differ in the processor's cache.
    const ownBytes = pieceBytes + 64 * 1024;
    this.kernels = instantiateKernels(kernelsModule, ownBytes + scratchBytes);
    this.scratchOffset = this.kernels.callerOffset + ownBytes;
    this.scratch = this.kernels.bytes.subarray(this.scratchOffset, this.scratchOffset + scratchBytes);
    const direct = choice === "fastest" && canUseOpenSsl();
    this.#method = direct ? new OpenSslSealing() : new KernelSealing(this.kernels, this.kernels.callerOffset);
  }

  /** Takes the key for all that follows. Throws `malformed` when it is not one (see `checkSealingKey`). */
  open(key: SealingKey): void {
    checkSealingKey(key);
    this.#method.setKey(key);
    this.#hasKey = true;
  }

  /**
   * Writes the sealed form of `plaintext` to `target` at `offset` and returns its length, 32 more than the plaintext's. The
   * two must not overlap. The IV is drawn here unless one is given. Throws `internal` when the target is too small.
   */
  sealInto(plaintext: Uint8Array, target: Uint8Array, offset: number, iv: Uint8Array = this.#nextIv()): number {
    this.#checkKey();
    checkIvToSeal(iv);
    const end = offset + plaintext.length + sealedOverheadBytes;
    if (offset < 0 || end > target.length) {
      throw new CofferError("internal", `sealing expected room up to ${end}, got a target of ${target.length} bytes`);
    }
    target.set(iv, offset);
    this.#method.seal(plaintext, target.subarray(offset + ivBytes, end), iv);
    return end - offset;
  }

  /**
   * Writes the plaintext of `sealed` to the start of `target` and returns its length, 32 less than the sealed length. The
   * tag is checked before anything is decrypted. Both may be views of shared memory; they may overlap only so that the
   * plaintext exactly replaces the ciphertext. Throws `malformed` below 32 bytes, `unauthenticated` when the tag is
   * wrong, `limit-exceeded` when the target is too small.
   */
  openInto(sealed: Uint8Array, target: Uint8Array): number {
    this.#checkKey();
    checkSealed(sealed);
    const lengthBytes = sealed.length - sealedOverheadBytes;
    if (lengthBytes > target.length) {
      throw new CofferError("limit-exceeded", `plaintext expected at most ${target.length} bytes, got ${lengthBytes}`);
    }
    const iv = sealed.subarray(0, ivBytes);
    const ciphertext = sealed.subarray(ivBytes, ivBytes + lengthBytes);
    const tag = this.#method.tagOf(ciphertext, iv);
    if (!equalTags(tag, sealed, sealed.length - tagBytes)) throw unauthenticatedError(sealed.length);
    this.#method.decrypt(ciphertext, target, iv);
    return lengthBytes;
  }

  #checkKey(): void {
    if (!this.#hasKey) throw new CofferError("internal", "sealing expected a key, got none: call open first");
  }

  #nextIv(): Uint8Array {
    if (this.#ivPoolUsed === ivPoolBytes) {
      randomFillSync(this.#ivPool);
      this.#ivPoolUsed = 0;
    }
    const iv = this.#ivPool.subarray(this.#ivPoolUsed, this.#ivPoolUsed + ivBytes);
    this.#ivPoolUsed += ivBytes;
    // An IV of zeros would be refused when it is read; it will not be drawn twice in a row.
    return isAllZero(iv) ? this.#nextIv() : iv;
  }
}
