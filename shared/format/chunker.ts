/**
 * Content-defined chunking: where files are cut, so that equal stretches of different files give equal chunks. A cut
 * depends on nothing but the chunk's own bytes. Source: docs/format.md, sections 3.3 and 3.4.
 */
import { CofferError } from "../errors.ts";
import type { Kernels } from "../kernels/kernels.ts";
import { maxChunkBytes, minChunkBytes } from "./limits.ts";

/** The part of the kernels that cuts; its tables must have been filled by `chunkerInit`. */
export type ChunkerKernel = Pick<Kernels, "bytes" | "chunkerScan">;

/** The shortest and the longest chunk. */
export interface ChunkSizes {
  readonly minBytes: number;
  readonly maxBytes: number;
}

/** restic's sizes. Others may be read by everybody, but files cut by them share no chunks with those of restic. */
const standardChunkSizes: ChunkSizes = { minBytes: minChunkBytes, maxBytes: maxChunkBytes };

/**
 * The length of the chunk that begins at `from`, an address in the kernels' memory, when `available` bytes lie there; 0
 * when more bytes are needed to tell. `isEnd` says that the file ends after them. With 8 MiB or more, or at the end with
 * at least one byte, the answer is never 0. Throws `internal` when the bytes do not lie inside the memory.
 */
export function findCut(
  kernels: ChunkerKernel,
  from: number,
  available: number,
  isEnd: boolean,
  sizes: ChunkSizes = standardChunkSizes,
): number {
  if (from < 0 || available < 0 || from + available > kernels.bytes.length) {
    throw new CofferError("internal", `chunker expected bytes inside its memory, got ${available} at ${from}`);
  }
  if (available < sizes.minBytes) return isEnd ? available : 0;
  const scanned = Math.min(available, sizes.maxBytes);
  const cut = kernels.chunkerScan(from + sizes.minBytes, from + scanned);
  if (cut !== 0) return cut - from;
  return scanned === sizes.maxBytes || isEnd ? scanned : 0;
}

/** The lengths of the chunks from `from` on: all of them when `isEnd`, else those that more bytes cannot change. */
export function cutAll(
  kernels: ChunkerKernel,
  from: number,
  available: number,
  isEnd: boolean,
  sizes: ChunkSizes = standardChunkSizes,
): number[] {
  const lengths: number[] = [];
  for (let position = 0; position < available; ) {
    const length = findCut(kernels, from + position, available - position, isEnd, sizes);
    if (length === 0) break;
    lengths.push(length);
    position += length;
  }
  return lengths;
}
