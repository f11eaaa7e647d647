/** Sizes as people write them. */
import { CofferError } from "../../shared/errors.ts";

const units: ReadonlyMap<string, number> = new Map([
  ["B", 1],
  ["kB", 1e3],
  ["KB", 1e3],
  ["MB", 1e6],
  ["GB", 1e9],
  ["TB", 1e12],
  ["PB", 1e15],
  ["KiB", 2 ** 10],
  ["MiB", 2 ** 20],
  ["GiB", 2 ** 30],
  ["TiB", 2 ** 40],
  ["PiB", 2 ** 50],
]);

/** Bytes of a size such as "500GiB", "1.5 TB" or "1000000". Throws `malformed`; zero is no size either. */
export function parseSize(text: string): number {
  const [, number = "", unit = "B"] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)?$/.exec(text) ?? [];
  const factor = units.get(unit);
  const bytes = number === "" || factor === undefined ? Number.NaN : Math.floor(Number(number) * factor);
  if (!Number.isSafeInteger(bytes) || bytes === 0) {
    throw new CofferError(
      "malformed",
      `expected a size such as 500GiB or 1TB (bytes, kB to PB or KiB to PiB, more than 0), got ${JSON.stringify(text)}`,
    );
  }
  return bytes;
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
