/**
 * AWS Signature Version 4 for S3, with the signature in the header. Source: "Authenticating Requests: Using the Authorization
 * Header" of the Amazon S3 API reference. Pure: time and keys are arguments.
 */
import { createHash, createHmac } from "node:crypto";
import type { S3Credentials } from "./settings.ts";

export interface UnsignedRequest {
  readonly method: string;
  /** Host and port as the header has them. */
  readonly host: string;
  /** As it is sent: escaped by `escapePath`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Lower-case names. All of them are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** The SHA-256 of the body, in hex. */
  readonly bodyHash: string;
}

export interface SigningContext {
  readonly credentials: S3Credentials;
  readonly region: string;
  readonly timeMs: number;
}

const algorithm = "AWS4-HMAC-SHA256";

/** The SHA-256 of no bytes. */
export const emptyHash: string = createHash("sha256").digest("hex");

/** The headers of a request with those that sign it. `host` is not among them: every client sends it by itself. */
export function signRequest(request: UnsignedRequest, context: SigningContext): Record<string, string> {
  const { credentials, region, timeMs } = context;
  const timestamp = new Date(timeMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
  const scope = `${timestamp.slice(0, 8)}/${region}/s3/aws4_request`;
  const headers: Record<string, string> = {
    ...request.headers,
    "x-amz-content-sha256": request.bodyHash,
    "x-amz-date": timestamp,
    ...(credentials.sessionToken === undefined ? {} : { "x-amz-security-token": credentials.sessionToken }),
  };
  const signed = Object.entries({ ...headers, host: request.host }).sort(byFirst);
  const names = signed.map(([name]) => name).join(";");
  const canonicalRequest = [
    request.method,
    request.path,
    canonicalQuery(request.query ?? {}),
    ...signed.map(([name, value]) => `${name}:${value.trim().replaceAll(/ +/g, " ")}`),
    "",
    names,
    request.bodyHash,
  ].join("\n");
  const text = [algorithm, timestamp, scope, createHash("sha256").update(canonicalRequest).digest("hex")].join("\n");
  const signature = createHmac("sha256", signingKey(credentials.secretAccessKey, scope)).update(text).digest("hex");
  headers["authorization"] =
    `${algorithm} Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return headers;
}

/** The query as it is sent and signed: sorted by name. */
export function canonicalQuery(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => [escapeText(name), escapeText(value)] as const)
    .sort(byFirst)
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

/** Escapes everything in a path but slashes and what is unreserved. */
export function escapePath(path: string): string {
  return path.split("/").map(escapeText).join("/");
}

function escapeText(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function byFirst([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : 1;
}

/** The key of a day, region and service. */
function signingKey(secret: string, scope: string): Buffer {
  let key = Buffer.from(`AWS4${secret}`);
  for (const part of scope.split("/")) key = createHmac("sha256", key).update(part).digest();
  return key;
}
