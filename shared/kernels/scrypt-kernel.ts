/**
 * The mixing function of scrypt as a WebAssembly module: two of the p lanes at once, about twice as fast as OpenSSL.
 * What comes before and after it (PBKDF2) is the provider's. Source: shared/kernels/source/scrypt.ts.
 */
import { CofferError } from "../errors.ts";
import { fromBase64 } from "../format/bytes.ts";
import type { ScryptParameters } from "../format/provider.ts";
import { scryptModuleBase64 } from "./scrypt-module.ts";

declare const scryptModuleBrand: unique symbol;

/** The compiled module, a WebAssembly.Module. It can be posted to other threads. */
export interface ScryptModule {
  readonly [scryptModuleBrand]: true;
}

interface ScryptExports {
  romixPair(blockA: number, blockB: number, tableA: number, tableB: number, work: number, n: number, r: number): void;
}

const pageBytes = 65536;
/** The memory below this is not used: an address of 0 would look like none. */
const firstBlock = pageBytes;
const maxMemoryBytes = 65536 * pageBytes;

export function compileScrypt(): ScryptModule {
  const module = new WebAssembly.Module(fromBase64(scryptModuleBase64) as Uint8Array<ArrayBuffer>);
  return module as unknown as ScryptModule;
}

/** The bytes of one lane: a block of 128 * r. */
export function laneBytesOf(parameters: Pick<ScryptParameters, "r">): number {
  return 128 * parameters.r;
}

/** The memory that mixing takes: for one lane 128 * N * r, for two and more twice that, and a little more. */
export function scryptMemoryBytes(parameters: Pick<ScryptParameters, "N" | "r">, laneCount: number): number {
  const laneBytes = laneBytesOf(parameters);
  const tables = Math.min(laneCount, 2) * parameters.N * laneBytes;
  return firstBlock + 6 * laneBytes + tables;
}

/** True when a 32-bit memory can hold the tables; otherwise another implementation has to do it. */
export function canMixLanes(parameters: Pick<ScryptParameters, "N" | "r">, laneCount: number): boolean {
  return scryptMemoryBytes(parameters, laneCount) <= maxMemoryBytes;
}

/**
 * Mixes whole lanes (128 * r bytes each) in place, two at a time; the last may be alone. The memory is made here and can
 * be collected afterwards. Throws `internal` when `lanes` is not whole lanes.
 */
export function mixLanes(module: ScryptModule, lanes: Uint8Array, parameters: Pick<ScryptParameters, "N" | "r">): void {
  const { N, r } = parameters;
  const laneBytes = laneBytesOf(parameters);
  if (lanes.length === 0 || lanes.length % laneBytes !== 0) {
    throw new CofferError("internal", `scrypt expected lanes of ${laneBytes} bytes, got ${lanes.length} bytes`);
  }
  const pages = Math.ceil(scryptMemoryBytes(parameters, lanes.length / laneBytes) / pageBytes);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const instance = new WebAssembly.Instance(module as unknown as WebAssembly.Module, { env: { memory } });
  const { romixPair } = instance.exports as unknown as ScryptExports;
  const bytes = new Uint8Array(memory.buffer);

  const secondBlock = firstBlock + laneBytes;
  const work = secondBlock + laneBytes;
  const firstTable = work + 4 * laneBytes;
  for (let offset = 0; offset < lanes.length; offset += 2 * laneBytes) {
    const pair = lanes.subarray(offset, offset + 2 * laneBytes);
    const isPair = pair.length === 2 * laneBytes;
    bytes.set(pair, firstBlock);
    // A lone lane runs beside itself, over one table: no slower, and with half the memory.
    if (!isPair) bytes.set(pair, secondBlock);
    const secondTable = isPair ? firstTable + N * laneBytes : firstTable;
    romixPair(firstBlock, secondBlock, firstTable, secondTable, work, N, r);
    pair.set(bytes.subarray(firstBlock, firstBlock + pair.length));
  }
  // The tables say nothing that the password would not; still, leave no secrets behind longer than needed.
  bytes.fill(0, firstBlock, firstTable);
}
