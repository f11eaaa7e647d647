/** How a SealEngine does the arithmetic: one port, two adapters. Arguments were checked by the engine. */
import type { SealingKey } from "../../shared/format/provider.ts";

export interface SealingMethod {
  /** Takes the key for all that follows. */
  setKey(key: SealingKey): void;
  /**
   * Writes ciphertext and tag (`plaintext.length + 16` bytes) to the start of `target`, which has exactly that length and does
   * not overlap the plaintext.
   */
  seal(plaintext: Uint8Array, target: Uint8Array, iv: Uint8Array): void;
  /** The tag that a ciphertext should have: 16 bytes, valid until the next call. */
  tagOf(ciphertext: Uint8Array, iv: Uint8Array): Uint8Array;
  /** Writes the plaintext to the start of `target`, which is as long or longer, and may be the ciphertext itself. */
  decrypt(ciphertext: Uint8Array, target: Uint8Array, iv: Uint8Array): void;
}

/**
 * Large data is coded in pieces of this size: cipher, copies and MAC then find it in the processor's cache. A multiple of
 * 16, since every piece but the last must be whole blocks of the MAC.
 */
export const pieceBytes: number = 128 * 1024;
