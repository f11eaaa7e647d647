/** From files to the ranges of packs that hold their content. */
import { CofferError } from "../../shared/errors.ts";
import type { Id } from "../../shared/format/layout.ts";
import { planRanges } from "../reading/ranges.ts";
import type { BlobPlace, BlobSource } from "../reading/source.ts";

/** A blob that is wanted, where it is, and what it becomes. */
export interface BlobNeed {
  readonly id: Id;
  readonly place: BlobPlace;
  /** Pairs: the file's index among those that were added, position in it in bytes. */
  readonly pairs: number[];
}

/** One request, and the blobs that it brings. */
export interface PlannedRange {
  readonly packId: Id;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly needs: readonly BlobNeed[];
}

/** A blob of a file: where it lies in the file, and where it is stored. */
export interface FilePiece {
  readonly id: Id;
  readonly position: number;
  readonly lengthBytes: number;
  readonly place: BlobPlace;
}

const sealedOverheadBytes = 32;

/** The pieces of a file. Throws `damaged` when a blob is in no index: then nobody knows how long it is. */
export function piecesOf(content: readonly Id[], index: BlobSource["index"]): FilePiece[] {
  let position = 0;
  return content.map((id) => {
    const place = index.lookup("data", id)[0];
    if (place === undefined) throw new CofferError("damaged", `blob ${id} is in no index of the repository`);
    if (place.lengthBytes < sealedOverheadBytes) {
      throw new CofferError("damaged", `blob ${id} has a length of ${place.lengthBytes} in the index: too short`);
    }
    const lengthBytes = place.uncompressedBytes || place.lengthBytes - sealedOverheadBytes;
    const piece = { id, position, lengthBytes, place };
    position += lengthBytes;
    return piece;
  });
}

/** Where the pieces end: the size of the file. */
export function sizeOfPieces(pieces: readonly FilePiece[]): number {
  const last = pieces.at(-1);
  return last === undefined ? 0 : last.position + last.lengthBytes;
}

export class ContentPlan {
  /** In the order of first need; blobs of a pack by their id. */
  readonly #packs = new Map<Id, Map<Id, BlobNeed>>();

  add(file: number, { id, position, place }: FilePiece): void {
    const blobs = this.#packs.get(place.packId) ?? new Map<Id, BlobNeed>();
    if (blobs.size === 0) this.#packs.set(place.packId, blobs);
    const need = blobs.get(id);
    if (need === undefined) blobs.set(id, { id, place, pairs: [file, position] });
    else need.pairs.push(file, position);
  }

  /** All ranges, none much longer than `limitBytes` unless a single blob is. */
  ranges(limitBytes: number): PlannedRange[] {
    const ranges: PlannedRange[] = [];
    for (const [packId, blobs] of this.#packs) {
      const needs = [...blobs.values()].sort((a, b) => a.place.offsetBytes - b.place.offsetBytes);
      const extents = needs.map((need) => need.place);
      for (const { offsetBytes, lengthBytes, first, end } of planRanges(extents, limitBytes)) {
        ranges.push({ packId, offsetBytes, lengthBytes, needs: needs.slice(first, end) });
      }
    }
    return ranges;
  }

  /** The sealed bytes of all blobs together. */
  get sealedBytes(): number {
    let sum = 0;
    for (const blobs of this.#packs.values()) for (const { place } of blobs.values()) sum += place.lengthBytes;
    return sum;
  }
}
