/**
 * The chunker's polynomial: of degree 53 over GF(2), irreducible, bit i of the integer being the coefficient of x^i.
 * Everybody who writes to a repository must use the same one, or nothing deduplicates; so it is in the config.
 * Source: docs/format.md, sections 3.1 and 3.2.
 */
import { CofferError } from "../errors.ts";

/** The degree that the chunker's arithmetic needs. */
const polynomialDegree = 53;

const topBit = 1n << 53n;
/** About one candidate in 26 is irreducible: so many in vain, and the bytes are not random (chance 10^-170). */
const maxCandidates = 10_000;

/**
 * The first irreducible polynomial that a source of random bytes gives. Takes 8 bytes per candidate. Throws `internal`
 * when 10,000 candidates do not fit.
 */
export function derivePolynomial(randomBytes: (lengthBytes: number) => Uint8Array): bigint {
  for (let count = 0; count < maxCandidates; count++) {
    const bytes = randomBytes(8);
    const number = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
    const candidate = (number & (topBit - 1n)) | topBit | 1n;
    if (isIrreducible(candidate)) return candidate;
  }
  throw new CofferError(
    "internal",
    `polynomial expected within ${maxCandidates} candidates, got none: not random bytes`,
  );
}

/** Reads the hex form of a config. Throws `malformed` unless it is an irreducible polynomial of degree 53. */
export function parsePolynomial(text: string): bigint {
  if (!/^[0-9a-f]{14}$/.test(text)) {
    throw new CofferError("malformed", `polynomial expected 14 lower-case hex digits, got ${JSON.stringify(text)}`);
  }
  const polynomial = BigInt(`0x${text}`);
  if (degreeOf(polynomial) !== polynomialDegree || !isIrreducible(polynomial)) {
    throw new CofferError("malformed", `polynomial expected to be irreducible of degree 53, got ${text}`);
  }
  return polynomial;
}

/** The hex form, without prefix: 14 digits for degree 53. */
export function formatPolynomial(polynomial: bigint): string {
  return polynomial.toString(16);
}

/** True when no polynomial of a smaller degree but 1 divides it (Ben-Or's test). */
export function isIrreducible(polynomial: bigint): boolean {
  if (polynomial < 2n) return false;
  const x = 2n;
  // x^(2^i) + x is the product of all irreducible polynomials whose degree divides i.
  let power = remainder(x, polynomial);
  for (let i = 1; i <= degreeOf(polynomial) / 2; i++) {
    power = remainder(square(power), polynomial);
    if (greatestCommonDivisor(polynomial, power ^ remainder(x, polynomial)) !== 1n) return false;
  }
  return true;
}

/** -1 for zero. */
function degreeOf(polynomial: bigint): number {
  return polynomial === 0n ? -1 : polynomial.toString(2).length - 1;
}

function remainder(dividend: bigint, divisor: bigint): bigint {
  const divisorDegree = degreeOf(divisor);
  let rest = dividend;
  for (let degree = degreeOf(rest); degree >= divisorDegree; degree = degreeOf(rest)) {
    rest ^= divisor << BigInt(degree - divisorDegree);
  }
  return rest;
}

/** Over GF(2) squaring only spreads the bits: (sum of x^i)^2 = sum of x^(2i). */
function square(polynomial: bigint): bigint {
  return BigInt(`0b${polynomial.toString(2).split("").join("0")}`);
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [larger, smaller] = [a, b];
  while (smaller !== 0n) [larger, smaller] = [smaller, remainder(larger, smaller)];
  return larger;
}
