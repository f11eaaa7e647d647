/** The Authorization header of the Basic scheme. */

export interface Credentials {
  readonly user: string;
  /** As the client sent it, whatever its encoding. */
  readonly password: Uint8Array;
}

/** Undefined for anything that is not a well-formed Basic header. */
export function parseBasicCredentials(header: string | undefined): Credentials | undefined {
  const match = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header ?? "");
  const encoded = match?.[1];
  if (encoded === undefined || encoded.length % 4 !== 0) return undefined;
  const decoded = Buffer.from(encoded, "base64");
  const colon = decoded.indexOf(":");
  if (colon < 0) return undefined;
  return { user: decoded.toString("utf8", 0, colon), password: decoded.subarray(colon + 1) };
}
