/**
 * The fast provider: node:crypto, node:zlib and the WebAssembly kernels. The portable one (shared/portable) is its oracle
 * in the tests.
 */
import { hash, randomBytes } from "node:crypto";
import type { CompressionMode, Provider, Sealer, SealingKey } from "../../shared/format/provider.ts";
import { checkSealed, sealedOverheadBytes } from "../../shared/format/sealing.ts";
import { compileKernels, type KernelsModule } from "../../shared/kernels/kernels.ts";
import { ScryptThreads } from "./scrypt.ts";
import { SealEngine } from "./seal-engine.ts";
import { createZstdCompressor, createZstdDecompressor, type ZstdCompressor, zstdLevelOf } from "./zstd.ts";

export interface NodeProvider extends Provider {
  /** The compiled kernels, for threads that make a SealEngine of their own. Compiled when first asked for. */
  readonly kernelsModule: KernelsModule;
  /** Starts the threads of scrypt ahead: worth it when a key derivation follows within a moment. */
  prepareScrypt(): void;
  /** Ends threads that were prepared and not used. */
  dispose(): void;
}

/** A provider for one thread: contexts and buffers are shared by its calls, which run one after the other. */
export function createNodeProvider(): NodeProvider {
  const threads = new ScryptThreads();
  const compressors = new Map<number, ZstdCompressor>();
  const decompressor = lazily(createZstdDecompressor);
  const kernelsModule = lazily(compileKernels);
  return {
    get kernelsModule() {
      return kernelsModule();
    },
    prepareScrypt: () => threads.prepare(),
    dispose: () => threads.dispose(),
    sha256: (data) => asBytes(hash("sha256", data, "buffer")),
    sealer: (key) => createSealer(kernelsModule(), key),
    scrypt: (password, salt, parameters, lengthBytes) => threads.derive(password, salt, parameters, lengthBytes),
    randomBytes: (lengthBytes) => asBytes(randomBytes(lengthBytes)),
    compress: (data, mode) => compressorOf(compressors, mode).compress(data).slice(),
    decompress: (data, limitBytes) => decompressor().decompress(data, limitBytes, 0).slice(),
  };
}

function createSealer(kernelsModule: KernelsModule, key: SealingKey): Sealer {
  // Documents are small: not worth the time that loading koffi takes.
  const engine = new SealEngine(kernelsModule, 0, "kernels");
  engine.open(key);
  return {
    seal: (plaintext, iv) => {
      const sealed = new Uint8Array(plaintext.length + sealedOverheadBytes);
      engine.sealInto(plaintext, sealed, 0, iv);
      return sealed;
    },
    open: (sealed) => {
      checkSealed(sealed);
      const plaintext = new Uint8Array(sealed.length - sealedOverheadBytes);
      engine.openInto(sealed, plaintext);
      return plaintext;
    },
  };
}

function compressorOf(compressors: Map<number, ZstdCompressor>, mode: CompressionMode): ZstdCompressor {
  const level = zstdLevelOf(mode);
  let compressor = compressors.get(level);
  if (compressor === undefined) {
    compressor = createZstdCompressor(level);
    compressors.set(level, compressor);
  }
  return compressor;
}

/** A plain Uint8Array: Buffer's `slice` does not copy, and browser-safe code relies on one that does. */
function asBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
