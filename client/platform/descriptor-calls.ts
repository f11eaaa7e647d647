/**
 * Calls on open files that node:fs lacks: times exact to the nanosecond, extended attributes. A file that is reached by
 * its descriptor cannot be exchanged for another between two calls, which a path cannot promise.
 *
 * They go through koffi; without it times are rounded to what a double holds, and attributes are left out.
 */
import { futimesSync } from "node:fs";
import { getSystemErrorMap } from "node:util";
import { CofferError } from "../../shared/errors.ts";
import { loadNativeLibrary, type NativeFunction, type NativeLibrary } from "./system-calls.ts";

/** Failing calls throw a system error with `code` and `syscall`, as node:fs does. The descriptor may not be of O_PATH. */
export interface DescriptorCalls {
  /**
   * A new descriptor for an entry of an open folder, whose descriptor may be of O_PATH; closed on exec. Undefined where the system
   * cannot be asked for that.
   */
  readonly openAt: ((folder: number, name: Uint8Array, flags: number, mode: number) => number) | undefined;
  /** In nanoseconds since 1970. */
  setTimes(descriptor: number, atimeNs: bigint, mtimeNs: bigint): void;
  /** The names, empty when the file system has no extended attributes. */
  listXattrs(descriptor: number): Buffer[];
  getXattr(descriptor: number, name: Uint8Array): Buffer;
  /** Creates or replaces. */
  setXattr(descriptor: number, name: Uint8Array, value: Uint8Array): void;
  removeXattr(descriptor: number, name: Uint8Array): void;
}

let instance: DescriptorCalls | undefined;

/** The calls of this machine: loaded at the first use, the same object ever after in one thread. */
export function descriptorCalls(): DescriptorCalls {
  instance ??= load();
  return instance;
}

function load(): DescriptorCalls {
  const library = loadNativeLibrary();
  if (typeof library === "string") return reducedCalls(library);
  try {
    return new NativeDescriptorCalls(library);
  } catch (error) {
    return reducedCalls(error instanceof Error ? error.message : String(error));
  }
}

const xattrMaxBytes = 65536;
const errnoNoData = 61;
const errnoNotSupported = 95;

/** Not in node:fs, which sets it on all that it opens. */
const closeOnExec = 0o2000000;
const interrupted = 4;

class NativeDescriptorCalls implements DescriptorCalls {
  readonly #library: NativeLibrary;
  readonly #openat: NativeFunction;
  /** A name and the NUL behind it. Names in a folder have at most 255 bytes on Linux; longer ones the system refuses. */
  readonly #name: Buffer = Buffer.alloc(4096);
  readonly #futimens: NativeFunction;
  readonly #flistxattr: NativeFunction;
  readonly #fgetxattr: NativeFunction;
  readonly #fsetxattr: NativeFunction;
  readonly #fremovexattr: NativeFunction;
  /** Two times, each seconds (rounded down, also before 1970) and nanoseconds: struct timespec. */
  readonly #times: BigInt64Array = new BigInt64Array(4);
  readonly #timesBytes: Uint8Array = new Uint8Array(this.#times.buffer);
  readonly #answer: Buffer = Buffer.from(new ArrayBuffer(xattrMaxBytes));

  constructor(library: NativeLibrary) {
    this.#library = library;
    this.#openat = library.func("int openat(int, const void*, int, uint32)");
    this.#futimens = library.func("int futimens(int, const void*)");
    this.#flistxattr = library.func("int64 flistxattr(int, void*, uint64)");
    this.#fgetxattr = library.func("int64 fgetxattr(int, const void*, void*, uint64)");
    this.#fsetxattr = library.func("int fsetxattr(int, const void*, const void*, uint64, int)");
    this.#fremovexattr = library.func("int fremovexattr(int, const void*)");
  }

  readonly openAt = (folder: number, name: Uint8Array, flags: number, mode: number): number => {
    const text = name.length < this.#name.length ? this.#name : Buffer.alloc(name.length + 1);
    checkName(name);
    text.set(name);
    text[name.length] = 0;
    for (;;) {
      const descriptor = this.#openat(folder, text, flags | closeOnExec, mode);
      if (descriptor >= 0) return descriptor;
      const errno = this.#library.errno();
      if (errno !== interrupted) throw systemError(errno, `openat '${Buffer.from(name).toString()}'`);
    }
  };

  setTimes(descriptor: number, atimeNs: bigint, mtimeNs: bigint): void {
    setTimespec(this.#times, 0, atimeNs);
    setTimespec(this.#times, 2, mtimeNs);
    this.#check(this.#futimens(descriptor, this.#timesBytes), "futimens");
  }

  listXattrs(descriptor: number): Buffer[] {
    const length = Number(this.#flistxattr(descriptor, this.#answer, xattrMaxBytes));
    if (length < 0) {
      const errno = this.#library.errno();
      if (errno === errnoNoData || errno === errnoNotSupported) return [];
      throw systemError(errno, "flistxattr");
    }
    return splitAtNul(this.#answer.subarray(0, length));
  }

  getXattr(descriptor: number, name: Uint8Array): Buffer {
    const length = Number(this.#fgetxattr(descriptor, cString(name), this.#answer, xattrMaxBytes));
    if (length < 0) throw systemError(this.#library.errno(), "fgetxattr");
    return Buffer.from(this.#answer.subarray(0, length));
  }

  setXattr(descriptor: number, name: Uint8Array, value: Uint8Array): void {
    this.#check(this.#fsetxattr(descriptor, cString(name), value, value.length, 0), "fsetxattr");
  }

  removeXattr(descriptor: number, name: Uint8Array): void {
    this.#check(this.#fremovexattr(descriptor, cString(name)), "fremovexattr");
  }

  #check(result: number, syscall: string): void {
    if (result !== 0) throw systemError(this.#library.errno(), syscall);
  }
}

function reducedCalls(reason: string): DescriptorCalls {
  const refuse = (): never => {
    throw new CofferError("unsupported", `extended attributes are not available here: ${reason}`);
  };
  return {
    openAt: undefined,
    setTimes: (descriptor, atimeNs, mtimeNs) => {
      futimesSync(descriptor, Number(atimeNs) / 1e9, Number(mtimeNs) / 1e9);
    },
    listXattrs: () => [],
    getXattr: refuse,
    setXattr: refuse,
    removeXattr: refuse,
  };
}

/** The kernel would take a name to end at a NUL inside of it. */
function checkName(name: Uint8Array): void {
  if (name.includes(0)) throw new CofferError("malformed", "a name expected no NUL byte, got one");
}

function cString(name: Uint8Array): Buffer {
  checkName(name);
  const text = Buffer.alloc(name.length + 1);
  text.set(name);
  return text;
}

function splitAtNul(list: Buffer): Buffer[] {
  const names: Buffer[] = [];
  let start = 0;
  for (let end = list.indexOf(0); end >= 0; end = list.indexOf(0, start)) {
    names.push(Buffer.from(list.subarray(start, end)));
    start = end + 1;
  }
  return names;
}

const nanosecondsPerSecond = 1_000_000_000n;

function setTimespec(target: BigInt64Array, index: number, timeNs: bigint): void {
  let nanoseconds = timeNs % nanosecondsPerSecond;
  if (nanoseconds < 0n) nanoseconds += nanosecondsPerSecond;
  target[index] = (timeNs - nanoseconds) / nanosecondsPerSecond;
  target[index + 1] = nanoseconds;
}

function systemError(errno: number, syscall: string): NodeJS.ErrnoException {
  const [code, text] = getSystemErrorMap().get(-errno) ?? nameOfErrno(errno);
  const error: NodeJS.ErrnoException = new Error(`${code}: ${text}, ${syscall}`);
  error.code = code;
  error.errno = -errno;
  error.syscall = syscall;
  return error;
}

/** Node knows no name for this error of Linux. */
function nameOfErrno(errno: number): [string, string] {
  return errno === errnoNoData ? ["ENODATA", "no data available"] : [`errno ${errno}`, "the system refuses"];
}
