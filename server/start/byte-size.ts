/** Sizes as people write them on a command line. */
import { CofferError } from "../../shared/errors.ts";

const powers: Readonly<Record<string, number>> = { "": 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** Bytes, or a number with K, M, G, T or P (powers of 1024, also as "KiB"). Throws `usage` with the name of the option. */
export function parseByteSize(option: string, text: string): number {
  const match = /^(\d{1,15})([kmgtp]?)(?:i?b)?$/i.exec(text);
  const sizeBytes = Number(match?.[1] ?? Number.NaN) * 1024 ** (powers[(match?.[2] ?? "").toLowerCase()] ?? 0);
  if (!Number.isSafeInteger(sizeBytes)) {
    throw new CofferError("usage", `${option} expected a size like 500M or 1073741824, got ${JSON.stringify(text)}`);
  }
  return sizeBytes;
}
