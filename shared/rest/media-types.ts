/** Media types of the REST protocol, and how a request chooses between them. Source: docs/protocol.md. */

/** Version 1 lists names; version 2 lists names with sizes. */
export type ProtocolVersion = 1 | 2;

export const listMediaTypes: Readonly<Record<ProtocolVersion, string>> = {
  1: "application/vnd.x.restic.rest.v1",
  2: "application/vnd.x.restic.rest.v2",
};

/** The type of every stored file's content. */
export const objectMediaType = "application/octet-stream";

/**
 * The version of the list that a request with this `Accept` header gets: 2 only when it is exactly version 2's type,
 * without parameters or alternatives; whatever else a client sends, version 1 is what it can read.
 */
export function listVersionFor(accept: string | undefined): ProtocolVersion {
  return accept === listMediaTypes[2] ? 2 : 1;
}

/** The version of a list that came with this `Content-Type`: again, only the exact type means version 2. */
export function listVersionOf(contentType: string | undefined): ProtocolVersion {
  return contentType === listMediaTypes[2] ? 2 : 1;
}
