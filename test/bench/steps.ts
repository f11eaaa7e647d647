/**
 * Each step of the pipeline by itself, on one core: MB/s of the fast provider beside the portable one, whose chunker is the
 * plain JavaScript twin of the tests. Best of several rounds, since other work on the machine only ever slows them.
 * Run: `node test/bench/steps.ts`. Takes about half a minute.
 */
import { hash, scryptSync } from "node:crypto";
import { poly1305 } from "@noble/ciphers/_poly1305.js";
import { createNodeProvider } from "../../client/platform/node-provider.ts";
import { SealEngine } from "../../client/platform/seal-engine.ts";
import { createZstdCompressor, createZstdDecompressor, zstdLevelOf } from "../../client/platform/zstd.ts";
import { findCut } from "../../shared/format/chunker.ts";
import { parseSealingKey } from "../../shared/format/sealing.ts";
import { compileKernels } from "../../shared/kernels/kernels.ts";
import { createPortableProvider } from "../../shared/portable/provider.ts";
import { naiveCuts } from "../support/naive-chunker.ts";
import { RandomBytes, SampleText } from "../support/sample-data.ts";

/** What one step does in a round: how many bytes, and the work on them by each provider. */
interface Step {
  readonly name: string;
  readonly sizeBytes: number;
  readonly fast: () => unknown;
  /** On the first `portableBytes` only: it is slow. */
  readonly portable?: () => unknown;
  readonly portableBytes?: number;
  /** The least MB/s that the project asks of the fast provider. */
  readonly floor?: number;
}

const mebibyte = 1024 * 1024;
const chunkedBytes = 64 * mebibyte;
const polynomial = 0x3da3358b4dc173n;
const random = new RandomBytes("steps").next(chunkedBytes);
const blob = random.subarray(0, mebibyte);
const smallBlob = random.subarray(0, 2048);
const text = new SampleText("steps").next(mebibyte);
const iv = new RandomBytes("iv").next(16);
const key = parseSealingKey(new RandomBytes("key").next(64));

const portable = createPortableProvider();
const portableSealer = portable.sealer(key);
const engine = new SealEngine(compileKernels(), chunkedBytes);
engine.open(key);
const kernelEngine = new SealEngine(compileKernels(), 0, "kernels");
kernelEngine.open(key);
engine.kernels.chunkerInit(polynomial);
engine.scratch.set(random);
const sealed = new Uint8Array(mebibyte + 32);
engine.sealInto(blob, sealed, 0);
const opened = new Uint8Array(mebibyte);
const smallSealed = sealed.slice(0, smallBlob.length + 32);
engine.sealInto(smallBlob, smallSealed, 0);

const compressor = createZstdCompressor(zstdLevelOf("auto"));
const decompressor = createZstdDecompressor();
const textFrame = compressor.compress(text).slice();
const randomFrame = compressor.compress(blob).slice();

/** Cuts all of the scratch. The minimum of every chunk is skipped, so more bytes are cut than scanned. */
function cutScratch(): void {
  for (let start = 0; start < chunkedBytes; ) {
    start += findCut(engine.kernels, engine.scratchOffset + start, chunkedBytes - start, true);
  }
}

/** Scans all of the scratch, from one allowed cut to the next. */
function scanScratch(): void {
  const end = engine.scratchOffset + chunkedBytes;
  for (let from = engine.scratchOffset + 64; from !== 0; ) {
    const cut = engine.kernels.chunkerScan(from, end);
    from = cut === 0 ? 0 : cut + 1;
  }
}

function authenticate(): void {
  engine.kernels.setMacKey(key.mac.r, iv);
  engine.kernels.poly1305(engine.scratchOffset, mebibyte);
}

const macKey = Buffer.concat([key.mac.r, iv]);
const steps: readonly Step[] = [
  {
    name: "chunking, random data",
    sizeBytes: chunkedBytes,
    fast: cutScratch,
    portable: () => naiveCuts(random.subarray(0, 8 * mebibyte), polynomial),
    portableBytes: 8 * mebibyte,
    floor: 1000,
  },
  { name: "chunking, bytes scanned", sizeBytes: chunkedBytes, fast: scanScratch },
  {
    name: "SHA-256, 1 MiB",
    sizeBytes: mebibyte,
    fast: () => hash("sha256", blob, "buffer"),
    portable: () => portable.sha256(blob),
  },
  {
    name: "Poly1305, 1 MiB",
    sizeBytes: mebibyte,
    fast: authenticate,
    portable: () => poly1305(blob, macKey),
    floor: 1500,
  },
  {
    name: "seal, 1 MiB",
    sizeBytes: mebibyte,
    fast: () => engine.sealInto(blob, sealed, 0),
    portable: () => portableSealer.seal(blob, iv),
  },
  { name: "  by the kernels", sizeBytes: mebibyte, fast: () => kernelEngine.sealInto(blob, sealed, 0) },
  {
    name: "seal, 2 KiB",
    sizeBytes: smallBlob.length,
    fast: () => engine.sealInto(smallBlob, smallSealed, 0),
    portable: () => portableSealer.seal(smallBlob, iv),
  },
  {
    name: "  by the kernels",
    sizeBytes: smallBlob.length,
    fast: () => kernelEngine.sealInto(smallBlob, smallSealed, 0),
  },
  {
    name: "open, 1 MiB",
    sizeBytes: mebibyte,
    fast: () => engine.openInto(sealed, opened),
    portable: () => portableSealer.open(sealed),
  },
  { name: "  by the kernels", sizeBytes: mebibyte, fast: () => kernelEngine.openInto(sealed, opened) },
  {
    name: "open, 2 KiB",
    sizeBytes: smallBlob.length,
    fast: () => engine.openInto(smallSealed, opened),
    portable: () => portableSealer.open(smallSealed),
  },
  { name: "  by the kernels", sizeBytes: smallBlob.length, fast: () => kernelEngine.openInto(smallSealed, opened) },
  // The portable provider only stores, which is no comparison.
  { name: "zstd (auto), random", sizeBytes: mebibyte, fast: () => compressor.compress(blob) },
  { name: "zstd (auto), text", sizeBytes: mebibyte, fast: () => compressor.compress(text) },
  {
    name: "zstd decoding, random",
    sizeBytes: mebibyte,
    fast: () => decompressor.decompress(randomFrame, mebibyte, mebibyte),
    portable: () => portable.decompress(randomFrame, mebibyte),
  },
  {
    name: "zstd decoding, text",
    sizeBytes: mebibyte,
    fast: () => decompressor.decompress(textFrame, mebibyte, mebibyte),
    portable: () => portable.decompress(textFrame, mebibyte),
  },
];

const roundMs = 60;
const rounds = 7;

/**
 * The best MB/s (10^6 bytes, of processor time) of several rounds, after one that lets the engine compile what is hot. Small
 * work is repeated between two looks at the clock, which cost a microsecond.
 */
function measure(sizeBytes: number, work: () => unknown): number {
  const repeats = Math.max(1, Math.floor(65536 / sizeBytes));
  let best = 0;
  for (let round = 0; round <= rounds; round++) {
    const started = process.threadCpuUsage();
    let times = 0;
    let elapsedMs = 0;
    do {
      for (let repeat = 0; repeat < repeats; repeat++) work();
      times += repeats;
      const { user, system } = process.threadCpuUsage(started);
      elapsedMs = (user + system) / 1000;
    } while (elapsedMs < roundMs);
    const rate = (sizeBytes * times) / elapsedMs / 1000;
    if (round > 0) best = Math.max(best, rate);
  }
  return best;
}

function printRow(cells: readonly string[]): void {
  const [name = "", ...figures] = cells;
  process.stdout.write(`${name.padEnd(26)}${figures.map((figure) => figure.padStart(10)).join("")}\n`);
}

function runSteps(): void {
  printRow(["step, MB/s on one core", "coffer", "portable", "ratio", "floor"]);
  for (const { name, sizeBytes, fast, portable: slow, portableBytes, floor } of steps) {
    const fastRate = measure(sizeBytes, fast);
    const slowRate = slow === undefined ? undefined : measure(portableBytes ?? sizeBytes, slow);
    const verdict = floor === undefined ? "" : `${floor} ${fastRate >= floor ? "met" : "MISSED"}`;
    const ratio = slowRate === undefined ? "" : (fastRate / slowRate).toFixed(1);
    printRow([name, fastRate.toFixed(0), slowRate?.toFixed(0) ?? "", ratio, verdict]);
  }
}

/** An ordinary key of restic's: threads that were prepared, as the command line does, beside crypto.scrypt. */
async function runScrypt(): Promise<void> {
  const parameters = { N: 32768, r: 8, p: 6 };
  const provider = createNodeProvider();
  provider.prepareScrypt();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const password = Buffer.from("password");
  const salt = random.subarray(0, 64);
  const started = performance.now();
  await provider.scrypt(password, salt, parameters, 64);
  const fastMs = performance.now() - started;
  const again = performance.now();
  scryptSync(password, salt, 64, { ...parameters, maxmem: 1 << 30 });
  const nodeMs = performance.now() - again;
  process.stdout.write(
    `\nscrypt, N=32768, r=8, p=6: ${fastMs.toFixed(0)} ms on two threads; crypto.scrypt ${nodeMs.toFixed(0)} ms\n`,
  );
}

runSteps();
await runScrypt();
