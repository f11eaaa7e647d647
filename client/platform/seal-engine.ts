/**
 * Sealing for hot loops: AES-256-CTR by node:crypto, Poly1305 by the WebAssembly kernels, in pieces that stay in the
 * processor's cache. One engine per thread. Source: docs/FORMAT.md, section 2.2.
 */
import { type Cipheriv, createCipheriv, createSecretKey, type KeyObject, randomFillSync } from "node:crypto";
import { CofferError } from "../../shared/errors.ts";
import { copyBytes, isAllZero } from "../../shared/format/bytes.ts";
import type { SealingKey } from "../../shared/format/provider.ts";
import {
  checkIvToSeal,
  checkSealed,
  checkSealingKey,
  equalTags,
  ivBytes,
  sealedOverheadBytes,
  unauthenticatedError,
} from "../../shared/format/sealing.ts";
import { instantiateKernels, type Kernels, type KernelsModule } from "../../shared/kernels/kernels.ts";

/**
 * Large data is coded in pieces of this size: cipher, copies and MAC then find it in the processor's cache. A multiple of
 * 16, since every piece but the last must be whole blocks of the MAC.
 */
const pieceBytes = 128 * 1024;
/** Random IVs are drawn this many at a time; a draw costs more than a hundred times an IV's bytes. */
const ivPoolBytes = 256 * ivBytes;
/** From this size on the cipher's output is freed by hand. Below, detaching costs more than the garbage collector. */
const freedOutputBytes = 16 * 1024;

interface OpenKey {
  readonly encrypt: KeyObject;
  /** AES-128 of single blocks under mac.k: kept open, since making one costs thirty times a block. */
  readonly macCipher: Cipheriv;
  readonly macR: Uint8Array;
}

export class SealEngine {
  /** The kernels whose memory the engine uses; a chunker may share them. */
  readonly kernels: Kernels;
  /** The part of the kernels' memory that is the caller's: its address, and a view of it. */
  readonly scratchOffset: number;
  readonly scratch: Uint8Array<ArrayBuffer>;
  /** The piece that the MAC reads, as a view of the kernels' memory. */
  readonly #piece: Uint8Array;
  readonly #pieceOffset: number;
  readonly #ivPool: Uint8Array = new Uint8Array(ivPoolBytes);
  #ivPoolUsed: number = ivPoolBytes;
  #key: OpenKey | undefined;

  /** `scratchBytes` of the kernels' memory are left to the caller. */
  constructor(kernelsModule: KernelsModule, scratchBytes: number) {
    // 64 KiB lie between the piece and the scratch, so that they differ in the processor's cache.
    const ownBytes = pieceBytes + 64 * 1024;
    this.kernels = instantiateKernels(kernelsModule, ownBytes + scratchBytes);
    this.#pieceOffset = this.kernels.callerOffset;
    this.#piece = this.kernels.bytes.subarray(this.#pieceOffset, this.#pieceOffset + pieceBytes);
    this.scratchOffset = this.#pieceOffset + ownBytes;
    this.scratch = this.kernels.bytes.subarray(this.scratchOffset, this.scratchOffset + scratchBytes);
  }

  /** Takes the key for all that follows. Throws `malformed` when it is not one (see `checkSealingKey`). */
  open(key: SealingKey): void {
    checkSealingKey(key);
    this.#key = {
      // A KeyObject is imported once; a raw key would be on every call, which costs more than sealing a small blob.
      encrypt: createSecretKey(key.encrypt),
      macCipher: createCipheriv("aes-128-ecb", createSecretKey(key.mac.k), null),
      macR: copyBytes(key.mac.r),
    };
  }

  /**
   * Writes the sealed form of `plaintext` to `target` at `offset` and returns its length, 32 more than the plaintext's. The
   * two must not overlap. The IV is drawn here unless one is given. Throws `internal` when the target is too small.
   */
  sealInto(plaintext: Uint8Array, target: Uint8Array, offset: number, iv: Uint8Array = this.#nextIv()): number {
    const key = this.#openKey();
    checkIvToSeal(iv);
    const sealedBytes = plaintext.length + sealedOverheadBytes;
    if (offset < 0 || offset + sealedBytes > target.length) {
      throw new CofferError(
        "internal",
        `sealing expected room for ${sealedBytes} bytes, got ${target.length - offset}`,
      );
    }
    target.set(iv, offset);
    const bodyOffset = offset + ivBytes;
    const cipher = createCipheriv("aes-256-ctr", key.encrypt, iv);
    this.#beginMac(key, iv);
    let position = 0;
    do {
      const output = cipher.update(plaintext.subarray(position, position + pieceBytes));
      this.#piece.set(output);
      target.set(output, bodyOffset + position);
      position += output.length;
      this.#addToMac(this.#pieceOffset, output.length, position === plaintext.length);
      free(output);
    } while (position < plaintext.length);
    this.kernels.readTag(target, bodyOffset + plaintext.length);
    return sealedBytes;
  }

  /**
   * Writes the plaintext of `sealed` to the start of `target` and returns its length, 32 less than the sealed length. The
   * tag is checked before anything is decrypted. Both may be views of shared memory; they may overlap only so that the
   * plaintext exactly replaces the ciphertext. Throws `malformed` below 32 bytes, `unauthenticated` when the tag is
   * wrong, `limit-exceeded` when the target is too small.
   */
  openInto(sealed: Uint8Array, target: Uint8Array): number {
    const key = this.#openKey();
    checkSealed(sealed);
    const lengthBytes = sealed.length - sealedOverheadBytes;
    if (lengthBytes > target.length) {
      throw new CofferError("limit-exceeded", `plaintext expected at most ${target.length} bytes, got ${lengthBytes}`);
    }
    const iv = sealed.subarray(0, ivBytes);
    const body = sealed.subarray(ivBytes, ivBytes + lengthBytes);
    this.#beginMac(key, iv);
    this.#addBodyToMac(body);
    if (!equalTags(this.kernels.tag, sealed, ivBytes + lengthBytes)) throw unauthenticatedError(sealed.length);

    const cipher = createCipheriv("aes-256-ctr", key.encrypt, iv);
    for (let position = 0; position < lengthBytes; position += pieceBytes) {
      const output = cipher.update(body.subarray(position, position + pieceBytes));
      target.set(output, position);
      free(output);
    }
    return lengthBytes;
  }

  #openKey(): OpenKey {
    if (this.#key === undefined) throw new CofferError("internal", "sealing expected a key, got none: call open first");
    return this.#key;
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

  #beginMac(key: OpenKey, iv: Uint8Array): void {
    this.kernels.setMacKey(key.macR, key.macCipher.update(iv));
    this.kernels.polyBegin();
  }

  #addToMac(address: number, lengthBytes: number, isLast: boolean): void {
    if (isLast) this.kernels.polyFinish(address, lengthBytes);
    else this.kernels.polyUpdate(address, lengthBytes);
  }

  /** The whole ciphertext: where it lies when that is the kernels' memory, else piece by piece through it. */
  #addBodyToMac(body: Uint8Array): void {
    if (body.buffer === this.kernels.memory.buffer) {
      this.kernels.polyFinish(body.byteOffset, body.length);
      return;
    }
    let position = 0;
    do {
      const piece = body.subarray(position, position + pieceBytes);
      this.#piece.set(piece);
      position += piece.length;
      this.#addToMac(this.#pieceOffset, piece.length, position === body.length);
    } while (position < body.length);
  }
}

/** ArrayBuffer as of ES2024, which Node 24 has and the type library of this project not yet. */
interface TransferableBuffer extends ArrayBuffer {
  transfer(lengthBytes: number): ArrayBuffer;
}

/**
 * Returns the memory of a cipher's output at once. Otherwise only a garbage collection would, and hundreds of megabytes
 * of such outputs can pile up, each in fresh pages. Only outputs that own their memory: others share a pool.
 */
function free(output: Buffer): void {
  if (output.length >= freedOutputBytes && output.buffer.byteLength === output.length) {
    (output.buffer as TransferableBuffer).transfer(0);
  }
}
