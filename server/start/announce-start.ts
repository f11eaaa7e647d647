/** The last step of every start. */
import { rm } from "node:fs/promises";
import type { ListenAddress } from "../listening/listen.ts";
import type { FirstUser } from "./first-user.ts";
import { tellFirstUser } from "./open-authentication.ts";
import { describeTls } from "./open-tls.ts";
import type { ServerOptions } from "./options.ts";

type Log = (line: string) => void;

/** Starts to listen, and tells of it as rest-server does. */
export async function announceStart(
  options: ServerOptions,
  address: ListenAddress,
  firstUser: FirstUser | undefined,
  start: () => Promise<string>,
  log: Log,
): Promise<void> {
  const place = await start().catch(async (error: unknown) => {
    // Nobody has seen the password: the next start shall make another one, and show it.
    if (firstUser !== undefined) await rm(options.htpasswdFile, { force: true });
    throw error;
  });
  if (firstUser !== undefined) tellFirstUser(firstUser, options.htpasswdFile, log);
  log(address.kind === "descriptor" ? "systemd socket activation mode" : `start server on ${place}`);
  if (options.tls) log(describeTls(options));
}
