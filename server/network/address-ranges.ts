/** Ranges of network addresses, of both versions of IP. */
import { BlockList, isIP } from "node:net";
import { CofferError } from "../../shared/errors.ts";
import { normalizeAddress } from "./ip-address.ts";

/** Answers whether an address lies in one of several ranges. */
export class AddressRanges {
  readonly texts: readonly string[];
  readonly #list = new BlockList();

  /** Takes addresses and CIDR ranges ("192.168.0.0/16", "2001:db8::/32", "::1"). Throws `malformed`. */
  constructor(texts: readonly string[]) {
    this.texts = texts;
    for (const text of texts) this.#add(text);
  }

  /** Anything that is no address is in no range. */
  has(address: string): boolean {
    const normal = normalizeAddress(address);
    return normal !== undefined && this.#list.check(normal, isIP(normal) === 4 ? "ipv4" : "ipv6");
  }

  #add(text: string): void {
    const [, address = "", bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
    const version = isIP(address);
    const greatestBits = version === 4 ? 32 : 128;
    const prefixBits = bits === undefined ? greatestBits : Number(bits);
    if (version === 0 || address.includes("%") || prefixBits > greatestBits) {
      throw new CofferError(
        "malformed",
        `expected an address or a range such as 192.168.0.0/16 or 2001:db8::/32, got ${JSON.stringify(text)}`,
      );
    }
    this.#list.addSubnet(address, prefixBits, version === 4 ? "ipv4" : "ipv6");
  }
}
