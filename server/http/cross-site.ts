/**
 * Pages of other sites that a browser shows must not reach anything here: neither with a password that the browser remembers, nor because
 * the server lets everybody in, nor because it stands in the browser's own network. Backup clients send none of these headers.
 */
import { CofferError } from "../../shared/errors.ts";
import { answerProblem } from "./answers.ts";
import type { Answer, ServerRequest, Step } from "./locals.ts";

/** Takes origins ("https://example.org:8443") separated by commas. Throws `usage`. */
export function parseAllowedOrigins(text: string): ReadonlySet<string> {
  const origins = text.split(",").map((origin) => origin.trim());
  for (const origin of origins) {
    if (URL.canParse(origin) && /^https?:$/.test(new URL(origin).protocol) && new URL(origin).origin === origin)
      continue;
    const expected =
      'expected origins as browsers send them, like "https://example.org" (in lower case, without a path)';
    throw new CofferError("usage", `--allow-origin ${expected}, got ${JSON.stringify(origin)}`);
  }
  return new Set(origins);
}

/** Answers 403 to requests of other sites, before anything else happens. Pages of the allowed origins get what CORS needs. */
export function refuseCrossSite(allowedOrigins: ReadonlySet<string>): Step {
  return (request, response, next) => {
    if (allowedOrigins.size > 0) response.vary("Origin");
    const { origin } = request.headers;
    if (origin !== undefined && allowedOrigins.has(origin)) {
      if (allowOrigin(request, response, origin)) return;
    } else if (isCrossSite(request)) {
      return answerProblem(response, 403, {}, "requests from pages of other sites are refused");
    }
    next();
  };
}

function isCrossSite({ headers }: ServerRequest): boolean {
  // Browsers set it themselves, and no page can change it.
  const site = headers["sec-fetch-site"];
  if (site !== undefined) return site !== "same-origin" && site !== "none";
  const { origin, host } = headers;
  if (origin === undefined) return false;
  return origin.replace(/^https?:\/\//, "").toLowerCase() !== host?.toLowerCase();
}

const allowedMethods = "GET, HEAD, POST, DELETE";
const allowedHeaders = "Authorization, Accept, Content-Type, Range";
const exposedHeaders = "Accept-Ranges, Content-Range, Retry-After";
const preflightLifetimeSeconds = "600";

/** Returns true when the request was only a question whether another one would be allowed, and is answered. */
function allowOrigin(request: ServerRequest, response: Answer, origin: string): boolean {
  response.setHeader("Access-Control-Allow-Origin", origin);
  if (request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined) {
    response.writeHead(204, {
      "Access-Control-Allow-Methods": allowedMethods,
      "Access-Control-Allow-Headers": allowedHeaders,
      "Access-Control-Max-Age": preflightLifetimeSeconds,
    });
    response.end();
    return true;
  }
  response.setHeader("Access-Control-Expose-Headers", exposedHeaders);
  return false;
}
