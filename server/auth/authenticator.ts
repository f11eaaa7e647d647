/** Who is it? */

/** What an authenticator looks at: the headers of a request. */
export interface RequestHeaders {
  readonly authorization?: string | undefined;
}

export interface Authenticator {
  /**
   * The name of the user, or undefined when nobody that we know has proved who they are. Throws `limit-exceeded` when too many
   * wait for an answer already.
   */
  authenticate(headers: RequestHeaders): Promise<string | undefined>;
}

/** Everybody is let in, as a user without a name. */
export const noAuthentication: Authenticator = { authenticate: async () => "" };
