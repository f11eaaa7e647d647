/** How failures of single items are worded: as the system says it, subject first, in the words that scripts know. */
import { getSystemErrorMap } from "node:util";
import { CofferError } from "../../shared/errors.ts";
import { displayBytes } from "./byte-paths.ts";
import type { PlainError } from "./messages.ts";
import { ListError } from "./walk.ts";

/** What every failure of an item looks like to the outside: the sentence to print, and the system's error as cause. */
export function itemFailure(call: string, path: Uint8Array, error: unknown): CofferError {
  const text = `${call} ${displayBytes(path)}: ${reasonOf(error)}`;
  const prefix = error instanceof ListError ? "openfile for readdirnames failed: " : "";
  return new CofferError("source-unreadable", prefix + text, { cause: error });
}

/** The failure of an entry that the walk could not look at. */
export function entryFailure(path: Uint8Array, error: Error): CofferError {
  if (error instanceof CofferError) return error;
  const { syscall } = (error.cause instanceof Error ? error.cause : error) as NodeJS.ErrnoException;
  return itemFailure(syscall === undefined || syscall === "scandir" ? "open" : syscall, path, error);
}

/** The reason alone, without call and path: "permission denied". */
export function reasonOf(error: unknown): string {
  const { cause } = error instanceof Error ? error : { cause: undefined };
  const { errno, code, message } = plainError(cause instanceof Error ? cause : error);
  if (code === "EIO") return "input/output error";
  const known = errno === undefined ? undefined : getSystemErrorMap().get(errno);
  return known?.[1] ?? message;
}

/** What of an error can be sent to another thread. */
export function plainError(error: unknown): PlainError {
  if (typeof error !== "object" || error === null || !("message" in error)) return { message: String(error) };
  const { message, code, errno } = error as NodeJS.ErrnoException;
  return { message, code, errno };
}
