/** Sizes as flags take them: an integer and one letter of b, k, m, g, t, of which each is 1024 times the one before. */
import { CofferError } from "../../shared/errors.ts";

const factors: Readonly<Record<string, bigint>> = {
  b: 1n,
  k: 1024n,
  m: 1024n ** 2n,
  g: 1024n ** 3n,
  t: 1024n ** 4n,
};
const maxSize = 2n ** 63n - 1n;

/**
 * The number of bytes; undefined for the empty text, which switches a limit off. Throws `usage` on fractions, other units, negative
 * numbers and numbers that 63 bits do not hold. The texts are those that scripts know from restic.
 */
export function parseSize(text: string): number | undefined {
  if (text === "") return undefined;
  const factor = factors[text.slice(-1).toLowerCase()];
  const digits = factor === undefined ? text : text.slice(0, -1);
  if (!/^[+-]?\d+$/.test(digits)) {
    throw new CofferError("usage", `strconv.ParseInt: parsing ${JSON.stringify(digits)}: invalid syntax`);
  }
  const number = BigInt(digits.replace(/^\+/, ""));
  const size = number * (factor ?? 1n);
  if (number > maxSize) {
    throw new CofferError("usage", `strconv.ParseInt: parsing ${JSON.stringify(digits)}: value out of range`);
  }
  if (size < 0n || size > maxSize) {
    throw new CofferError("usage", `ParseSize: ${JSON.stringify(text)}: value out of range`);
  }
  return Number(size);
}
