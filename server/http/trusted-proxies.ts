/** The address of a client behind proxies that are trusted, and of nobody else: what other peers claim is not looked at. */
import type { IncomingHttpHeaders } from "node:http";
import { BlockList, isIP } from "node:net";
import { CofferError } from "../../shared/errors.ts";
import { normalizeAddress } from "./ip-address.ts";

/**
 * The header that the proxies write. Only one: a proxy passes on what it does not know, so the other one may come from the client as it
 * is.
 */
export type ForwardedHeader = "x-forwarded-for" | "forwarded";

/** The peer of a connection over a socket file, which has no address. */
export const socketFilePeer = "-";

export class TrustedProxies {
  readonly #networks = new BlockList();
  readonly #header: ForwardedHeader;
  #trustsSocketFile = false;

  /** Takes addresses, networks ("10.0.0.0/8") and "unix", separated by commas. Throws `usage`. */
  constructor(networks: string, header: ForwardedHeader = "x-forwarded-for") {
    this.#header = header;
    for (const entry of networks.split(",").map((text) => text.trim())) this.#add(entry);
  }

  /** Goes from the peer towards the client as long as who says so is trusted. */
  clientOf(peerAddress: string, headers: IncomingHttpHeaders): string {
    let client = peerAddress;
    const header = headers[this.#header];
    if (header === undefined || !this.#isTrusted(client)) return client;
    const text = Array.isArray(header) ? header.join(",") : header;
    for (const hop of text.split(",").reverse()) {
      const address = parseHop(this.#header === "forwarded" ? forOf(hop) : hop);
      if (address === undefined) return client;
      client = address;
      if (!this.#isTrusted(client)) return client;
    }
    return client;
  }

  #add(entry: string): void {
    if (entry === "unix") {
      this.#trustsSocketFile = true;
      return;
    }
    const [text = "", prefix, ...rest] = entry.split("/");
    const family = isIP(text);
    const widest = family === 4 ? 32 : 128;
    const bits = prefix === undefined ? widest : Number(/^\d{1,3}$/.test(prefix) ? prefix : Number.NaN);
    if (family === 0 || rest.length > 0 || !(bits <= widest)) {
      const expected = 'expected addresses and networks like "10.0.0.0/8,fd00::/8", or "unix"';
      throw new CofferError("usage", `--trusted-proxies ${expected}, got ${JSON.stringify(entry)}`);
    }
    this.#networks.addSubnet(text, bits, family === 4 ? "ipv4" : "ipv6");
  }

  #isTrusted(address: string): boolean {
    if (address === socketFilePeer) return this.#trustsSocketFile;
    const family = isIP(address);
    return family !== 0 && this.#networks.check(address, family === 4 ? "ipv4" : "ipv6");
  }
}

/**
 * The value of `for` in one element of RFC 7239; empty when it has none. Elements are split at every comma, also in quotes: what a
 * client left open in quotes must not swallow what the proxy has added, and no address has a comma.
 */
function forOf(element: string): string {
  return /(?:^|;)\s*for\s*=\s*"?([^";]*)/i.exec(element)?.[1] ?? "";
}

/** `1.2.3.4`, `1.2.3.4:5`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:5`. Undefined for names like "unknown". */
function parseHop(text: string): string | undefined {
  const trimmed = text.trim();
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(trimmed)?.[1];
  const withPort = /^([\d.]+):\d+$/.exec(trimmed)?.[1];
  return normalizeAddress(bracketed ?? withPort ?? trimmed);
}
