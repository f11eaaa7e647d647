/** Sizes as people write them. */
import { CofferError } from "../shared/errors.ts";

const powers = "kmgtp";

/**
 * Bytes of a size such as "500GiB", "1.5 TB" or "1000000": kB to PB are powers of 1000, KiB to PiB and K to P powers of 1024. Throws
 * `malformed`; zero is no size either.
 */
export function parseSize(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text) ?? [];
  const bytes = number === "" ? Number.NaN : Math.floor(Number(number) * factorOf(unit));
  if (!Number.isSafeInteger(bytes) || bytes === 0) {
    throw new CofferError(
      "malformed",
      `expected a size such as 500GiB or 1TB (bytes, kB to PB, or KiB to PiB, more than 0), got ${JSON.stringify(text)}`,
    );
  }
  return bytes;
}

/** Not a number for what is no unit: so are "mb" and "Mb", which may mean anything. */
function factorOf(unit: string): number {
  if (/^b?$/i.test(unit)) return 1;
  const power = powers.indexOf(unit.charAt(0).toLowerCase()) + 1;
  if (/^(?:[kK]|[MGTP])B$/.test(unit)) return 1000 ** power;
  return /^[kmgtp](?:ib)?$/i.test(unit) ? 1024 ** power : Number.NaN;
}

/** A size for a message, with two digits after the point at most. */
export function formatSize(bytes: number): string {
  const names = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let step = 0;
  while (value >= 1024 && step < names.length - 1) {
    value /= 1024;
    step += 1;
  }
  return `${Number(value.toFixed(2))} ${names[step]}`;
}
