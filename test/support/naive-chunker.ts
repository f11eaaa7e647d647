/**
 * Two slow and obvious twins of the chunker, as oracles. One keeps the rolling state that docs/format.md 3.5 describes, in
 * two 32-bit halves; the other computes a single fingerprint from its definition in 3.4.
 */

export interface NaiveOptions {
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly cutBits: number;
}

export const resticOptions: NaiveOptions = { minBytes: 524288, maxBytes: 8388608, cutBits: 20 };

const windowBytes = 64;

/** 64 bytes as one big-endian integer, taken as a polynomial over GF(2), modulo the given one. */
export function fingerprintOf(window: Uint8Array, polynomial: bigint): bigint {
  let value = 0n;
  for (const byte of window) {
    for (let bit = 7; bit >= 0; bit--) {
      value = (value << 1n) | BigInt((byte >> bit) & 1);
      if (value >> 53n) value ^= polynomial;
    }
  }
  return value;
}

/** The tables of 3.5, as BigInts: OUT (what the oldest byte contributes) and MOD. */
export function tablesOf(polynomial: bigint): { out: bigint[]; mod: bigint[] } {
  const shifted = (byte: number, powers: number): bigint => {
    let value = BigInt(byte);
    for (let power = 0; power < powers; power++) {
      value <<= 1n;
      if (value >> 53n) value ^= polynomial;
    }
    return value;
  };
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  return {
    out: bytes.map((byte) => shifted(byte, 8 * (windowBytes - 1))),
    mod: bytes.map((byte) => shifted(byte, 53) | (BigInt(byte) << 53n)),
  };
}

/** The lengths of all chunks. */
export function naiveCuts(data: Uint8Array, polynomial: bigint, options: NaiveOptions = resticOptions): number[] {
  const { out, mod } = tablesOf(polynomial);
  const low = (table: bigint[]): Int32Array => Int32Array.from(table, (value) => Number(BigInt.asIntN(32, value)));
  const high = (table: bigint[]): Int32Array => Int32Array.from(table, (value) => Number(value >> 32n));
  const tables = { outLow: low(out), outHigh: high(out), modLow: low(mod), modHigh: high(mod) };
  const lengths: number[] = [];
  for (let start = 0; start < data.length; start += lengths.at(-1)!)
    lengths.push(firstCut(data, start, tables, options));
  return lengths;
}

function firstCut(
  data: Uint8Array,
  start: number,
  tables: Record<"outLow" | "outHigh" | "modLow" | "modHigh", Int32Array>,
  { minBytes, maxBytes, cutBits }: NaiveOptions,
): number {
  const { outLow, outHigh, modLow, modHigh } = tables;
  const mask = 2 ** cutBits - 1;
  const window = new Uint8Array(windowBytes);
  window[0] = 1;
  let place = 1;
  let digestLow = 1;
  let digestHigh = 0;
  for (let index = start + minBytes - windowBytes; index < data.length; index++) {
    const byte = data[index]!;
    const leaving = window[place]!;
    digestLow ^= outLow[leaving]!;
    digestHigh ^= outHigh[leaving]!;
    window[place] = byte;
    place = (place + 1) % windowBytes;
    const top = (digestHigh >>> 13) & 0xff;
    digestHigh = ((digestHigh << 8) | (digestLow >>> 24)) ^ modHigh[top]!;
    digestLow = ((digestLow << 8) | byte) ^ modLow[top]!;
    const length = index + 1 - start;
    if (length >= minBytes && ((digestLow & mask) === 0 || length >= maxBytes)) return length;
  }
  return data.length - start;
}
