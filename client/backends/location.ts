/** Where a repository is: the text that users give, taken apart and made fit for messages. */
import { CofferError } from "../../shared/errors.ts";

interface LocalLocation {
  readonly kind: "local";
  readonly path: string;
}

export interface RestLocation {
  readonly kind: "rest";
  /** Scheme, host and port: "https://host:8000". */
  readonly origin: string;
  /** Set for servers that listen on a Unix socket. */
  readonly socketPath?: string;
  /** The repository's path, escaped, beginning and ending with "/". */
  readonly basePath: string;
  /** Decoded; absent when the URL names neither user nor password. */
  readonly credentials?: { readonly username: string; readonly password: string };
}

export type Location = LocalLocation | RestLocation;

/** Schemes of restic that this program does not have. */
const unsupportedSchemes = ["sftp", "s3", "b2", "azure", "gs", "swift", "rclone"];

/**
 * Understands `rest:http(s)://[user:password@]host[:port]/[path/]`, `rest:http(s)+unix:///path/to.socket:/path/`, `local:PATH` and
 * plain paths. Throws `usage`.
 */
export function parseLocation(text: string): Location {
  if (text === "") throw new CofferError("usage", "repository location expected a path or a URL, got nothing");
  const colon = text.indexOf(":");
  const scheme = colon === -1 ? "" : text.slice(0, colon);
  const rest = text.slice(colon + 1);
  if (scheme === "rest") return parseRest(rest, text);
  if (scheme === "local") {
    if (rest === "") throw new CofferError("usage", "repository location expected a path after local:, got nothing");
    return { kind: "local", path: rest };
  }
  if (unsupportedSchemes.includes(scheme)) {
    throw new CofferError(
      "usage",
      `repository location: the backend "${scheme}" is not supported; use rest: or a local path`,
    );
  }
  if (colon !== -1 && !looksLikePath(text)) {
    const message = `repository location "${stripPassword(text)}": unknown backend "${scheme}"; for a local path write local:${text}`;
    throw new CofferError("usage", message);
  }
  return { kind: "local", path: text };
}

/** The location with its password replaced by `***`; any other text unchanged. Never throws. */
export function stripPassword(text: string): string {
  // Up to the last @ before the path: passwords written without escapes may hold one themselves.
  return text.replace(/^((?:rest:)?https?(?:\+unix)?:\/\/[^:/@]*):[^/]*@/, "$1:***@");
}

function looksLikePath(text: string): boolean {
  return /^(?:\/|\.{1,2}\/|\\|[A-Za-z]:[\\/])/.test(text);
}

function parseRest(text: string, whole: string): RestLocation {
  const unix = /^(https?)\+unix:\/\/(\/[^:]+):(\/.*)$/.exec(text);
  const url = parseUrl(unix ? `${unix[1]}://localhost${unix[3]}` : text, whole);
  const location: RestLocation = { kind: "rest", origin: url.origin, basePath: withSlash(url.pathname) };
  const hasCredentials = url.username !== "" || url.password !== "";
  const username = decode(url.username);
  const password = decode(url.password);
  return {
    ...location,
    ...(unix?.[2] === undefined ? {} : { socketPath: unix[2] }),
    ...(hasCredentials ? { credentials: { username, password } } : {}),
  };
}

function parseUrl(text: string, whole: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    // Where the password ends cannot be told in text that is no URL: hide all that may be one.
    const shown = whole.replace(/:\/\/.*@/, "://***@");
    const message = `repository location "${shown}": expected rest:http://host:port/path/ or rest:https://...`;
    throw new CofferError("usage", message);
  }
  if (url.search !== "" || url.hash !== "") {
    throw new CofferError(
      "usage",
      `repository location "${stripPassword(whole)}": a query or fragment makes no sense here`,
    );
  }
  return url;
}

function withSlash(path: string): string {
  return path.endsWith("/") ? path : `${path}/`;
}

/** Percent-decoded; text with a stray percent sign is taken as it is. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
