/**
 * scrypt (RFC 7914), which every command waits for once. The lanes (p of them) are independent: pairs of them run in
 * WebAssembly SIMD on two threads, which takes a half to a quarter of the time of crypto.scrypt. That one does the rest:
 * single lanes, where there is nothing to win, and everything where the fast way does not work.
 */
import { type BinaryLike, pbkdf2Sync, scrypt, scryptSync } from "node:crypto";
import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { CofferError } from "../../shared/errors.ts";
import type { ScryptParameters } from "../../shared/format/provider.ts";
import {
  canMixLanes,
  compileScrypt,
  laneBytesOf,
  mixLanes,
  type ScryptModule,
  scryptMemoryBytes,
} from "../../shared/kernels/scrypt-kernel.ts";

/** What a worker is sent, and what it sends back: whole lanes of 128 * r bytes. */
export interface LanesToMix {
  readonly lanes: Uint8Array;
  readonly parameters: ScryptParameters;
}
export interface LanesDone {
  readonly lanes: Uint8Array;
}

/** More threads win little and cost 64 MiB each. */
const maxThreads = 2;
/** The tables of all threads together; restic's ordinary key takes 64 MiB per thread. */
const maxTableBytes = 256 * 1024 * 1024;

let compiled: ScryptModule | null | undefined;

/** The module, if it can be compiled here and computes what crypto.scrypt computes. Asked once per thread. */
function usableModule(): ScryptModule | undefined {
  if (compiled === undefined) compiled = compileAndProbe();
  return compiled ?? undefined;
}

function compileAndProbe(): ScryptModule | null {
  try {
    const module = compileScrypt();
    const parameters = { N: 16, r: 2, p: 3 };
    const expected = scryptSync("password", "salt", 32, parameters);
    const lanes = expandLanes("password", "salt", parameters);
    mixLanes(module, lanes, parameters);
    return extractKey("password", lanes, 32).equals(expected) ? module : null;
  } catch {
    // No SIMD, no WebAssembly, or no memory for it.
    return null;
  }
}

/** The first step of scrypt: one block of 128 * r bytes for each lane. */
function expandLanes(password: BinaryLike, salt: BinaryLike, parameters: ScryptParameters): Buffer {
  return pbkdf2Sync(password, salt, 1, parameters.p * laneBytesOf(parameters), "sha256");
}

/** The last step. */
function extractKey(password: BinaryLike, lanes: Uint8Array, lengthBytes: number): Buffer {
  return pbkdf2Sync(password, lanes, 1, lengthBytes, "sha256");
}

/** Threads that may be started ahead. All have ended when a derivation has; another one starts new threads. */
export class ScryptThreads {
  #waiting: Worker[] = [];

  /** Starts the threads, so that they are warm when the key file has arrived. They keep no process alive. */
  prepare(): void {
    const module = usableModule();
    if (module === undefined) return;
    while (this.#waiting.length < Math.min(maxThreads, availableParallelism())) {
      this.#waiting.push(startWorker(module));
    }
  }

  /** `lengthBytes` of key material. The parameters must have been checked; see limits.ts. */
  async derive(
    password: Uint8Array,
    salt: Uint8Array,
    parameters: ScryptParameters,
    lengthBytes: number,
  ): Promise<Uint8Array> {
    const lanes = await this.#tryThreads(password, salt, parameters);
    this.dispose();
    if (lanes === undefined) return deriveByOpenSsl(password, salt, parameters, lengthBytes);
    return new Uint8Array(extractKey(password, lanes, lengthBytes));
  }

  /** Ends threads that were prepared and not used. */
  dispose(): void {
    for (const worker of this.#waiting) void worker.terminate();
    this.#waiting = [];
  }

  /** The mixed lanes, or undefined when the threads are of no use for these parameters, or failed. */
  async #tryThreads(
    password: Uint8Array,
    salt: Uint8Array,
    parameters: ScryptParameters,
  ): Promise<Uint8Array | undefined> {
    const module = usableModule();
    const threads = threadsFor(parameters);
    if (module === undefined || threads === 0) return undefined;
    const lanes = new Uint8Array(expandLanes(password, salt, parameters));
    const shares = splitLanes(lanes, parameters, threads);
    const workers = shares.map(() => this.#waiting.pop() ?? startWorker(module));
    try {
      const mixed = await Promise.all(shares.map((share, index) => askWorker(workers[index], share, parameters)));
      mixed.forEach((part, index) => {
        shares[index]?.set(part);
      });
      return lanes;
    } catch {
      // Most likely no memory for the tables. crypto.scrypt needs half of it, or says what is wrong.
      return undefined;
    } finally {
      // The tables are megabytes that nobody needs again: the threads end, and their memory goes with them.
      for (const worker of workers) void worker.terminate();
    }
  }
}

/** How many threads to use; 0 when crypto.scrypt does it as well. */
function threadsFor(parameters: ScryptParameters): number {
  if (parameters.p < 2 || !canMixLanes(parameters, 2)) return 0;
  const byMemory = Math.floor(maxTableBytes / scryptMemoryBytes(parameters, 2));
  return Math.min(Math.ceil(parameters.p / 2), maxThreads, availableParallelism(), byMemory);
}

/** Views of all lanes, of nearly equal numbers of pairs, one for each thread. */
function splitLanes(lanes: Uint8Array, parameters: ScryptParameters, threads: number): Uint8Array[] {
  const pairBytes = 2 * laneBytesOf(parameters);
  const pairs = Math.ceil(parameters.p / 2);
  return Array.from({ length: threads }, (_, thread) => {
    const firstPair = Math.floor((thread * pairs) / threads);
    const endPair = Math.floor(((thread + 1) * pairs) / threads);
    return lanes.subarray(firstPair * pairBytes, endPair * pairBytes);
  });
}

function startWorker(module: ScryptModule): Worker {
  const url = new URL(`./scrypt-worker${extname(import.meta.url)}`, import.meta.url);
  const worker = new Worker(url, { workerData: module, execArgv: [] });
  worker.unref();
  // Whoever asks the worker listens too. Without this an error of one that nobody asked would end the process.
  worker.on("error", () => {});
  return worker;
}

/** The mixed lanes. Rejects when the thread fails or ends. */
function askWorker(worker: Worker | undefined, lanes: Uint8Array, parameters: ScryptParameters): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    if (worker === undefined) throw new CofferError("internal", "scrypt expected a thread, got none");
    worker.ref();
    worker.once("message", (done: LanesDone) => resolve(done.lanes));
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new CofferError("internal", `scrypt thread ended with ${code}`)));
    // A copy: the lanes are views of one buffer, which must not be posted whole.
    worker.postMessage({ lanes: lanes.slice(), parameters } satisfies LanesToMix);
  });
}

/** Node's own, in its thread pool. */
function deriveByOpenSsl(
  password: Uint8Array,
  salt: Uint8Array,
  parameters: ScryptParameters,
  lengthBytes: number,
): Promise<Uint8Array> {
  const { N, r, p } = parameters;
  // The default of 32 MiB does not even do for restic's ordinary parameters.
  const maxmem = 128 * r * (N + p + 2) + 1024 * 1024;
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => {
      reject(new CofferError("internal", `scrypt expected usable parameters, got N=${N}, r=${r}, p=${p}`, { cause }));
    };
    try {
      scrypt(password, salt, lengthBytes, { N, r, p, maxmem }, (cause, key) => {
        if (cause === null) resolve(new Uint8Array(key));
        else fail(cause);
      });
    } catch (cause) {
      // Parameters that are not allowed are thrown at once.
      fail(cause);
    }
  });
}
