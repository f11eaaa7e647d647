/** Who is it? */
import type { Socket } from "node:net";

/** What an authenticator looks at first: the headers of a request, as Node joins them. */
export interface RequestHeaders {
  readonly authorization?: string | undefined;
}

/** What else a request tells; Node's own request has all of it. */
export interface RequestDetails {
  /** The connection: its peer and, over TLS, the peer's certificate. */
  readonly socket: Socket;
  /** All values of each header, in the order in which they came. */
  readonly headersDistinct: Readonly<Record<string, readonly string[] | undefined>>;
}

export interface Authenticator {
  /**
   * The name of the user, or undefined when nobody that we know has proved who they are. Throws `limit-exceeded` when too many
   * wait for an answer already.
   */
  authenticate(headers: RequestHeaders, details: RequestDetails): Promise<string | undefined>;
}

/** Everybody is let in, as a user without a name. */
export const noAuthentication: Authenticator = { authenticate: async () => "" };
