/** IP addresses as text. */
import { isIP } from "node:net";

/** One spelling for each address: without a zone, and IPv4 as such where it comes inside IPv6. Undefined for what is none. */
export function normalizeAddress(text: string): string | undefined {
  const address = text.replace(/%.*$/s, "").toLowerCase();
  if (isIP(address) === 0) return undefined;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1];
  return mapped ?? address;
}

/** False for names, paths of sockets, and whatever else stands where an address is expected. */
export function isAddress(text: string): boolean {
  return normalizeAddress(text) !== undefined;
}

/** What one customer of a network provider has: the address itself, or of IPv6 the /64 that it lies in. */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const after = tail === "" ? [] : tail.split(":");
    const width = after.length + (tail.includes(".") ? 1 : 0);
    while (groups.length < 8 - width) groups.push("0");
    groups.push(...after);
  }
  const numbers = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${numbers.join(":")}::/64`;
}
