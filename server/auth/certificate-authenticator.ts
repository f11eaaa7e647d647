/** Users who log in with a certificate, as the other end of a TLS connection. */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Authenticator, RequestDetails, RequestHeaders } from "./authenticator.ts";
import { isUserName } from "./user-name.ts";

/** Nobody: for servers where a certificate is the only way in. */
export const refuseEverybody: Authenticator = { authenticate: async () => undefined };

interface Holder {
  readonly user: string;
  readonly validUntilMs: number;
}

/**
 * The user is the common name of a certificate that the TLS layer has found to be good; then nothing else of the request is looked at.
 * Everybody else is asked by another authenticator.
 */
export class CertificateAuthenticator implements Authenticator {
  readonly #others: Authenticator;
  readonly #log: (line: string) => void;
  readonly #nowMs: () => number;
  /** A connection has one certificate for all of its requests. */
  readonly #holders = new WeakMap<Socket, Holder | undefined>();

  constructor(others: Authenticator, log: (line: string) => void, nowMs: () => number = Date.now) {
    this.#others = others;
    this.#log = log;
    this.#nowMs = nowMs;
  }

  async authenticate(headers: RequestHeaders, details: RequestDetails): Promise<string | undefined> {
    const holder = this.#holderOf(details.socket);
    if (holder === undefined) return this.#others.authenticate(headers, details);
    // A connection can outlive its certificate.
    return this.#nowMs() <= holder.validUntilMs ? holder.user : undefined;
  }

  #holderOf(socket: Socket): Holder | undefined {
    if (!this.#holders.has(socket)) this.#holders.set(socket, this.#identify(socket));
    return this.#holders.get(socket);
  }

  #identify(socket: Socket): Holder | undefined {
    // A resumed session of TLS 1.3 counts as authorized without any certificate, so there has to be one.
    if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
    const certificate = socket.getPeerCertificate();
    // Nothing but the types says that there is a subject, or one name in it.
    const subject = certificate.subject as unknown as Record<string, unknown> | undefined;
    if (subject === undefined) return undefined;
    const name = subject["CN"];
    if (typeof name === "string" && isUserName(name)) {
      return { user: name, validUntilMs: Date.parse(certificate.valid_to) };
    }
    const wanted = "one common name of letters, digits and @._-";
    this.#log(`Ignoring a client certificate: expected ${wanted}, got ${JSON.stringify(name)}`);
    return undefined;
  }
}
