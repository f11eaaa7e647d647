// Poly1305 (RFC 8439, section 2.5): the sum of 16-byte blocks times powers of r modulo 2^130 - 5, plus s.
//
// Numbers have five limbs of 26 bits, so that products of limbs and their sums fit 64 bits. Long messages run in SIMD
// with four interleaved sums: sum i takes blocks i, i + 4, ... and is multiplied by r^4 each round; at the end the sums
// are multiplied by r^4, r^3, r^2 and r and added. A limb above 2^130 comes back times 5, since 2^130 = 5 modulo the prime.
import { macKeyOffset, powersOffset, spillOffset, tagOffset } from "./memory-map";

const LIMB_MASK: u64 = 0x3ffffff;
/** The bit that ends a full block, 2^128, as seen from limb 4. */
const BLOCK_END: u64 = 1 << 24;
/** The bytes of one power of r. */
const POWER: usize = 40;
/** Below this the set-up of the vectors costs more than they gain. */
const VECTOR_MINIMUM: usize = 128;

/** The sum so far. Limbs may exceed 26 bits by a little. */
let h0: u64, h1: u64, h2: u64, h3: u64, h4: u64;

/** The tag of `length` bytes at `message`, left at `tagOffset`. The key must be at `macKeyOffset`. */
export function poly1305(message: usize, length: usize): void {
  polyBegin();
  polyFinish(message, length);
}

/** Begins a message that comes in pieces: takes r and computes its powers. */
export function polyBegin(): void {
  const low = load<u64>(macKeyOffset) & 0x0ffffffc0fffffff;
  const high = load<u64>(macKeyOffset, 8) & 0x0ffffffc0ffffffc;
  store<u64>(powersOffset, low & LIMB_MASK);
  store<u64>(powersOffset, (low >> 26) & LIMB_MASK, 8);
  store<u64>(powersOffset, ((low >> 52) | (high << 12)) & LIMB_MASK, 16);
  store<u64>(powersOffset, (high >> 14) & LIMB_MASK, 24);
  store<u64>(powersOffset, high >> 40, 32);
  multiply(powersOffset + POWER, powersOffset, powersOffset);
  multiply(powersOffset + 2 * POWER, powersOffset + POWER, powersOffset);
  multiply(powersOffset + 3 * POWER, powersOffset + 2 * POWER, powersOffset);
  h0 = h1 = h2 = h3 = h4 = 0;
}

/** The last piece of a message, of any length; leaves the tag at `tagOffset`. */
export function polyFinish(piece: usize, length: usize): void {
  const whole = length & ~15;
  polyUpdate(piece, whole);
  if (length > whole) addLastBlock(piece + whole, length - whole);
  storeTag();
}

/** A piece of a message that is not its last: a multiple of 16 bytes, best of 64. */
export function polyUpdate(piece: usize, length: usize): void {
  if (length < VECTOR_MINIMUM) {
    addBlocks(piece, length, BLOCK_END);
    return;
  }
  const vectorLength = length & ~63;
  addVectors(piece, vectorLength);
  addBlocks(piece + vectorLength, length - vectorLength, BLOCK_END);
}

@inline function limb(number: usize, index: i32): u64 {
  return load<u64>(number + (<usize>index << 3));
}

/** target = a * b; all three are numbers of five limbs in memory. */
function multiply(target: usize, a: usize, b: usize): void {
  const a0 = limb(a, 0), a1 = limb(a, 1), a2 = limb(a, 2), a3 = limb(a, 3), a4 = limb(a, 4);
  const b0 = limb(b, 0), b1 = limb(b, 1), b2 = limb(b, 2), b3 = limb(b, 3), b4 = limb(b, 4);
  let d0 = a0 * b0 + 5 * (a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1);
  let d1 = a0 * b1 + a1 * b0 + 5 * (a2 * b4 + a3 * b3 + a4 * b2);
  let d2 = a0 * b2 + a1 * b1 + a2 * b0 + 5 * (a3 * b4 + a4 * b3);
  let d3 = a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 + 5 * (a4 * b4);
  let d4 = a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0;
  d1 += d0 >> 26;
  d2 += d1 >> 26;
  d3 += d2 >> 26;
  d4 += d3 >> 26;
  d0 = (d0 & LIMB_MASK) + (d4 >> 26) * 5;
  store<u64>(target, d0 & LIMB_MASK);
  store<u64>(target, (d1 & LIMB_MASK) + (d0 >> 26), 8);
  store<u64>(target, d2 & LIMB_MASK, 16);
  store<u64>(target, d3 & LIMB_MASK, 24);
  store<u64>(target, d4 & LIMB_MASK, 32);
}

/** Adds whole blocks one by one: h = (h + block) * r. `blockEnd` is 0 for a block that has its end bit in it. */
function addBlocks(block: usize, length: usize, blockEnd: u64): void {
  const r0 = limb(powersOffset, 0);
  const r1 = limb(powersOffset, 1), s1 = r1 * 5;
  const r2 = limb(powersOffset, 2), s2 = r2 * 5;
  const r3 = limb(powersOffset, 3), s3 = r3 * 5;
  const r4 = limb(powersOffset, 4), s4 = r4 * 5;
  let a0 = h0, a1 = h1, a2 = h2, a3 = h3, a4 = h4;
  for (const end = block + length; block < end; block += 16) {
    const low = load<u64>(block), high = load<u64>(block, 8);
    a0 += low & LIMB_MASK;
    a1 += (low >> 26) & LIMB_MASK;
    a2 += ((low >> 52) | (high << 12)) & LIMB_MASK;
    a3 += (high >> 14) & LIMB_MASK;
    a4 += (high >> 40) | blockEnd;
    let d0 = a0 * r0 + a1 * s4 + a2 * s3 + a3 * s2 + a4 * s1;
    let d1 = a0 * r1 + a1 * r0 + a2 * s4 + a3 * s3 + a4 * s2;
    let d2 = a0 * r2 + a1 * r1 + a2 * r0 + a3 * s4 + a4 * s3;
    let d3 = a0 * r3 + a1 * r2 + a2 * r1 + a3 * r0 + a4 * s4;
    let d4 = a0 * r4 + a1 * r3 + a2 * r2 + a3 * r1 + a4 * r0;
    d1 += d0 >> 26;
    d2 += d1 >> 26;
    d3 += d2 >> 26;
    d4 += d3 >> 26;
    d0 = (d0 & LIMB_MASK) + (d4 >> 26) * 5;
    a0 = d0 & LIMB_MASK;
    a1 = (d1 & LIMB_MASK) + (d0 >> 26);
    a2 = d2 & LIMB_MASK;
    a3 = d3 & LIMB_MASK;
    a4 = d4 & LIMB_MASK;
  }
  h0 = a0; h1 = a1; h2 = a2; h3 = a3; h4 = a4;
}

/** The last 1 to 15 bytes: a one follows them, then zeros. */
function addLastBlock(bytes: usize, length: usize): void {
  store<u64>(spillOffset, 0);
  store<u64>(spillOffset, 0, 8);
  memory.copy(spillOffset, bytes, length);
  store<u8>(spillOffset + length, 1);
  addBlocks(spillOffset, 16, 0);
}

/** h modulo the prime, plus s modulo 2^128. */
function storeTag(): void {
  let carry = h1 >> 26;
  h1 &= LIMB_MASK;
  h2 += carry; carry = h2 >> 26; h2 &= LIMB_MASK;
  h3 += carry; carry = h3 >> 26; h3 &= LIMB_MASK;
  h4 += carry; carry = h4 >> 26; h4 &= LIMB_MASK;
  h0 += carry * 5; carry = h0 >> 26; h0 &= LIMB_MASK;
  h1 += carry;

  // g = h - prime; it is the result when it is not negative. Selected without a branch: h is secret.
  let g0 = h0 + 5; carry = g0 >> 26; g0 &= LIMB_MASK;
  let g1 = h1 + carry; carry = g1 >> 26; g1 &= LIMB_MASK;
  let g2 = h2 + carry; carry = g2 >> 26; g2 &= LIMB_MASK;
  let g3 = h3 + carry; carry = g3 >> 26; g3 &= LIMB_MASK;
  const g4 = h4 + carry - (1 << 26);
  const keepG = (g4 >> 63) - 1;
  h0 = (h0 & ~keepG) | (g0 & keepG);
  h1 = (h1 & ~keepG) | (g1 & keepG);
  h2 = (h2 & ~keepG) | (g2 & keepG);
  h3 = (h3 & ~keepG) | (g3 & keepG);
  h4 = (h4 & ~keepG) | (g4 & keepG);

  const low = h0 | (h1 << 26) | (h2 << 52);
  const high = (h2 >> 12) | (h3 << 14) | (h4 << 40);
  const tagLow = low + load<u64>(macKeyOffset, 16);
  const tagHigh = high + load<u64>(macKeyOffset, 24) + u64(tagLow < low);
  store<u64>(tagOffset, tagLow);
  store<u64>(tagOffset, tagHigh, 8);
}

@inline function splatLimb(number: usize, index: i32): v128 {
  return i32x4.splat(<i32>limb(number, index));
}

/** a * r + b * s + c * t + d * u + e * v, limb by limb, of lanes 0 and 1. */
@inline function sumLow(
  a: v128, r: v128, b: v128, s: v128, c: v128, t: v128, d: v128, u: v128, e: v128, v: v128,
): v128 {
  const first = i64x2.add(i64x2.extmul_low_i32x4_u(a, r), i64x2.extmul_low_i32x4_u(b, s));
  const third = i64x2.add(first, i64x2.extmul_low_i32x4_u(c, t));
  return i64x2.add(i64x2.add(third, i64x2.extmul_low_i32x4_u(d, u)), i64x2.extmul_low_i32x4_u(e, v));
}

/** The same of lanes 2 and 3. */
@inline function sumHigh(
  a: v128, r: v128, b: v128, s: v128, c: v128, t: v128, d: v128, u: v128, e: v128, v: v128,
): v128 {
  const first = i64x2.add(i64x2.extmul_high_i32x4_u(a, r), i64x2.extmul_high_i32x4_u(b, s));
  const third = i64x2.add(first, i64x2.extmul_high_i32x4_u(c, t));
  return i64x2.add(i64x2.add(third, i64x2.extmul_high_i32x4_u(d, u)), i64x2.extmul_high_i32x4_u(e, v));
}

/** What a limb hands to the next. */
@inline function carryOf(x: v128): v128 {
  return i64x2.shr_u(x, 26);
}

@inline function timesFive(x: v128): v128 {
  return i64x2.add(x, i64x2.shl(x, 2));
}

/** The low halves of the four 64-bit lanes of x and y as one vector of 32-bit lanes. */
@inline function narrow(x: v128, y: v128): v128 {
  return v128.shuffle<i32>(x, y, 0, 2, 4, 6);
}

/** Adds `length` bytes, a multiple of 64 and not 0. */
function addVectors(block: usize, length: usize): void {
  const r4th = powersOffset + 3 * POWER;
  const five = i32x4.splat(5);
  const r0 = splatLimb(r4th, 0);
  const r1 = splatLimb(r4th, 1), s1 = i32x4.mul(r1, five);
  const r2 = splatLimb(r4th, 2), s2 = i32x4.mul(r2, five);
  const r3 = splatLimb(r4th, 3), s3 = i32x4.mul(r3, five);
  const r4 = splatLimb(r4th, 4), s4 = i32x4.mul(r4, five);
  const mask32 = i32x4.splat(<i32>LIMB_MASK);
  const mask64 = i64x2.splat(LIMB_MASK);
  const blockEnd = i32x4.splat(<i32>BLOCK_END);
  // Vector k holds limb k of the four sums; what came before belongs to the first.
  let a0 = i32x4(<i32>h0, 0, 0, 0);
  let a1 = i32x4(<i32>h1, 0, 0, 0);
  let a2 = i32x4(<i32>h2, 0, 0, 0);
  let a3 = i32x4(<i32>h3, 0, 0, 0);
  let a4 = i32x4(<i32>h4, 0, 0, 0);
  const last = block + length - 64;
  while (true) {
    // Transpose four blocks of four words: word k of each block into vector k.
    const b0 = v128.load(block), b1 = v128.load(block, 16), b2 = v128.load(block, 32), b3 = v128.load(block, 48);
    const t0 = v128.shuffle<i32>(b0, b1, 0, 4, 1, 5), t1 = v128.shuffle<i32>(b2, b3, 0, 4, 1, 5);
    const t2 = v128.shuffle<i32>(b0, b1, 2, 6, 3, 7), t3 = v128.shuffle<i32>(b2, b3, 2, 6, 3, 7);
    const w0 = v128.shuffle<i64>(t0, t1, 0, 2), w1 = v128.shuffle<i64>(t0, t1, 1, 3);
    const w2 = v128.shuffle<i64>(t2, t3, 0, 2), w3 = v128.shuffle<i64>(t2, t3, 1, 3);
    a0 = i32x4.add(a0, v128.and(w0, mask32));
    a1 = i32x4.add(a1, v128.and(v128.or(i32x4.shr_u(w0, 26), i32x4.shl(w1, 6)), mask32));
    a2 = i32x4.add(a2, v128.and(v128.or(i32x4.shr_u(w1, 20), i32x4.shl(w2, 12)), mask32));
    a3 = i32x4.add(a3, v128.and(v128.or(i32x4.shr_u(w2, 14), i32x4.shl(w3, 18)), mask32));
    a4 = i32x4.add(a4, v128.or(i32x4.shr_u(w3, 8), blockEnd));
    // The last four blocks are multiplied by r^4 to r instead, below.
    if (block == last) break;
    block += 64;

    // x: the products of sums 0 and 1; y: of sums 2 and 3.
    let x0 = sumLow(a0, r0, a1, s4, a2, s3, a3, s2, a4, s1);
    let x1 = sumLow(a0, r1, a1, r0, a2, s4, a3, s3, a4, s2);
    let x2 = sumLow(a0, r2, a1, r1, a2, r0, a3, s4, a4, s3);
    let x3 = sumLow(a0, r3, a1, r2, a2, r1, a3, r0, a4, s4);
    let x4 = sumLow(a0, r4, a1, r3, a2, r2, a3, r1, a4, r0);
    let y0 = sumHigh(a0, r0, a1, s4, a2, s3, a3, s2, a4, s1);
    let y1 = sumHigh(a0, r1, a1, r0, a2, s4, a3, s3, a4, s2);
    let y2 = sumHigh(a0, r2, a1, r1, a2, r0, a3, s4, a4, s3);
    let y3 = sumHigh(a0, r3, a1, r2, a2, r1, a3, r0, a4, s4);
    let y4 = sumHigh(a0, r4, a1, r3, a2, r2, a3, r1, a4, r0);

    // Two chains of carries at once, 0 > 1 > 2 > 3 and 3 > 4 > 0 > 1, each link waiting half as long.
    x1 = i64x2.add(x1, carryOf(x0)); x0 = v128.and(x0, mask64); x4 = i64x2.add(x4, carryOf(x3)); x3 = v128.and(x3, mask64);
    y1 = i64x2.add(y1, carryOf(y0)); y0 = v128.and(y0, mask64); y4 = i64x2.add(y4, carryOf(y3)); y3 = v128.and(y3, mask64);
    x2 = i64x2.add(x2, carryOf(x1)); x1 = v128.and(x1, mask64); x0 = i64x2.add(x0, timesFive(carryOf(x4)));
    y2 = i64x2.add(y2, carryOf(y1)); y1 = v128.and(y1, mask64); y0 = i64x2.add(y0, timesFive(carryOf(y4)));
    x4 = v128.and(x4, mask64); x3 = i64x2.add(x3, carryOf(x2)); x2 = v128.and(x2, mask64);
    y4 = v128.and(y4, mask64); y3 = i64x2.add(y3, carryOf(y2)); y2 = v128.and(y2, mask64);
    x1 = i64x2.add(x1, carryOf(x0)); x0 = v128.and(x0, mask64); x4 = i64x2.add(x4, carryOf(x3)); x3 = v128.and(x3, mask64);
    y1 = i64x2.add(y1, carryOf(y0)); y0 = v128.and(y0, mask64); y4 = i64x2.add(y4, carryOf(y3)); y3 = v128.and(y3, mask64);
    a0 = narrow(x0, y0);
    a1 = narrow(x1, y1);
    a2 = narrow(x2, y2);
    a3 = narrow(x3, y3);
    a4 = narrow(x4, y4);
  }
  v128.store(spillOffset, a0);
  v128.store(spillOffset, a1, 16);
  v128.store(spillOffset, a2, 32);
  v128.store(spillOffset, a3, 48);
  v128.store(spillOffset, a4, 64);
  joinSums();
}

/** h = sum0 * r^4 + sum1 * r^3 + sum2 * r^2 + sum3 * r, the sums being in the spill area. */
function joinSums(): void {
  let d0: u64 = 0, d1: u64 = 0, d2: u64 = 0, d3: u64 = 0, d4: u64 = 0;
  for (let sum: usize = 0; sum < 4; sum++) {
    const power = powersOffset + (3 - sum) * POWER;
    const r0 = limb(power, 0);
    const r1 = limb(power, 1), s1 = r1 * 5;
    const r2 = limb(power, 2), s2 = r2 * 5;
    const r3 = limb(power, 3), s3 = r3 * 5;
    const r4 = limb(power, 4), s4 = r4 * 5;
    const lane = spillOffset + (sum << 2);
    const a0 = <u64>load<u32>(lane);
    const a1 = <u64>load<u32>(lane, 16);
    const a2 = <u64>load<u32>(lane, 32);
    const a3 = <u64>load<u32>(lane, 48);
    const a4 = <u64>load<u32>(lane, 64);
    d0 += a0 * r0 + a1 * s4 + a2 * s3 + a3 * s2 + a4 * s1;
    d1 += a0 * r1 + a1 * r0 + a2 * s4 + a3 * s3 + a4 * s2;
    d2 += a0 * r2 + a1 * r1 + a2 * r0 + a3 * s4 + a4 * s3;
    d3 += a0 * r3 + a1 * r2 + a2 * r1 + a3 * r0 + a4 * s4;
    d4 += a0 * r4 + a1 * r3 + a2 * r2 + a3 * r1 + a4 * r0;
  }
  d1 += d0 >> 26;
  d2 += d1 >> 26;
  d3 += d2 >> 26;
  d4 += d3 >> 26;
  d0 = (d0 & LIMB_MASK) + (d4 >> 26) * 5;
  h0 = d0 & LIMB_MASK;
  h1 = (d1 & LIMB_MASK) + (d0 >> 26);
  h2 = d2 & LIMB_MASK;
  h3 = d3 & LIMB_MASK;
  h4 = d4 & LIMB_MASK;
}
