/** HTTP status to error: one table, with what a person can do about it. */
import { CofferError, type ErrorCode } from "../../shared/errors.ts";
import type { HttpResponse } from "./transport.ts";

interface Meaning {
  readonly code: ErrorCode;
  readonly text: string;
}

const meaningOfStatus: Readonly<Record<number, Meaning>> = {
  // Servers that hash what they receive answer so when the bytes were changed or cut on their way.
  400: { code: "hash-mismatch", text: "the server refuses the request or received other bytes than were sent" },
  401: { code: "unauthorized", text: "the server does not accept the user name or password" },
  403: {
    code: "forbidden",
    text: "the server refuses the operation (is it append-only, or the repository another user's?)",
  },
  404: { code: "not-found", text: "does not exist on the server" },
  408: { code: "unavailable", text: "the server waited too long for the request" },
  409: { code: "unavailable", text: "the server reports a conflict with another request" },
  413: { code: "forbidden", text: "the server or a proxy before it refuses a body of this length; raise its limit" },
  416: { code: "out-of-range", text: "the range is not inside the file" },
  425: { code: "unavailable", text: "the server wants the request again" },
  429: { code: "unavailable", text: "the server wants fewer requests" },
  507: { code: "out-of-space", text: "the server's storage is full or the quota is used up" },
};

/** The error that an unexpected status stands for. `data` carries `status` and, if the server named it, `retryAfterMs`. */
export function errorOfStatus(response: HttpResponse, subject: string): CofferError {
  const { status } = response;
  const { code, text } = meaningOfStatus[status] ?? meaningOfClass(response);
  const detail = textOf(response);
  const retryAfterMs = retryAfterOf(response);
  return new CofferError(code, `${subject}: ${text} (HTTP status ${status}${detail === "" ? "" : `: ${detail}`})`, {
    data: retryAfterMs === undefined ? { status } : { status, retryAfterMs },
  });
}

function meaningOfClass({ status, headers }: HttpResponse): Meaning {
  if (status === 501 || status === 505) return { code: "unsupported", text: "the server cannot do this" };
  if (status >= 500) return { code: "unavailable", text: "the server failed" };
  if (status >= 300 && status < 400) {
    const target = headers["location"] ?? "elsewhere";
    return {
      code: "unsupported",
      text: `the server redirects to ${target}; use that URL as the repository's location`,
    };
  }
  return { code: "unsupported", text: "the server does not speak restic's REST protocol at this URL" };
}

/** The first line of a plain-text error answer. */
function textOf({ headers, body }: HttpResponse): string {
  if (!(headers["content-type"] ?? "").startsWith("text/plain")) return "";
  const firstLine = new TextDecoder().decode(body.slice(0, 200)).split("\n")[0] ?? "";
  return firstLine.replace(/[^\x20-\x7e]/g, "?").trim();
}

/** `Retry-After` in seconds; its other form, a date, would need the server's clock to be ours. */
function retryAfterOf({ headers }: HttpResponse): number | undefined {
  const value = headers["retry-after"];
  return value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) * 1000 : undefined;
}
