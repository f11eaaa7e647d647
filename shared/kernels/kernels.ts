/**
 * The two loops that need speed, the chunker's scan and Poly1305, as one small WebAssembly module for Node and browsers.
 * Sources and their reasons: shared/kernels/source. The module has no state but its memory: one instance per thread.
 */
import { CofferError } from "../errors.ts";
import { fromBase64 } from "../format/bytes.ts";
import { kernelsModuleBase64 } from "./kernels-module.ts";

declare const kernelsModuleBrand: unique symbol;

/**
 * The compiled module, a WebAssembly.Module. It can be posted to other threads. (A type of our own, because projects
 * that compile for Node have no types of WebAssembly.)
 */
export interface KernelsModule {
  readonly [kernelsModuleBrand]: true;
}

/**
 * An instance. All addresses are byte offsets into `bytes`. The caller's memory begins at `callerOffset`; nothing below
 * it may be written. Lengths are not checked: the callers in this repository do, once per piece and not per byte.
 */
export interface Kernels {
  readonly memory: { readonly buffer: ArrayBuffer };
  /** The whole memory. Its size never changes, so views of it stay valid. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly callerOffset: number;
  /** Fills the chunker's tables; needed once before `chunkerScan`. */
  chunkerInit(polynomial: bigint): void;
  /**
   * The smallest position from `from` to `to`, both included, at which a chunk may end: the fingerprint of the 64 bytes
   * before it has 20 low zero bits. 0 when there is none. Reads from `from - 64` on.
   */
  chunkerScan(from: number, to: number): number;
  /** Sets the one-time key: `r` (16 bytes, masked or not) and `s` = AES-128(k, IV) (16 bytes). */
  setMacKey(r: Uint8Array, s: Uint8Array): void;
  /** Begins a message under the key that was set. */
  polyBegin(): void;
  /** A piece that is not the last: its length must be a multiple of 16. */
  polyUpdate(position: number, lengthBytes: number): void;
  /** The last piece, of any length; then the tag can be read. */
  polyFinish(position: number, lengthBytes: number): void;
  /** A message in one piece. */
  poly1305(position: number, lengthBytes: number): void;
  /** Copies the tag (16 bytes) to `target` at `offset`. */
  readTag(target: Uint8Array, offset: number): void;
  /** The tag in place: a view of 16 bytes that the next message overwrites. */
  readonly tag: Uint8Array;
}

interface KernelExports {
  readonly callerOffset: WebAssembly.Global;
  readonly macKeyOffset: WebAssembly.Global;
  readonly tagOffset: WebAssembly.Global;
  chunkerInit(polynomial: bigint): void;
  chunkerScan(from: number, to: number): number;
  polyBegin(): void;
  polyUpdate(position: number, lengthBytes: number): void;
  polyFinish(position: number, lengthBytes: number): void;
  poly1305(position: number, lengthBytes: number): void;
}

const pageBytes = 65536;
const maxPages = 65536;

/** The compiled module: compile once per process and post it to the threads, which then need not compile it. */
export function compileKernels(): KernelsModule {
  const module = new WebAssembly.Module(fromBase64(kernelsModuleBase64) as Uint8Array<ArrayBuffer>);
  return module as unknown as KernelsModule;
}

/**
 * An instance with a memory of its own, of which `callerBytes` at least (rounded up to 64 KiB) are the caller's. Throws
 * `internal` when that is more than the 4 GiB that a 32-bit address reaches.
 */
export function instantiateKernels(module: KernelsModule, callerBytes: number): Kernels {
  const pages = 1 + Math.ceil(callerBytes / pageBytes);
  if (!Number.isInteger(pages) || pages < 1 || pages > maxPages) {
    throw new CofferError("internal", `kernels expected 0 to 4 GiB of caller's memory, got ${callerBytes} bytes`);
  }
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const { exports } = new WebAssembly.Instance(module as unknown as WebAssembly.Module, { env: { memory } });
  const kernels = exports as unknown as KernelExports;
  const bytes = new Uint8Array(memory.buffer) as Uint8Array<ArrayBuffer>;
  const macKeyOffset = Number(kernels.macKeyOffset.value);
  const tagOffset = Number(kernels.tagOffset.value);
  const tag = bytes.subarray(tagOffset, tagOffset + 16);
  return {
    memory,
    bytes,
    callerOffset: Number(kernels.callerOffset.value),
    tag,
    chunkerInit: kernels.chunkerInit,
    // An address above 2 GiB leaves wasm as a negative number.
    chunkerScan: (from, to) => kernels.chunkerScan(from, to) >>> 0,
    polyBegin: kernels.polyBegin,
    polyUpdate: kernels.polyUpdate,
    polyFinish: kernels.polyFinish,
    poly1305: kernels.poly1305,
    setMacKey: (r, s) => {
      bytes.set(r, macKeyOffset);
      bytes.set(s, macKeyOffset + 16);
    },
    readTag: (target, offset) => target.set(tag, offset),
  };
}
