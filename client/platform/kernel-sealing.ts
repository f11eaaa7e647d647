/**
 * Sealing by public interfaces only: AES-256-CTR by node:crypto, Poly1305 by the WebAssembly kernels. Works wherever Node
 * does. Source: docs/format.md, section 2.2.
 */
import { type Cipheriv, createCipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { CofferError } from "../../shared/errors.ts";
import { copyBytes } from "../../shared/format/bytes.ts";
import type { SealingKey } from "../../shared/format/provider.ts";
import type { Kernels } from "../../shared/kernels/kernels.ts";
import { pieceBytes, type SealingMethod } from "./sealing-method.ts";

/** From this size on the cipher's output is freed by hand. Below, detaching costs more than the garbage collector. */
const freedOutputBytes = 16 * 1024;

interface OpenKey {
  readonly encrypt: KeyObject;
  /** AES-128 of single blocks under mac.k: kept open, since making one costs thirty times a block. */
  readonly macCipher: Cipheriv;
  readonly macR: Uint8Array;
}

export class KernelSealing implements SealingMethod {
  readonly #kernels: Kernels;
  /** The piece that the MAC reads: an address in the kernels' memory, and a view of it. */
  readonly #pieceOffset: number;
  readonly #piece: Uint8Array;
  #key: OpenKey | undefined;

  /** Uses `pieceBytes` of the kernels' memory from `pieceOffset` on. */
  constructor(kernels: Kernels, pieceOffset: number) {
    this.#kernels = kernels;
    this.#pieceOffset = pieceOffset;
    this.#piece = kernels.bytes.subarray(pieceOffset, pieceOffset + pieceBytes);
  }

  setKey(key: SealingKey): void {
    this.#key = {
      // A KeyObject is imported once; a raw key would be on every call, which costs more than sealing a small blob.
      encrypt: createSecretKey(key.encrypt),
      macCipher: createCipheriv("aes-128-ecb", createSecretKey(key.mac.k), null),
      macR: copyBytes(key.mac.r),
    };
  }

  seal(plaintext: Uint8Array, target: Uint8Array, iv: Uint8Array): void {
    const key = this.#openKey();
    const cipher = createCipheriv("aes-256-ctr", key.encrypt, iv);
    this.#beginMac(key, iv);
    let position = 0;
    do {
      const output = cipher.update(plaintext.subarray(position, position + pieceBytes));
      this.#piece.set(output);
      target.set(output, position);
      position += output.length;
      this.#addToMac(output.length, position === plaintext.length);
      free(output);
    } while (position < plaintext.length);
    this.#kernels.readTag(target, plaintext.length);
  }

  tagOf(ciphertext: Uint8Array, iv: Uint8Array): Uint8Array {
    this.#beginMac(this.#openKey(), iv);
    if (ciphertext.buffer === this.#kernels.memory.buffer) {
      this.#kernels.polyFinish(ciphertext.byteOffset, ciphertext.length);
      return this.#kernels.tag;
    }
    let position = 0;
    do {
      const piece = ciphertext.subarray(position, position + pieceBytes);
      this.#piece.set(piece);
      position += piece.length;
      this.#addToMac(piece.length, position === ciphertext.length);
    } while (position < ciphertext.length);
    return this.#kernels.tag;
  }

  decrypt(ciphertext: Uint8Array, target: Uint8Array, iv: Uint8Array): void {
    const cipher = createCipheriv("aes-256-ctr", this.#openKey().encrypt, iv);
    for (let position = 0; position < ciphertext.length; position += pieceBytes) {
      const output = cipher.update(ciphertext.subarray(position, position + pieceBytes));
      target.set(output, position);
      free(output);
    }
  }

  #openKey(): OpenKey {
    if (this.#key === undefined) throw new CofferError("internal", "sealing expected a key, got none");
    return this.#key;
  }

  #beginMac(key: OpenKey, iv: Uint8Array): void {
    this.#kernels.setMacKey(key.macR, key.macCipher.update(iv));
    this.#kernels.polyBegin();
  }

  #addToMac(lengthBytes: number, isLast: boolean): void {
    if (isLast) this.#kernels.polyFinish(this.#pieceOffset, lengthBytes);
    else this.#kernels.polyUpdate(this.#pieceOffset, lengthBytes);
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
