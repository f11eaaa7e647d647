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

class NativeDescriptorCalls implements DescriptorCalls {
  readonly #library: NativeLibrary;
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
    this.#futimens = library.func("int futimens(int, const void*)");
    this.#flistxattr = library.func("int64 flistxattr(int, void*, uint64)");
    this.#fgetxattr = library.func("int64 fgetxattr(int, const void*, void*, uint64)");
    this.#fsetxattr = library.func("int fsetxattr(int, const void*, const void*, uint64, int)");
    this.#fremovexattr = library.func("int fremovexattr(int, const void*)");
  }

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
function cString(name: Uint8Array): Buffer {
  if (name.includes(0)) throw new CofferError("malformed", "a name of an attribute expected no NUL byte, got one");
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
