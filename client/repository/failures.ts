/** Errors of a repository: which of them mean that stored bytes are bad, and how they are told. */
import { CofferError, hasErrorCode } from "../../shared/errors.ts";

/** True when stored bytes are not what they must be; false for failures of network, storage and caller. */
export function isDamage(error: unknown): error is CofferError {
  return hasErrorCode(
    error,
    "damaged",
    "hash-mismatch",
    "malformed",
    "unauthenticated",
    "unsupported",
    "limit-exceeded",
    "out-of-range",
  );
}

/** True for our errors, except those that end the whole command: cancellation and the loss of the lock. */
export function isFailure(error: unknown): error is CofferError {
  return error instanceof CofferError && error.code !== "cancelled" && error.code !== "lock-lost";
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An options object with the signal, or without the field when there is none. */
export function signalOption(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
