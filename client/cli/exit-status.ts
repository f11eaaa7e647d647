/** From an error to what the program says last and the code it ends with. Source: docs/cli.md, exit codes. */
import { CofferError, type ErrorCode } from "../../shared/errors.ts";

export const exitStatus = {
  success: 0,
  failure: 1,
  /** A snapshot was written, but without something that should be in it. */
  incomplete: 3,
  repositoryMissing: 10,
  locked: 11,
  wrongPassword: 12,
  cancelled: 130,
} as const;

export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

const statusOfCode: Partial<Record<ErrorCode, ExitStatus>> = {
  "repository-missing": exitStatus.repositoryMissing,
  locked: exitStatus.locked,
  "wrong-password": exitStatus.wrongPassword,
  cancelled: exitStatus.cancelled,
};

/** Errors that users can do something about begin with `Fatal: `, as scripts expect. */
const fatalCodes: readonly ErrorCode[] = [
  "usage",
  "repository-missing",
  "repository-exists",
  "wrong-password",
  "unsupported",
  "lock-lost",
];

/** An error with the message `Fatal: …`: the command line or the configuration is wrong, or a command failed. */
export function fatalError(message: string, options: { readonly cause?: unknown } = {}): CofferError {
  return new CofferError("usage", message, options);
}

/** The same without `Fatal: `, where restic has none either. */
export function plainError(message: string, options: { readonly cause?: unknown } = {}): CofferError {
  return new CofferError("usage", message, { ...options, data: { isPlain: true } });
}

/** An error of a lower layer behind words of the command's own; its code, and so the exit status, stays. */
export function wrapError(prefix: string, cause: unknown, options: { readonly isFatal?: boolean } = {}): CofferError {
  const code = cause instanceof CofferError ? cause.code : "usage";
  return new CofferError(code, `${prefix}${reasonOf(cause)}`, { cause, data: { isFatal: options.isFatal ?? true } });
}

/** A command that did its work, but not all of it: its last words and its status are its own. */
export class IncompleteWork extends Error {
  readonly status: ExitStatus;

  constructor(status: ExitStatus, message: string) {
    super(message);
    this.status = status;
  }
}

export function exitStatusOf(error: unknown): ExitStatus {
  if (error instanceof IncompleteWork) return error.status;
  const status = error instanceof CofferError ? statusOfCode[error.code] : undefined;
  return status ?? exitStatus.failure;
}

/** The last words on standard error; may be several lines. */
export function finalMessageOf(error: unknown): string {
  if (error instanceof IncompleteWork) return error.message;
  if (!(error instanceof CofferError)) return isSystemError(error) ? reasonOf(error) : describeBug(error);
  const { isPlain, isFatal } = error.data;
  const hasPrefix = isFatal === true || (isPlain !== true && isFatal === undefined && fatalCodes.includes(error.code));
  return hasPrefix ? `Fatal: ${error.message}` : error.message;
}

/** The words of an error, whatever was thrown. */
export function reasonOf(error: unknown): string {
  if (error instanceof CofferError || !isSystemError(error))
    return error instanceof Error ? error.message : String(error);
  const reason = systemReasons[error.code ?? ""];
  if (reason === undefined || error.syscall === undefined) return error.message;
  return `${error.syscall} ${error.path ?? ""}: ${reason}`.replace("  ", " ");
}

const systemReasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  EEXIST: "file exists",
  ENOSPC: "no space left on device",
  EROFS: "read-only file system",
  ELOOP: "too many levels of symbolic links",
  ENAMETOOLONG: "file name too long",
};

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "errno" in error && "syscall" in error;
}

/** Something that should be impossible: whoever reports it needs to know where. */
function describeBug(error: unknown): string {
  return `internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}
