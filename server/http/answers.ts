/** Short answers, and the one table from error codes to HTTP statuses. Source: the response conventions of docs/protocol.md. */
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Answer } from "./locals.ts";
import { statusTexts } from "./node-http.ts";

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

/** Success without a body: no content type, a length of zero. */
export function answerEmpty(response: ServerResponse): void {
  response.writeHead(200, { "Content-Length": "0" });
  response.end();
}

/** The usual answer to what cannot be done: a line of plain text, by default the phrase of the status. */
export function answerProblem(
  response: Answer,
  status: number,
  headers: OutgoingHttpHeaders = {},
  text: string = statusTexts[status] ?? "Unknown",
): void {
  const body = `${text}\n`;
  response.writeHead(status, {
    "Content-Type": "text/plain; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "Content-Length": String(Buffer.byteLength(body)),
    // Announced, so that the client does not take the end of the connection for a failure of its upload.
    ...(response.locals.body.costsConnection ? { Connection: "close" } : {}),
    ...headers,
  });
  response.end(body);
}
