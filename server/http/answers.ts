/** Short answers. Source: the response conventions of docs/protocol.md. */
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Answer } from "./locals.ts";
import { statusTexts } from "./node-http.ts";

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
