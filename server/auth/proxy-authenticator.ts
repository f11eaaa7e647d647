/** Users whom a proxy in front has asked who they are. */
import type { Authenticator, RequestDetails, RequestHeaders } from "./authenticator.ts";
import { isForeignUserName } from "./user-name.ts";

/** Believes a header. Whoever can reach the server without the proxy can be anybody. */
export class ProxyAuthenticator implements Authenticator {
  readonly #header: string;

  constructor(header: string) {
    this.#header = header.toLowerCase();
  }

  /** Only the first header of this name counts, and nothing else of the request. */
  async authenticate(_headers: RequestHeaders, details: RequestDetails): Promise<string | undefined> {
    const [value = ""] = details.headersDistinct[this.#header] ?? [];
    // Node gives each byte of a header as a character; proxies send names in UTF-8.
    const name = Buffer.from(value, "latin1").toString("utf8");
    return isForeignUserName(name) ? name : undefined;
  }
}
