import { hasErrorCode } from "../../shared/errors.ts";

/** The message of the `malformed` that an action has to throw. */
export function malformedMessage(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (hasErrorCode(error, "malformed")) return error.message;
    throw error;
  }
  throw new Error("expected a complaint");
}
