/**
 * The system calls that node:fs lacks, on raw byte paths: extended attributes of the entry itself (links are not
 * followed), times exact to the nanosecond, pipes and device files.
 *
 * They go through koffi to the C library the process runs on. Where koffi cannot be loaded, or on a system other than
 * 64-bit Linux, a reduced service stands in: `limitation` says what is missing, so that a command can warn once.
 */
import { lutimesSync, utimesSync } from "node:fs";
import { createRequire } from "node:module";
import { getSystemErrorMap } from "node:util";
import { CofferError } from "../../shared/errors.ts";

/** Failing calls throw a system error with `code` ("ENODATA"), `errno`, `syscall` and `path`, as node:fs does. */
export interface SystemCalls {
  /** A sentence for people when this is the reduced service; undefined when everything works. */
  readonly limitation: string | undefined;
  /** The names in the order the kernel gives them; empty when the file system has no extended attributes. */
  listXattrs(path: Uint8Array): Buffer[];
  /** The value, possibly empty. Throws ENODATA when there is no such attribute. */
  getXattr(path: Uint8Array, name: Uint8Array): Buffer;
  /** Creates or replaces. */
  setXattr(path: Uint8Array, name: Uint8Array, value: Uint8Array): void;
  /** Throws ENODATA when there is no such attribute. */
  removeXattr(path: Uint8Array, name: Uint8Array): void;
  /** Sets both times, in nanoseconds since 1970. With `noFollow` a link gets them itself. */
  utimensat(path: Uint8Array, atimeNs: bigint, mtimeNs: bigint, noFollow: boolean): void;
  /** `mode`: the permission bits; the umask applies. */
  makeFifo(path: Uint8Array, mode: number): void;
  /** `mode`: type and permission bits as st_mode has them; `device` as st_rdev. The umask applies. */
  makeNode(path: Uint8Array, mode: number, device: bigint): void;
}

let instance: SystemCalls | undefined;

/** The system calls of this machine. Loaded at the first call (about 10 ms), the same object ever after. */
export function systemCalls(): SystemCalls {
  instance ??= loadSystemCalls();
  return instance;
}

/** What this module and users.ts need from koffi. */
export interface NativeLibrary {
  /** A function of the C library, by its prototype. Throws when the library has no such function. */
  func(prototype: string): NativeFunction;
  /** The error number that the last call of this thread left. */
  errno(): number;
  /** Where the memory of a buffer lies. */
  address(buffer: Uint8Array): bigint;
}

export type NativeFunction = (...values: (Uint8Array | number | bigint | null)[]) => number;

/** The C library of this process, or the reason why it cannot be called. */
export function loadNativeLibrary(): NativeLibrary | string {
  const platform = `${process.platform}-${process.arch}`;
  if (!["linux-x64", "linux-arm64", "linux-riscv64", "linux-loong64"].includes(platform)) {
    return `no native calls are known for ${platform}`;
  }
  try {
    const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");
    const library = koffi.load(null);
    return {
      func: (prototype) => library.func(prototype),
      errno: () => koffi.errno(),
      address: (buffer) => koffi.address(buffer),
    };
  } catch (error) {
    return `the package koffi does not load: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function loadSystemCalls(): SystemCalls {
  const library = loadNativeLibrary();
  if (typeof library === "string") return new ReducedSystemCalls(library);
  try {
    return new LinuxSystemCalls(library);
  } catch (error) {
    return new ReducedSystemCalls(error instanceof Error ? error.message : String(error));
  }
}

const errnoOf = { ERANGE: 34, ENODATA: 61, EOPNOTSUPP: 95 } as const;
const atCurrentFolder = -100;
const atSymlinkNoFollow = 0x100;
/** The kernel gives names of at most 64 KiB in all, and values of at most 64 KiB. */
const xattrMaxBytes = 65536;
const pipeType = 0o010000;

class LinuxSystemCalls implements SystemCalls {
  readonly limitation = undefined;
  readonly #library: NativeLibrary;
  readonly #llistxattr: NativeFunction;
  readonly #lgetxattr: NativeFunction;
  readonly #lsetxattr: NativeFunction;
  readonly #lremovexattr: NativeFunction;
  readonly #utimensat: NativeFunction;
  readonly #mknod: NativeFunction;
  /** Reused between calls, which are synchronous: the answer of a call is copied out before the next. */
  readonly #path = new CString(4096);
  readonly #name = new CString(256);
  readonly #answer: Buffer = Buffer.from(new ArrayBuffer(xattrMaxBytes));
  readonly #times: Buffer = Buffer.from(new ArrayBuffer(32));

  constructor(library: NativeLibrary) {
    this.#library = library;
    this.#llistxattr = library.func("int64 llistxattr(const void*, void*, uint64)");
    this.#lgetxattr = library.func("int64 lgetxattr(const void*, const void*, void*, uint64)");
    this.#lsetxattr = library.func("int lsetxattr(const void*, const void*, const void*, uint64, int)");
    this.#lremovexattr = library.func("int lremovexattr(const void*, const void*)");
    this.#utimensat = library.func("int utimensat(int, const void*, const void*, int)");
    this.#mknod = library.func("int mknod(const void*, uint32, uint64)");
  }

  listXattrs(path: Uint8Array): Buffer[] {
    // Nearly all files have none, and asking for the length alone spares the kernel 64 KiB of memory.
    if (this.#listXattrs(path, null, 0) === 0) return [];
    const length = this.#listXattrs(path, this.#answer, xattrMaxBytes);
    return splitAtNul(this.#answer.subarray(0, length));
  }

  #listXattrs(path: Uint8Array, target: Buffer | null, maxBytes: number): number {
    const length = Number(this.#llistxattr(this.#path.set(path), target, maxBytes));
    if (length >= 0) return length;
    const errno = this.#library.errno();
    if (errno === errnoOf.EOPNOTSUPP || errno === errnoOf.ENODATA) return 0;
    throw systemError(errno, "llistxattr", path);
  }

  getXattr(path: Uint8Array, name: Uint8Array): Buffer {
    const length = Number(this.#lgetxattr(this.#path.set(path), this.#name.set(name), this.#answer, xattrMaxBytes));
    if (length < 0) throw systemError(this.#library.errno(), "lgetxattr", path);
    return Buffer.from(this.#answer.subarray(0, length));
  }

  setXattr(path: Uint8Array, name: Uint8Array, value: Uint8Array): void {
    this.#check(this.#lsetxattr(this.#path.set(path), this.#name.set(name), value, value.length, 0), "lsetxattr", path);
  }

  removeXattr(path: Uint8Array, name: Uint8Array): void {
    this.#check(this.#lremovexattr(this.#path.set(path), this.#name.set(name)), "lremovexattr", path);
  }

  utimensat(path: Uint8Array, atimeNs: bigint, mtimeNs: bigint, noFollow: boolean): void {
    writeTimespec(this.#times, 0, atimeNs);
    writeTimespec(this.#times, 16, mtimeNs);
    const flags = noFollow ? atSymlinkNoFollow : 0;
    this.#check(this.#utimensat(atCurrentFolder, this.#path.set(path), this.#times, flags), "utimensat", path);
  }

  makeFifo(path: Uint8Array, mode: number): void {
    this.makeNode(path, pipeType | mode, 0n);
  }

  makeNode(path: Uint8Array, mode: number, device: bigint): void {
    this.#check(this.#mknod(this.#path.set(path), mode, device), "mknod", path);
  }

  #check(result: number, syscall: string, path: Uint8Array): void {
    if (result !== 0) throw systemError(this.#library.errno(), syscall, path);
  }
}

/** What can be done without native calls: no extended attributes, times to the microsecond, no pipes or devices. */
class ReducedSystemCalls implements SystemCalls {
  readonly limitation: string;

  constructor(reason: string) {
    this.limitation = `extended attributes, pipes and device files are left out, and times are rounded: ${reason}`;
  }

  listXattrs(): Buffer[] {
    return [];
  }

  getXattr(): Buffer {
    throw this.#unsupported("reading extended attributes");
  }

  setXattr(): void {
    throw this.#unsupported("setting extended attributes");
  }

  removeXattr(): void {
    throw this.#unsupported("removing extended attributes");
  }

  utimensat(path: Uint8Array, atimeNs: bigint, mtimeNs: bigint, noFollow: boolean): void {
    const set = noFollow ? lutimesSync : utimesSync;
    set(Buffer.from(path), Number(atimeNs) / 1e9, Number(mtimeNs) / 1e9);
  }

  makeFifo(): void {
    throw this.#unsupported("making a pipe");
  }

  makeNode(): void {
    throw this.#unsupported("making a device file");
  }

  #unsupported(what: string): CofferError {
    return new CofferError("unsupported", `${what} is not possible here: ${this.limitation}`);
  }
}

/** Memory for a byte string with a NUL behind it, reused and grown when needed. */
class CString {
  #memory: Buffer;

  constructor(capacityBytes: number) {
    this.#memory = Buffer.from(new ArrayBuffer(capacityBytes));
  }

  /** Throws on a NUL inside: the kernel would take the name to end there. */
  set(bytes: Uint8Array): Buffer {
    if (bytes.includes(0)) throw new CofferError("malformed", "a path or name expected no NUL byte inside, got one");
    if (bytes.length >= this.#memory.length) this.#memory = Buffer.from(new ArrayBuffer(bytes.length * 2));
    this.#memory.set(bytes);
    this.#memory[bytes.length] = 0;
    return this.#memory;
  }
}

/** A C string as bytes with a NUL behind them, in memory of its own. */
export function toCString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/** Copies of the parts of a list in which each name ends with a NUL. */
function splitAtNul(list: Buffer): Buffer[] {
  const names: Buffer[] = [];
  let start = 0;
  for (let end = list.indexOf(0); end >= 0; end = list.indexOf(0, start)) {
    names.push(Buffer.from(list.subarray(start, end)));
    start = end + 1;
  }
  return names;
}

/** struct timespec: seconds (floor, also before 1970) and nanoseconds. */
function writeTimespec(target: Buffer, offset: number, timeNs: bigint): void {
  const nanoseconds = ((timeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  target.writeBigInt64LE((timeNs - nanoseconds) / 1_000_000_000n, offset);
  target.writeBigInt64LE(nanoseconds, offset + 8);
}

/** An error of the form that node:fs throws: "ENODATA: no data available, lgetxattr '/path'". */
function systemError(errno: number, syscall: string, path: Uint8Array): NodeJS.ErrnoException {
  const [code, text] = getSystemErrorMap().get(-errno) ?? nameOfErrno(errno);
  const shown = Buffer.from(path).toString();
  const error: NodeJS.ErrnoException = new Error(`${code}: ${text}, ${syscall} '${shown}'`);
  error.code = code;
  error.errno = -errno;
  error.syscall = syscall;
  error.path = shown;
  return error;
}

/** Node knows no name for some errors of Linux. */
function nameOfErrno(errno: number): [string, string] {
  if (errno === errnoOf.ENODATA) return ["ENODATA", "no data available"];
  if (errno === errnoOf.EOPNOTSUPP) return ["EOPNOTSUPP", "operation not supported"];
  if (errno === errnoOf.ERANGE) return ["ERANGE", "result too large"];
  return [`errno ${errno}`, "unknown system error"];
}
