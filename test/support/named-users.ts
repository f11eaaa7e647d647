/** Whoever gives a name is believed: for tests that are about rights, not about passwords. */
import type { Authenticator } from "../../server/auth/authenticator.ts";
import { parseBasicCredentials } from "../../server/auth/basic-credentials.ts";

export const namedUsers: Authenticator = {
  authenticate: async ({ authorization }) => parseBasicCredentials(authorization)?.user,
};

/** The header of a user. */
export function asUser(user: string): string {
  return `Basic ${Buffer.from(`${user}:any`).toString("base64")}`;
}
