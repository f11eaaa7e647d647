/** Errors of the operating system, by their codes. */

/** "ENOENT" and the like; undefined for anything that is no system error. */
export function systemCodeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** True when the error is the system's with one of these codes. */
export function hasSystemCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(systemCodeOf(error) ?? "");
}
