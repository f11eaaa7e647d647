/**
 * The portable provider: plain JavaScript that runs anywhere, by the audited libraries @noble/ciphers and @noble/hashes.
 * It is what a browser uses, and the oracle that every fast path is tested against.
 */

import { poly1305 } from "@noble/ciphers/_poly1305.js";
import { ctr, ecb } from "@noble/ciphers/aes.js";
import { scryptAsync } from "@noble/hashes/scrypt.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes, copyBytes } from "../format/bytes.ts";
import type { Provider, ScryptParameters, Sealer, SealingKey } from "../format/provider.ts";
import {
  checkIvToSeal,
  checkSealed,
  checkSealingKey,
  equalTags,
  ivBytes,
  tagBytes,
  unauthenticatedError,
} from "../format/sealing.ts";
import { compressZstd, decompressZstd } from "./zstd.ts";

/** crypto.getRandomValues gives at most this much at once. */
const randomDrawBytes = 65536;

export function createPortableProvider(): Provider {
  return {
    sha256,
    sealer: createSealer,
    scrypt: deriveKey,
    randomBytes,
    // Levels make no difference to an encoder that only stores.
    compress: (data) => compressZstd(data),
    decompress: decompressZstd,
  };
}

function createSealer(key: SealingKey): Sealer {
  checkSealingKey(key);
  const encrypt = copyBytes(key.encrypt);
  const macK = copyBytes(key.mac.k);
  const macR = copyBytes(key.mac.r);
  const tagOf = (ciphertext: Uint8Array, iv: Uint8Array): Uint8Array => {
    const s = ecb(macK, { disablePadding: true }).encrypt(iv);
    return poly1305(ciphertext, concatBytes(macR, s));
  };
  return {
    seal: (plaintext, iv) => {
      checkIvToSeal(iv);
      const ciphertext = ctr(encrypt, iv).encrypt(plaintext);
      return concatBytes(iv, ciphertext, tagOf(ciphertext, iv));
    },
    open: (sealed) => {
      checkSealed(sealed);
      // Copies, because the library takes no views of shared memory.
      const iv = copyBytes(sealed.subarray(0, ivBytes));
      const ciphertext = copyBytes(sealed.subarray(ivBytes, sealed.length - tagBytes));
      if (!equalTags(tagOf(ciphertext, iv), sealed, sealed.length - tagBytes))
        throw unauthenticatedError(sealed.length);
      return ctr(encrypt, iv).decrypt(ciphertext);
    },
  };
}

function deriveKey(
  password: Uint8Array,
  salt: Uint8Array,
  { N, r, p }: ScryptParameters,
  lengthBytes: number,
): Promise<Uint8Array> {
  const maxmem = 128 * r * (N + p + 2) + 1024 * 1024;
  return scryptAsync(password, salt, { N, r, p, dkLen: lengthBytes, maxmem });
}

function randomBytes(lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  for (let offset = 0; offset < lengthBytes; offset += randomDrawBytes) {
    crypto.getRandomValues(bytes.subarray(offset, offset + randomDrawBytes));
  }
  return bytes;
}
