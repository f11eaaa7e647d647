/**
 * What the format needs from its surroundings: hashing, sealing, key derivation, compression. The portable provider
 * (shared/portable) runs anywhere and is the oracle of the tests; the fast one stands on Node (client/platform).
 */

/** The master key, or a key derived from a password: 32 + 16 + 16 bytes. `mac.r` may be unmasked. */
export interface SealingKey {
  readonly encrypt: Uint8Array;
  readonly mac: { readonly k: Uint8Array; readonly r: Uint8Array };
}

/** Seals and opens byte strings with one key. Sealed form: IV (16) || ciphertext || tag (16). */
export interface Sealer {
  /** The sealed form of `plaintext` under the given 16-byte IV, which must be random and fresh. Throws on a zero IV. */
  seal(plaintext: Uint8Array, iv: Uint8Array): Uint8Array;
  /** The plaintext, in memory of its own. Throws `unauthenticated` when the tag is wrong, `malformed` below 32 bytes. */
  open(sealed: Uint8Array): Uint8Array;
}

/** scrypt's cost parameters as a key file has them. */
export interface ScryptParameters {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

export interface CryptoProvider {
  /** 32 bytes. */
  sha256(data: Uint8Array): Uint8Array;
  sealer(key: SealingKey): Sealer;
  /** `lengthBytes` of key material. The parameters were checked by the caller. */
  scrypt(
    password: Uint8Array,
    salt: Uint8Array,
    parameters: ScryptParameters,
    lengthBytes: number,
  ): Promise<Uint8Array>;
  /** Fresh bytes from a cryptographically secure source. */
  randomBytes(lengthBytes: number): Uint8Array;
}

/** `auto`, `off`, `fastest`, `better`, `max`: the modes of `--compression`. The mode is recorded nowhere. */
export type CompressionMode = "auto" | "off" | "fastest" | "better" | "max";

export interface CompressionProvider {
  /** One complete zstd frame. `off` counts as `auto` here: it is the caller who leaves data blobs alone. */
  compress(data: Uint8Array, mode: CompressionMode): Uint8Array;
  /**
   * The content of all frames in `data`. Throws `malformed` on anything that is not complete zstd frames, and
   * `limit-exceeded` before it would produce more than `limitBytes`.
   */
  decompress(data: Uint8Array, limitBytes: number): Uint8Array;
}

export interface Provider extends CryptoProvider, CompressionProvider {}
