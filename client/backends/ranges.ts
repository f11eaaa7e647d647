/** The rules of ranges and handles, the same for every adapter: checked before a request is made, and on its answer. */
import { CofferError } from "../../shared/errors.ts";
import { describeHandle, type FileHandle, fileTypes, isId } from "../../shared/format/layout.ts";
import type { ByteRange, LoadOptions } from "./backend.ts";

/** Throws `internal` for a handle that names no file: a caller's mistake, found before anything is asked or written. */
export function checkHandle(handle: FileHandle): void {
  if (handle.type === "config") return;
  if (!fileTypes.includes(handle.type)) {
    throw new CofferError("internal", `file type expected one of ${fileTypes.join(", ")}, got ${String(handle.type)}`);
  }
  if (!isId(handle.id)) {
    throw new CofferError("internal", `${handle.type} file id expected 64 lower-case hex digits, got "${handle.id}"`);
  }
}

/** Throws `internal` unless the offset is a whole number from 0 and the length, if given, one from 1. */
export function checkRange(range: ByteRange | undefined): void {
  if (range === undefined) return;
  const { offsetBytes, lengthBytes } = range;
  if (!Number.isSafeInteger(offsetBytes) || offsetBytes < 0) {
    throw new CofferError("internal", `range offset expected a whole number from 0, got ${offsetBytes}`);
  }
  if (lengthBytes !== undefined && (!Number.isSafeInteger(lengthBytes) || lengthBytes < 1)) {
    throw new CofferError("internal", `range length expected a whole number from 1, got ${lengthBytes}`);
  }
}

/** The length of the bytes that a range means in a file of the given size. Throws `out-of-range`. */
export function lengthInFile(handle: FileHandle, range: ByteRange | undefined, sizeBytes: number): number {
  if (range === undefined) return sizeBytes;
  const { offsetBytes, lengthBytes } = range;
  // HTTP cannot ask for an empty range, so a range that begins at the end of a file is outside it, on every backend.
  const isInside =
    lengthBytes === undefined
      ? offsetBytes < sizeBytes || (offsetBytes === 0 && sizeBytes === 0)
      : offsetBytes + lengthBytes <= sizeBytes;
  if (!isInside) throw outOfRange(handle, range, sizeBytes);
  return lengthBytes ?? sizeBytes - offsetBytes;
}

/** The error for a range that is not wholly inside the file; the size may be unknown. */
export function outOfRange(handle: FileHandle, range: ByteRange, sizeBytes?: number): CofferError {
  const { offsetBytes, lengthBytes } = range;
  const wanted = `bytes from ${offsetBytes} to ${lengthBytes === undefined ? "the end" : offsetBytes + lengthBytes}`;
  const size = sizeBytes === undefined ? "" : ` of ${sizeBytes} bytes`;
  return new CofferError("out-of-range", `${describeHandle(handle)}: ${wanted} are not inside the file${size}`, {
    data: { offsetBytes, lengthBytes, sizeBytes },
  });
}

/** The memory that receives a load of known length: the caller's, or fresh. Throws `limit-exceeded`. */
export function memoryFor(handle: FileHandle, lengthBytes: number, into: Uint8Array | undefined): Uint8Array {
  if (into === undefined) return new Uint8Array(lengthBytes);
  if (into.length < lengthBytes) throw intoTooSmall(handle, lengthBytes, into);
  return into.subarray(0, lengthBytes);
}

function intoTooSmall(handle: FileHandle, lengthBytes: number, into: Uint8Array): CofferError {
  const message = `${describeHandle(handle)}: ${lengthBytes} bytes do not fit into the ${into.length} bytes given for them`;
  return new CofferError("limit-exceeded", message);
}

/** The part of a whole file in memory that `load` asks for, copied: what it returns may be changed by the caller. */
export function copyOfPart(handle: FileHandle, file: Uint8Array, options: LoadOptions): Uint8Array {
  const offsetBytes = options.range?.offsetBytes ?? 0;
  const lengthBytes = lengthInFile(handle, options.range, file.length);
  const memory = memoryFor(handle, lengthBytes, options.into);
  memory.set(file.subarray(offsetBytes, offsetBytes + lengthBytes));
  return memory;
}

/** The error for a file that is not there. */
export function notFound(handle: FileHandle, cause?: unknown): CofferError {
  return new CofferError("not-found", `${describeHandle(handle)} does not exist`, { cause });
}
