// The mixing function of scrypt (RFC 7914, sections 3 to 5) for two lanes at once: ROMix over BlockMix over Salsa20/8.
//
// Salsa20 is a chain of operations that each wait for the one before. Two independent lanes, interleaved, keep the
// processor busy. Each lane's 64-byte state is four vectors that hold the diagonals of its 4 x 4 matrix of words, so
// that a round needs no gathering; the words are put in that order at the start and back at the end.

const STATE: usize = 64;

@inline function rotateLeft(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shl(x, bits), i32x4.shr_u(x, 32 - bits));
}

/** One step of a quarter round: x ^= (a + b) <<< bits. */
@inline function step(x: v128, a: v128, b: v128, bits: i32): v128 {
  return v128.xor(x, rotateLeft(i32x4.add(a, b), bits));
}

@inline function turnLeft(x: v128): v128 {
  return v128.shuffle<i32>(x, x, 1, 2, 3, 0);
}

@inline function turnTwice(x: v128): v128 {
  return v128.shuffle<i32>(x, x, 2, 3, 0, 1);
}

@inline function turnRight(x: v128): v128 {
  return v128.shuffle<i32>(x, x, 3, 0, 1, 2);
}

/**
 * BlockMix of two lanes: `inA` to `outA` and `inB` to `outB`, each 128 * r bytes. The outputs of even states fill the
 * first half, those of odd states the second.
 */
function blockMix(inA: usize, inB: usize, outA: usize, outB: usize, r: usize): void {
  const states = r * 2;
  const half = r * STATE;
  const last = (states - 1) * STATE;
  let a0 = v128.load(inA + last), a1 = v128.load(inA + last, 16);
  let a2 = v128.load(inA + last, 32), a3 = v128.load(inA + last, 48);
  let b0 = v128.load(inB + last), b1 = v128.load(inB + last, 16);
  let b2 = v128.load(inB + last, 32), b3 = v128.load(inB + last, 48);
  for (let index: usize = 0; index < states; index++) {
    const fromA = inA + index * STATE, fromB = inB + index * STATE;
    a0 = v128.xor(a0, v128.load(fromA)); a1 = v128.xor(a1, v128.load(fromA, 16));
    a2 = v128.xor(a2, v128.load(fromA, 32)); a3 = v128.xor(a3, v128.load(fromA, 48));
    b0 = v128.xor(b0, v128.load(fromB)); b1 = v128.xor(b1, v128.load(fromB, 16));
    b2 = v128.xor(b2, v128.load(fromB, 32)); b3 = v128.xor(b3, v128.load(fromB, 48));

    let x0 = a0, x1 = a1, x2 = a2, x3 = a3;
    let y0 = b0, y1 = b1, y2 = b2, y3 = b3;
    for (let doubleRound = 0; doubleRound < 4; doubleRound++) {
      // columns
      x1 = step(x1, x0, x3, 7); y1 = step(y1, y0, y3, 7);
      x2 = step(x2, x1, x0, 9); y2 = step(y2, y1, y0, 9);
      x3 = step(x3, x2, x1, 13); y3 = step(y3, y2, y1, 13);
      x0 = step(x0, x3, x2, 18); y0 = step(y0, y3, y2, 18);
      x1 = turnRight(x1); x2 = turnTwice(x2); x3 = turnLeft(x3);
      y1 = turnRight(y1); y2 = turnTwice(y2); y3 = turnLeft(y3);
      // rows
      x3 = step(x3, x0, x1, 7); y3 = step(y3, y0, y1, 7);
      x2 = step(x2, x3, x0, 9); y2 = step(y2, y3, y0, 9);
      x1 = step(x1, x2, x3, 13); y1 = step(y1, y2, y3, 13);
      x0 = step(x0, x1, x2, 18); y0 = step(y0, y1, y2, 18);
      x1 = turnLeft(x1); x2 = turnTwice(x2); x3 = turnRight(x3);
      y1 = turnLeft(y1); y2 = turnTwice(y2); y3 = turnRight(y3);
    }
    a0 = i32x4.add(a0, x0); a1 = i32x4.add(a1, x1); a2 = i32x4.add(a2, x2); a3 = i32x4.add(a3, x3);
    b0 = i32x4.add(b0, y0); b1 = i32x4.add(b1, y1); b2 = i32x4.add(b2, y2); b3 = i32x4.add(b3, y3);

    const place = (index >> 1) * STATE + (index & 1 ? half : 0);
    const toA = outA + place, toB = outB + place;
    v128.store(toA, a0); v128.store(toA, a1, 16); v128.store(toA, a2, 32); v128.store(toA, a3, 48);
    v128.store(toB, b0); v128.store(toB, b1, 16); v128.store(toB, b2, 32); v128.store(toB, b3, 48);
  }
}

/** target ^= source, a multiple of 32 bytes. */
@inline function xorInto(target: usize, source: usize, length: usize): void {
  for (let at: usize = 0; at < length; at += 32) {
    const to = target + at, from = source + at;
    v128.store(to, v128.xor(v128.load(to), v128.load(from)));
    v128.store(to, v128.xor(v128.load(to, 16), v128.load(from, 16)), 16);
  }
}

/** Copies a block of 2 * r states, each from matrix order to diagonal order: word i comes from word 5 * i modulo 16. */
function toDiagonals(target: usize, source: usize, r: usize): void {
  for (let state: usize = 0; state < r * 2 * STATE; state += STATE) {
    for (let word: usize = 0; word < 16; word++) {
      store<u32>(target + state + (word << 2), load<u32>(source + state + (((word * 5) & 15) << 2)));
    }
  }
}

/** The way back. */
function fromDiagonals(target: usize, source: usize, r: usize): void {
  for (let state: usize = 0; state < r * 2 * STATE; state += STATE) {
    for (let word: usize = 0; word < 16; word++) {
      store<u32>(target + state + (((word * 5) & 15) << 2), load<u32>(source + state + (word << 2)));
    }
  }
}

/**
 * ROMix of two blocks of 128 * r bytes, in place. `n` is a power of two. Each table has room for n blocks; `work` for
 * four. A lone lane gives its block twice and one table for both: equal values are then stored twice in one place.
 */
export function romixPair(
  blockA: usize, blockB: usize, tableA: usize, tableB: usize, work: usize, n: usize, r: usize,
): void {
  const length = r * 128;
  let xA = work, xB = work + length, yA = work + length * 2, yB = work + length * 3;
  toDiagonals(tableA, blockA, r);
  toDiagonals(tableB, blockB, r);
  const lastRow = (n - 1) * length;
  for (let row: usize = 0; row < lastRow; row += length) {
    blockMix(tableA + row, tableB + row, tableA + row + length, tableB + row + length, r);
  }
  blockMix(tableA + lastRow, tableB + lastRow, xA, xB, r);

  // The first word of the last state chooses the row; it is the first in both orders.
  const chooser = length - STATE;
  for (let round: usize = 0; round < n; round++) {
    const rowA = <usize>load<u32>(xA + chooser) & (n - 1);
    const rowB = <usize>load<u32>(xB + chooser) & (n - 1);
    xorInto(xA, tableA + rowA * length, length);
    xorInto(xB, tableB + rowB * length, length);
    blockMix(xA, xB, yA, yB, r);
    let swap = xA; xA = yA; yA = swap;
    swap = xB; xB = yB; yB = swap;
  }
  fromDiagonals(blockA, xA, r);
  fromDiagonals(blockB, xB, r);
}
