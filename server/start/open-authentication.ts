/** From the options to what finds out who asks. */
import { type Authenticator, noAuthentication } from "../auth/authenticator.ts";
import { CertificateAuthenticator, refuseEverybody } from "../auth/certificate-authenticator.ts";
import { HtpasswdAuthenticator } from "../auth/htpasswd-authenticator.ts";
import { ProxyAuthenticator } from "../auth/proxy-authenticator.ts";
import { createFirstUser, type FirstUser } from "./first-user.ts";
import type { ServerOptions } from "./options.ts";

type Log = (line: string) => void;

export interface Authentication {
  readonly authenticator: Authenticator;
  /** The users of the password file, when there is one. */
  readonly htpasswd?: HtpasswdAuthenticator;
  /** Set when one was made now. */
  readonly firstUser?: FirstUser | undefined;
}

/** Throws `unavailable` when the password file cannot be read or made. */
export async function openAuthentication(options: ServerOptions, log: Log): Promise<Authentication> {
  if (!options.authentication) {
    log("Authentication disabled");
    return { authenticator: noAuthentication };
  }
  if (options.proxyUserHeader !== undefined) {
    log("Proxy Authentication enabled.");
    return { authenticator: new ProxyAuthenticator(options.proxyUserHeader) };
  }
  log("Authentication enabled");
  if (options.tlsClientAuthorities === undefined) {
    const opened = await openHtpasswd(options, log);
    return { ...opened, authenticator: opened.htpasswd };
  }
  log(`Client certificates ${options.tlsClientAuthentication}, authorities ${options.tlsClientAuthorities}`);
  // Nobody gets as far as a password when certificates are required.
  if (options.tlsClientAuthentication === "required") {
    return { authenticator: new CertificateAuthenticator(refuseEverybody, log) };
  }
  const opened = await openHtpasswd(options, log);
  return { ...opened, authenticator: new CertificateAuthenticator(opened.htpasswd, log) };
}

async function openHtpasswd(
  options: ServerOptions,
  log: Log,
): Promise<{ readonly htpasswd: HtpasswdAuthenticator; readonly firstUser: FirstUser | undefined }> {
  const firstUser = options.createFirstUser ? await createFirstUser(options.htpasswdFile) : undefined;
  const htpasswd = await HtpasswdAuthenticator.open(options.htpasswdFile, log);
  log(`Loaded htpasswd file ${options.htpasswdFile}`);
  return { htpasswd, firstUser };
}

/** Once: only the hash is kept. */
export function tellFirstUser({ user, password }: FirstUser, htpasswdFile: string, log: Log): void {
  log(`Created the first user in ${htpasswdFile}. The password is shown only this once:`);
  log(`    user      ${user}`);
  log(`    password  ${password}`);
}
