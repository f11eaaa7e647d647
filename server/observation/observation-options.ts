/** The flags for metrics, logs, health and the safety of browsers, from text to what they mean. */
import { CofferError } from "../../shared/errors.ts";
import type { AccessLogFormat } from "../http/access-log.ts";
import { parseAllowedOrigins } from "../http/cross-site.ts";
import { type ForwardedHeader, TrustedProxies } from "../http/trusted-proxies.ts";
import { parseSize } from "../sizes.ts";

export interface ObservationOptions {
  readonly metrics: "off" | "for-users" | "for-everybody";
  readonly accessLogFormat: AccessLogFormat;
  /** A file, or "-" for standard output. Absent: no audit log. */
  readonly auditLog?: string;
  readonly trustedProxies?: TrustedProxies;
  readonly allowedOrigins: ReadonlySet<string>;
  /** With less, the server says that it is not ready. */
  readonly minimumFreeBytes: number;
}

/** Flags as the command line gives them: absent, when they were not given. */
export interface ObservationFlags {
  readonly prometheus: boolean;
  readonly prometheusNoAuth: boolean;
  readonly logFormat: string | undefined;
  readonly auditLog: string | undefined;
  readonly trustedProxies: string | undefined;
  readonly forwardedHeader: string | undefined;
  readonly allowOrigin: string | undefined;
  readonly minFreeSpace: string | undefined;
  readonly listen: string | undefined;
}

/** Throws `usage` with a message that names what is wrong. */
export function parseObservation(flags: ObservationFlags): ObservationOptions {
  const { prometheus, prometheusNoAuth, auditLog, trustedProxies, allowOrigin, minFreeSpace } = flags;
  const header = parseForwardedHeader(flags.forwardedHeader ?? "X-Forwarded-For");
  if (flags.forwardedHeader !== undefined && trustedProxies === undefined) {
    usage("--forwarded-header says what trusted proxies send: give their addresses with --trusted-proxies");
  }
  // Whoever resets a connection at the right moment has no address either.
  if (/(?:^|,)\s*unix\s*(?:,|$)/.test(trustedProxies ?? "") && flags.listen?.startsWith("unix:") === false) {
    usage('--trusted-proxies can have "unix" only for a server that listens on a socket file');
  }
  return {
    // As with rest-server, the second flag alone does nothing.
    metrics: prometheus ? (prometheusNoAuth ? "for-everybody" : "for-users") : "off",
    accessLogFormat: parseLogFormat(flags.logFormat ?? "combined"),
    allowedOrigins: allowOrigin === undefined ? new Set() : parseAllowedOrigins(allowOrigin),
    minimumFreeBytes: parseMinimumFree(minFreeSpace ?? "0"),
    ...(auditLog === undefined ? {} : { auditLog }),
    ...(trustedProxies === undefined ? {} : { trustedProxies: new TrustedProxies(trustedProxies, header) }),
  };
}

function parseLogFormat(text: string): AccessLogFormat {
  if (text === "combined" || text === "json") return text;
  return usage(`--log-format expected combined or json, got ${JSON.stringify(text)}`);
}

function parseForwardedHeader(text: string): ForwardedHeader {
  const header = text.toLowerCase();
  if (header === "x-forwarded-for" || header === "forwarded") return header;
  return usage(`--forwarded-header expected X-Forwarded-For or Forwarded, got ${JSON.stringify(text)}`);
}

function parseMinimumFree(text: string): number {
  if (text === "0") return 0;
  try {
    return parseSize(text);
  } catch (cause) {
    return usage(`--min-free-space ${(cause as CofferError).message}; 0 demands nothing`);
  }
}

function usage(message: string): never {
  throw new CofferError("usage", message);
}
