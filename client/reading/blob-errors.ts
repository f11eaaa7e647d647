/** How messages say that a blob is not what it should be; the words are restic's where it has some. */
import { CofferError, type ErrorCode } from "../../shared/errors.ts";
import type { Id } from "../../shared/format/layout.ts";
import type { BlobType } from "../../shared/format/pack.ts";

export interface BlobFailure {
  readonly code: ErrorCode;
  readonly message: string;
}

/** For example `decrypting blob <data/b667a5a3> from pack c7c2…8d2d failed: ciphertext verification failed`. */
export function describeBlobFailure(type: BlobType, id: Id, packId: Id, failure: BlobFailure): string {
  const blob = `blob <${type}/${id.slice(0, 8)}> from pack ${packId}`;
  switch (failure.code) {
    case "unauthenticated":
      return `decrypting ${blob} failed: ciphertext verification failed`;
    case "malformed":
    case "limit-exceeded":
      return `decoding ${blob} failed: ${failure.message}`;
    case "hash-mismatch":
      return `${blob} is not what its name says: ${failure.message}`;
    default:
      return `loading ${blob} failed: ${failure.message}`;
  }
}

/** A failure of a load that another copy may cure, unlike a server that does not answer. */
export function isDamage(error: unknown): error is CofferError {
  const codes: readonly ErrorCode[] = ["not-found", "out-of-range", "damaged", "hash-mismatch", "malformed"];
  return error instanceof CofferError && codes.includes(error.code);
}
