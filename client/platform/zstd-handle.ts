/**
 * The handle inside the zstd streams of node:zlib, driven directly. It is not a documented interface: this file is all
 * that knows it, and `handleIsUsable` says whether it can be used. The reasons are in zstd.ts.
 */
import zlib from "node:zlib";

/** What one call did. */
interface ZstdProgress {
  readonly written: number;
  readonly unread: number;
}

export interface ZstdHandle {
  /**
   * Codes as much of `source` as fits into `room` bytes of `target`. When `failure` is set afterwards, the handle must not be
   * used again.
   */
  run(
    source: Uint8Array,
    sourceOffset: number,
    sourceBytes: number,
    target: Uint8Array,
    targetOffset: number,
    room: number,
  ): ZstdProgress;
  readonly failure: Error | undefined;
}

/** The parts of Node's stream object that are used here. */
interface StreamInternals {
  readonly _handle: {
    writeSync(
      flush: number,
      source: Uint8Array,
      sourceOffset: number,
      sourceBytes: number,
      target: Uint8Array,
      targetOffset: number,
      room: number,
    ): void;
    onerror: (message: string, errorNumber: number, code: string) => void;
  };
  /** After a call: the free bytes of the target and the unread bytes of the source. */
  readonly _writeState: Uint32Array;
}

/** The major versions of Node in which the handle was tried. Wrong arguments would end the process, not throw. */
const triedVersions: readonly number[] = [24];

/** Takes the handle out of a stream, which must not be used otherwise. */
export function createHandle(stream: zlib.ZstdCompress | zlib.ZstdDecompress): ZstdHandle {
  return new DirectHandle(stream);
}

class DirectHandle implements ZstdHandle {
  failure: Error | undefined;
  /** Kept so that the stream, which owns the context, is not collected. */
  readonly #stream: StreamInternals;

  constructor(stream: zlib.ZstdCompress | zlib.ZstdDecompress) {
    this.#stream = stream as unknown as StreamInternals;
    // Otherwise Node would close the context and emit an error that nobody awaits.
    this.#stream._handle.onerror = (message, _errorNumber, code) => {
      this.failure = new Error(`${message} (${code})`);
    };
  }

  run(
    source: Uint8Array,
    sourceOffset: number,
    sourceBytes: number,
    target: Uint8Array,
    targetOffset: number,
    room: number,
  ): ZstdProgress {
    const { _handle: handle, _writeState: state } = this.#stream;
    const { ZSTD_e_end } = zlib.constants;
    handle.writeSync(ZSTD_e_end, source, sourceOffset, sourceBytes, target, targetOffset, room);
    return { written: room - (state[0] ?? 0), unread: state[1] ?? 0 };
  }
}

let usable: boolean | undefined;

/** True when the handle has the known shape, works, and reports errors as expected. Asked once per thread. */
export function handleIsUsable(): boolean {
  usable ??= probe();
  return usable;
}

function probe(): boolean {
  if (!triedVersions.includes(Number.parseInt(process.versions.node, 10))) return false;
  try {
    const compress = zlib.createZstdCompress();
    const decompress = zlib.createZstdDecompress();
    if (!hasKnownShape(compress) || !hasKnownShape(decompress)) return false;
    return probeRoundTrip(createHandle(compress), createHandle(decompress));
  } catch {
    return false;
  }
}

function hasKnownShape(stream: object): boolean {
  const { _handle: handle, _writeState: state } = stream as Partial<StreamInternals>;
  return (
    typeof handle?.writeSync === "function" &&
    typeof handle.onerror === "function" &&
    state instanceof Uint32Array &&
    state.length === 2
  );
}

/** Two frames there and back, with one context each, then a damaged one, which must be reported and not thrown. */
function probeRoundTrip(compressor: ZstdHandle, decompressor: ZstdHandle): boolean {
  const sample = Buffer.alloc(1000, "a sample that repeats itself; ");
  const frame = Buffer.alloc(2000);
  const content = Buffer.alloc(2000);
  for (let round = 0; round < 2; round++) {
    const packed = compressor.run(sample, 0, sample.length, frame, 0, frame.length);
    if (packed.unread !== 0 || compressor.failure !== undefined) return false;
    const documented = zlib.zstdDecompressSync(frame.subarray(0, packed.written));
    const unpacked = decompressor.run(frame, 0, packed.written, content, 0, content.length);
    if (unpacked.unread !== 0 || decompressor.failure !== undefined) return false;
    if (!documented.equals(sample) || !content.subarray(0, unpacked.written).equals(sample)) return false;
  }
  decompressor.run(Buffer.alloc(32, 0xff), 0, 32, content, 0, content.length);
  return decompressor.failure !== undefined;
}
