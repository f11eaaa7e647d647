/**
 * The catalogue of error codes. A code is stable: exit statuses, HTTP statuses and retry decisions are looked up by
 * it, never by the text of a message.
 */
export const errorCodes = {
  unauthenticated: "a sealed byte string does not carry the tag that the key gives it",
  malformed: "bytes or text do not have the form that the format demands",
  "limit-exceeded": "a size or count read from data is above what the format allows",
  unsupported: "the data is well formed, but of a version or kind that this program does not know",
  "hash-mismatch": "content does not hash to its name",
  "not-found": "a file, blob or snapshot does not exist",
  "already-exists": "a file exists where none may be overwritten",
  "out-of-range": "a range is not wholly inside the file",
  forbidden: "the server or the file system refuses the operation",
  unauthorized: "the server does not accept the credentials",
  "out-of-space": "the storage has no room left, or the quota is used up",
  unavailable: "a temporary failure of network, server or storage; a retry may succeed",
  "request-timeout": "a request made no progress for too long and was cancelled",
  "repository-missing": "there is no repository at the location",
  "repository-exists": "there is a repository at the location already",
  "wrong-password": "no key of the repository opens with the password",
  locked: "another lock is in the way",
  "lock-lost": "the own lock could not be refreshed in time",
  ambiguous: "an abbreviation fits more than one thing",
  usage: "the command line or the configuration is wrong",
  "source-unreadable": "a file or folder that should be saved could not be read",
  damaged: "the repository's content is damaged or incomplete",
  cancelled: "the operation was cancelled by a signal or by its caller",
  internal: "a condition that should be impossible",
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** The one error class of this program: a stable code, a message for people, the cause, and data for programs. */
export class CofferError extends Error {
  override readonly name = "CofferError";
  readonly code: ErrorCode;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; data?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.data = options.data ?? {};
  }
}

/** True when the error, whatever threw it, is one of ours with this code. */
export function hasErrorCode(error: unknown, ...codes: ErrorCode[]): error is CofferError {
  return error instanceof CofferError && codes.includes(error.code);
}
