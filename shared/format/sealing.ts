/**
 * The sealed form of byte strings: IV (16) || AES-256-CTR ciphertext || Poly1305-AES tag (16). This file has what all
 * providers share: sizes, keys and their checks. Source: docs/format.md, sections 2.1 and 2.2.
 */
import { CofferError } from "../errors.ts";
import { copyBytes, isAllZero } from "./bytes.ts";
import type { SealingKey } from "./provider.ts";

export const ivBytes = 16;
export const tagBytes = 16;
/** What sealing adds to the length of a plaintext. */
export const sealedOverheadBytes = 32;
/** A key in one piece: encrypt (32) || mac.k (16) || mac.r (16), as scrypt gives it. */
export const sealingKeyBytes = 64;

/** Splits 64 bytes into a key, in memory of its own. Throws `malformed` on another length or an all-zero part. */
export function parseSealingKey(bytes: Uint8Array): SealingKey {
  if (bytes.length !== sealingKeyBytes) {
    throw new CofferError("malformed", `sealing key expected ${sealingKeyBytes} bytes, got ${bytes.length}`);
  }
  const copy = copyBytes(bytes);
  const key = { encrypt: copy.subarray(0, 32), mac: { k: copy.subarray(32, 48), r: copy.subarray(48, 64) } };
  checkSealingKey(key);
  return key;
}

/**
 * Throws `malformed` when a part has a wrong length or is all zero. The bits of `mac.r` that Poly1305 ignores do not
 * count: with all others zero every message would have the same tag.
 */
export function checkSealingKey(key: SealingKey): void {
  checkKeyPart("encrypt", key.encrypt, 32);
  checkKeyPart("mac.k", key.mac.k, 16);
  checkKeyPart("mac.r", key.mac.r, 16);
  checkKeyPart("mac.r", maskMacR(key.mac.r), 16);
}

function checkKeyPart(name: string, part: Uint8Array, lengthBytes: number): void {
  if (part.length !== lengthBytes) {
    throw new CofferError("malformed", `sealing key's ${name} expected ${lengthBytes} bytes, got ${part.length}`);
  }
  if (isAllZero(part))
    throw new CofferError("malformed", `sealing key's ${name} expected random bytes, got only zeros`);
}

/** `r` as Poly1305 uses it: the top four bits of bytes 3, 7, 11, 15 and the low two bits of bytes 4, 8, 12 cleared. */
export function maskMacR(r: Uint8Array): Uint8Array {
  return r.map((byte, index) => {
    if (index % 4 === 3) return byte & 0x0f;
    return index > 0 && index % 4 === 0 ? byte & 0xfc : byte;
  });
}

/** Throws `internal` unless the IV has 16 bytes that are not all zero: random bytes never are. */
export function checkIvToSeal(iv: Uint8Array): void {
  if (iv.length !== ivBytes || isAllZero(iv)) {
    throw new CofferError(
      "internal",
      `sealing expected a random IV of ${ivBytes} bytes, got ${iv.length} bytes or zeros`,
    );
  }
}

/** Throws `malformed` when sealed bytes are too short, `unauthenticated` when their IV is all zero, which none is. */
export function checkSealed(sealed: Uint8Array): void {
  if (sealed.length < sealedOverheadBytes) {
    throw new CofferError(
      "malformed",
      `sealed bytes expected at least ${sealedOverheadBytes} bytes, got ${sealed.length}`,
    );
  }
  for (let index = 0; index < ivBytes; index++) {
    if (sealed[index] !== 0) return;
  }
  throw new CofferError("unauthenticated", "sealed bytes expected a random IV, got only zeros");
}

/** The error for a tag that does not fit: wrong key, or damaged or forged bytes. */
export function unauthenticatedError(sealedLengthBytes: number): CofferError {
  return new CofferError(
    "unauthenticated",
    `sealed bytes (${sealedLengthBytes}) expected the tag that their key gives, got another: wrong key or damaged data`,
  );
}

/** True when the 16 bytes at `offset` of `sealed` are `tag`; the time does not depend on where they differ. */
export function equalTags(tag: Uint8Array, sealed: Uint8Array, offset: number): boolean {
  let difference = 0;
  for (let index = 0; index < tagBytes; index++) difference |= (tag[index] ?? 256) ^ (sealed[offset + index] ?? 512);
  return difference === 0;
}
