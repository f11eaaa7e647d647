/** Pages: small answers that are about the server itself. */
import { answerProblem } from "../http/answers.ts";
import type { Answer, ServerRequest } from "../http/locals.ts";

export interface PageContent {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** Makes its content anew for every request. */
export type Page = () => PageContent | Promise<PageContent>;

const pageMethods = "GET, HEAD";

/** Whoever shows a page in a browser by accident gets text that can load, send and embed nothing. */
const pageHeaders: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
};

/** To be called before the answer, whatever it will be. */
export function setPageHeaders(response: Answer): void {
  for (const [name, value] of Object.entries(pageHeaders)) response.setHeader(name, value);
}

/** Answers GET and HEAD with the content, and other methods with 405. */
export async function answerPage(request: ServerRequest, response: Answer, page: Page): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return answerProblem(response, 405, { Allow: pageMethods });
  }
  const { status, contentType, text } = await page();
  response.writeHead(status, { "Content-Type": contentType, "Content-Length": String(Buffer.byteLength(text)) });
  response.end(request.method === "HEAD" ? undefined : text);
}

export function jsonPage(value: unknown, status = 200): PageContent {
  return { status, contentType: "application/json", text: `${JSON.stringify(value)}\n` };
}
