/** The address of a client behind proxies that are trusted, and of nobody else: what other peers claim is not looked at. */
import type { IncomingHttpHeaders } from "node:http";
import { CofferError } from "../../shared/errors.ts";
import { AddressRanges } from "../network/address-ranges.ts";
import { normalizeAddress } from "../network/ip-address.ts";

/**
 * The header that the proxies write. Only one: a proxy passes on what it does not know, so the other one may come from the client as it
 * is.
 */
export type ForwardedHeader = "x-forwarded-for" | "forwarded";

/** The peer of a connection over a socket file, which has no address. */
export const socketFilePeer = "-";

export class TrustedProxies {
  readonly #ranges: AddressRanges;
  readonly #header: ForwardedHeader;
  readonly #trustsSocketFile: boolean;

  /** Takes addresses, ranges ("10.0.0.0/8") and "unix", separated by commas. Throws `usage`. */
  constructor(list: string, header: ForwardedHeader = "x-forwarded-for") {
    const entries = list.split(",").map((text) => text.trim());
    this.#header = header;
    this.#trustsSocketFile = entries.includes("unix");
    this.#ranges = parseRanges(entries.filter((entry) => entry !== "unix"));
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

  #isTrusted(address: string): boolean {
    return address === socketFilePeer ? this.#trustsSocketFile : this.#ranges.has(address);
  }
}

function parseRanges(texts: readonly string[]): AddressRanges {
  try {
    return new AddressRanges(texts);
  } catch (cause) {
    const { message } = cause as CofferError;
    throw new CofferError("usage", `--trusted-proxies ${message}; "unix" stands for proxies on a socket file`, {
      cause,
    });
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
