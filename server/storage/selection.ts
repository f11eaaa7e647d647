/** Parts of a file, as requested before the file's size is known. */
import { CofferError } from "../../shared/errors.ts";

/** From an offset, optionally to a last byte (inclusive), or the last bytes of the file. */
export type ByteSelection =
  | { readonly firstByte: number; readonly lastByte?: number }
  | { readonly suffixBytes: number };

export interface ByteExtent {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/**
 * What a selection takes of a file of this size: clipped to its end. Undefined when it takes nothing of a file that is not
 * empty; an empty file is always taken whole.
 */
export function extentOf(selection: ByteSelection | undefined, totalBytes: number): ByteExtent | undefined {
  if (selection === undefined || totalBytes === 0) return { offsetBytes: 0, lengthBytes: totalBytes };
  if ("suffixBytes" in selection) {
    const lengthBytes = Math.min(selection.suffixBytes, totalBytes);
    return lengthBytes === 0 ? undefined : { offsetBytes: totalBytes - lengthBytes, lengthBytes };
  }
  if (selection.firstByte >= totalBytes) return undefined;
  const lastByte = Math.min(selection.lastByte ?? totalBytes - 1, totalBytes - 1);
  return { offsetBytes: selection.firstByte, lengthBytes: lastByte - selection.firstByte + 1 };
}

/** The same, throwing `out-of-range` for adapters. */
export function requireExtent(selection: ByteSelection | undefined, totalBytes: number): ByteExtent {
  const extent = extentOf(selection, totalBytes);
  if (extent === undefined) {
    throw new CofferError("out-of-range", `range expected to overlap the ${totalBytes} bytes of the file`, {
      data: { totalBytes },
    });
  }
  return extent;
}
