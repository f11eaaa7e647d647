// The content-defined chunker's loop: a Rabin fingerprint over GF(2) of the last 64 bytes, one step per byte.
// Source: docs/format.md, sections 3.4 and 3.5.
//
// One step depends on the one before through a table look-up, which takes longer than all the rest. So four lanes run
// interleaved, a constant distance apart: then one register addresses all four, and the look-up of one lane hides behind
// the others' work.
import { expiryTable, reductionTable } from "./memory-map";

const WINDOW: usize = 64;
/** A cut is where the low 20 bits of the fingerprint are zero. */
const CUT_MASK: u64 = 0xfffff;
/** The degree of the polynomial. */
const DEGREE: i32 = 53;

/** The distance of the lanes. 8 KiB was the fastest of 2 to 16: shorter costs more restarts, longer leaves the cache. */
const LANE: usize = 8192;
const GROUP: usize = 4 * LANE;

// Offsets from the start of lane 0's window to the byte that leaves a lane's window, and to the one that enters it.
const LEAVES_0: usize = 0;
const LEAVES_1: usize = LANE;
const LEAVES_2: usize = 2 * LANE;
const LEAVES_3: usize = 3 * LANE;
const ENTERS_0: usize = WINDOW;
const ENTERS_1: usize = WINDOW + LANE;
const ENTERS_2: usize = WINDOW + 2 * LANE;
const ENTERS_3: usize = WINDOW + 3 * LANE;

/** Fills both tables for an irreducible polynomial of degree 53. */
export function chunkerInit(polynomial: u64): void {
  for (let byte: u64 = 0; byte < 256; byte++) {
    let value = byte;
    for (let power = 0; power < DEGREE; power++) value = timesX(value, polynomial);
    store<u64>(<usize>byte << 3, value | (byte << DEGREE), reductionTable);
    for (let power = DEGREE; power < 8 * <i32>WINDOW; power++) value = timesX(value, polynomial);
    store<u64>(<usize>byte << 3, value, expiryTable);
  }
}

@inline function timesX(value: u64, polynomial: u64): u64 {
  value <<= 1;
  return value >> DEGREE ? value ^ polynomial : value;
}

/** The table value that, added to `fingerprint << 8`, reduces it. Bits 45 to 52 are the index; times 8 for the address. */
@inline function reductionOf(fingerprint: u64): u64 {
  return load<u64>(<usize>(fingerprint >> 42) & 0x7f8, reductionTable);
}

@inline function expiryOf(byte: u8): u64 {
  return load<u64>(<usize>byte << 3, expiryTable);
}

@inline function isCut(fingerprint: u64): bool {
  return !(fingerprint & CUT_MASK);
}

/** The fingerprint of the 64 bytes before `position`, from nothing. */
@inline function fingerprintBefore(position: usize): u64 {
  let fingerprint: u64 = 0;
  for (let byte = position - WINDOW; byte < position; byte++) {
    fingerprint = ((fingerprint << 8) | load<u8>(byte)) ^ reductionOf(fingerprint);
  }
  return fingerprint;
}

/** `chunkerScan` in its plain form: one lane, one byte at a time. */
function scanPlainly(position: usize, end: usize): usize {
  let fingerprint = fingerprintBefore(position);
  while (!isCut(fingerprint)) {
    if (position == end) return 0;
    const shifted = (fingerprint << 8) | load<u8>(position);
    fingerprint = shifted ^ reductionOf(fingerprint) ^ expiryOf(load<u8>(position - WINDOW));
    position++;
  }
  return position;
}

/**
 * The smallest position from `from` to `end`, both included, whose 64 preceding bytes have a fingerprint with 20 low zero
 * bits; 0 when there is none. The 64 bytes before `from` are read.
 */
export function chunkerScan(from: usize, end: usize): usize {
  while (from <= end && end - from >= GROUP) {
    const cut = scanGroup(from);
    if (cut) return cut;
    from += GROUP;
  }
  return from <= end ? scanPlainly(from, end) : 0;
}

/**
 * The smallest cut from `from` to `from + GROUP`, or 0. (The last position may be reported; it is also the next group's
 * first.)
 *
 * A lane's fingerprint takes a step in four parts, which are spread over its turn and the next lane's:
 *   d ^= expiry ^ byte     with d already shifted and reduced, the leaving byte goes and the entering byte comes
 *   reduction = ...        start the look-up for the next shift
 *   if (isCut(d)) break
 *   d = (d << 8) ^ reduction
 *
 * The last part waits for the next lane's turn on purpose. V8 folds a load into the `xor` that uses it when both are in
 * one basic block, and then executes it twice: once for its possible trap, once as operand. The branch of the cut test
 * is a border between blocks, so a value loaded before it and used after it is loaded once. That is worth 8 to 10 %.
 * The offsets are immediate operands of the loads for the same reason: a wasm address may not wrap, so `load(p + 65)`
 * would be an addition at run time. AssemblyScript wants them as literal constants, so the turns are written out.
 */
function scanGroup(from: usize): usize {
  let d0 = fingerprintBefore(from);
  let d1 = fingerprintBefore(from + LANE);
  let d2 = fingerprintBefore(from + 2 * LANE);
  let d3 = fingerprintBefore(from + 3 * LANE);
  if (isCut(d0)) return from;

  let p = from - WINDOW;
  let lane: usize = 0;
  let turn: usize = 0;
  if (isCut(d1)) return firstCut(from, 1, from + LANE);
  if (isCut(d2)) return firstCut(from, 2, from + 2 * LANE);
  if (isCut(d3)) return firstCut(from, 3, from + 3 * LANE);

  const stop = p + LANE;
  d0 = (d0 << 8) ^ reductionOf(d0);
  d1 = (d1 << 8) ^ reductionOf(d1);
  d2 = (d2 << 8) ^ reductionOf(d2);
  let reduction = reductionOf(d3);
  let expiry = expiryOf(load<u8>(p, LEAVES_0));
  do {
    d3 = (d3 << 8) ^ reduction; d0 ^= expiry ^ load<u8>(p, ENTERS_0);
    reduction = reductionOf(d0); expiry = expiryOf(load<u8>(p, LEAVES_1)); if (isCut(d0)) { lane = 0; turn = 1; break; }
    d0 = (d0 << 8) ^ reduction; d1 ^= expiry ^ load<u8>(p, ENTERS_1);
    reduction = reductionOf(d1); expiry = expiryOf(load<u8>(p, LEAVES_2)); if (isCut(d1)) { lane = 1; turn = 1; break; }
    d1 = (d1 << 8) ^ reduction; d2 ^= expiry ^ load<u8>(p, ENTERS_2);
    reduction = reductionOf(d2); expiry = expiryOf(load<u8>(p, LEAVES_3)); if (isCut(d2)) { lane = 2; turn = 1; break; }
    d2 = (d2 << 8) ^ reduction; d3 ^= expiry ^ load<u8>(p, ENTERS_3);
    reduction = reductionOf(d3); expiry = expiryOf(load<u8>(p, LEAVES_0 + 1)); if (isCut(d3)) { lane = 3; turn = 1; break; }

    d3 = (d3 << 8) ^ reduction; d0 ^= expiry ^ load<u8>(p, ENTERS_0 + 1);
    reduction = reductionOf(d0); expiry = expiryOf(load<u8>(p, LEAVES_1 + 1)); if (isCut(d0)) { lane = 0; turn = 2; break; }
    d0 = (d0 << 8) ^ reduction; d1 ^= expiry ^ load<u8>(p, ENTERS_1 + 1);
    reduction = reductionOf(d1); expiry = expiryOf(load<u8>(p, LEAVES_2 + 1)); if (isCut(d1)) { lane = 1; turn = 2; break; }
    d1 = (d1 << 8) ^ reduction; d2 ^= expiry ^ load<u8>(p, ENTERS_2 + 1);
    reduction = reductionOf(d2); expiry = expiryOf(load<u8>(p, LEAVES_3 + 1)); if (isCut(d2)) { lane = 2; turn = 2; break; }
    d2 = (d2 << 8) ^ reduction; d3 ^= expiry ^ load<u8>(p, ENTERS_3 + 1);
    reduction = reductionOf(d3); expiry = expiryOf(load<u8>(p, LEAVES_0 + 2)); if (isCut(d3)) { lane = 3; turn = 2; break; }

    d3 = (d3 << 8) ^ reduction; d0 ^= expiry ^ load<u8>(p, ENTERS_0 + 2);
    reduction = reductionOf(d0); expiry = expiryOf(load<u8>(p, LEAVES_1 + 2)); if (isCut(d0)) { lane = 0; turn = 3; break; }
    d0 = (d0 << 8) ^ reduction; d1 ^= expiry ^ load<u8>(p, ENTERS_1 + 2);
    reduction = reductionOf(d1); expiry = expiryOf(load<u8>(p, LEAVES_2 + 2)); if (isCut(d1)) { lane = 1; turn = 3; break; }
    d1 = (d1 << 8) ^ reduction; d2 ^= expiry ^ load<u8>(p, ENTERS_2 + 2);
    reduction = reductionOf(d2); expiry = expiryOf(load<u8>(p, LEAVES_3 + 2)); if (isCut(d2)) { lane = 2; turn = 3; break; }
    d2 = (d2 << 8) ^ reduction; d3 ^= expiry ^ load<u8>(p, ENTERS_3 + 2);
    reduction = reductionOf(d3); expiry = expiryOf(load<u8>(p, LEAVES_0 + 3)); if (isCut(d3)) { lane = 3; turn = 3; break; }

    d3 = (d3 << 8) ^ reduction; d0 ^= expiry ^ load<u8>(p, ENTERS_0 + 3);
    reduction = reductionOf(d0); expiry = expiryOf(load<u8>(p, LEAVES_1 + 3)); if (isCut(d0)) { lane = 0; turn = 4; break; }
    d0 = (d0 << 8) ^ reduction; d1 ^= expiry ^ load<u8>(p, ENTERS_1 + 3);
    reduction = reductionOf(d1); expiry = expiryOf(load<u8>(p, LEAVES_2 + 3)); if (isCut(d1)) { lane = 1; turn = 4; break; }
    d1 = (d1 << 8) ^ reduction; d2 ^= expiry ^ load<u8>(p, ENTERS_2 + 3);
    reduction = reductionOf(d2); expiry = expiryOf(load<u8>(p, LEAVES_3 + 3)); if (isCut(d2)) { lane = 2; turn = 4; break; }
    d2 = (d2 << 8) ^ reduction; d3 ^= expiry ^ load<u8>(p, ENTERS_3 + 3);
    reduction = reductionOf(d3); expiry = expiryOf(load<u8>(p, LEAVES_0 + 4)); if (isCut(d3)) { lane = 3; turn = 4; break; }
    p += 4;
  } while (p < stop);
  return turn ? firstCut(from, lane, p + WINDOW + turn + lane * LANE) : 0;
}

/** `cut` was found in `lane`, but the lanes before it, which lie earlier in the data, are not scanned to their ends yet. */
function firstCut(from: usize, lane: usize, cut: usize): usize {
  for (let earlier: usize = 0; earlier < lane; earlier++) {
    const found = scanPlainly(from + earlier * LANE, from + (earlier + 1) * LANE);
    if (found) return found;
  }
  return cut;
}
