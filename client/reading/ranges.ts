/** Which bytes of a pack to ask for, so that many blobs come with few requests. docs/format.md, reading blobs. */
import { maxRangeGapBytes } from "../../shared/format/limits.ts";

/** A part of a pack that one request fetches, and which of the wanted blobs lie in it. */
export interface PackRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** Indices into the list of wanted blobs: from `first` to below `end`. */
  readonly first: number;
  readonly end: number;
}

export interface BlobExtent {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/**
 * Ranges for blobs in ascending order of offset: neighbours are merged, read over gaps of up to 1 MiB, as long as a range
 * stays below `limitBytes`. A single blob may be longer than that.
 */
export function planRanges(blobs: readonly BlobExtent[], limitBytes: number): PackRange[] {
  const ranges: PackRange[] = [];
  let first = 0;
  let start = 0;
  let stop = 0;
  for (const [index, { offsetBytes, lengthBytes }] of blobs.entries()) {
    const end = offsetBytes + lengthBytes;
    if (index > first && (offsetBytes - stop > maxRangeGapBytes || end - start > limitBytes)) {
      ranges.push({ offsetBytes: start, lengthBytes: stop - start, first, end: index });
      first = index;
    }
    if (index === first) start = offsetBytes;
    stop = index === first ? end : Math.max(stop, end);
  }
  if (blobs.length > 0) ranges.push({ offsetBytes: start, lengthBytes: stop - start, first, end: blobs.length });
  return ranges;
}
