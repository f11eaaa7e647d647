/** The one table from error codes to HTTP statuses. Source: the response conventions of docs/protocol.md. */
import type { ErrorCode } from "../../shared/errors.ts";

const statusesOfErrors: Readonly<Partial<Record<ErrorCode, number>>> = {
  malformed: 400,
  "hash-mismatch": 400,
  unauthorized: 401,
  forbidden: 403,
  "already-exists": 403,
  "not-found": 404,
  "request-timeout": 408,
  "out-of-range": 416,
  "limit-exceeded": 503,
  "out-of-space": 507,
};

/** What is not in the table is the server's own trouble: 500, which clients try again. */
export function statusOfError(code: ErrorCode): number {
  return statusesOfErrors[code] ?? 500;
}
