/**
 * From files to the ranges of packs that hold their content. Blobs and packs go by their numbers in the index: a file
 * costs no texts.
 */
import { CofferError } from "../../shared/errors.ts";
import type { Id } from "../../shared/format/layout.ts";
import { sealedOverheadBytes } from "../../shared/format/sealing.ts";
import { planRanges } from "../reading/ranges.ts";
import type { BlobSource } from "../reading/source.ts";
import { unplaced } from "../repository/blob-table.ts";

/** A blob of a file: where it lies in the file, and where it is stored. */
export interface FilePiece {
  /** The blob's number in the table of the index. */
  readonly entry: number;
  /** Its pack's number in the index. */
  readonly pack: number;
  /** In the pack; the length is the sealed one. */
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** 0 = not compressed. */
  readonly uncompressedBytes: number;
  /** Where the content begins in the file, and how long it is. */
  readonly position: number;
  readonly contentBytes: number;
}

/** A blob that is wanted, and what it becomes. */
export interface BlobNeed {
  readonly piece: FilePiece;
  /** Pairs: the file's index among those that were added, position in it in bytes. */
  readonly pairs: number[];
}

/** One request, and the blobs that it brings. */
export interface PlannedRange {
  readonly pack: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly needs: readonly BlobNeed[];
}

/** Reused between look-ups. */
const idBytes: Buffer = Buffer.alloc(32);

/** The pieces of a file. Throws `damaged` when a blob is in no index: then nobody knows how long it is. */
export function piecesOf(content: readonly Id[], { table }: Pick<BlobSource["index"], "table">): FilePiece[] {
  let position = 0;
  return content.map((id) => {
    idBytes.write(id, "hex");
    const entry = table.find("data", idBytes);
    const place = entry === -1 ? undefined : table.placeOf(entry);
    if (place === undefined || place.packIndex === unplaced) {
      throw new CofferError("damaged", `blob ${id} is in no index of the repository`);
    }
    const { packIndex: pack, offsetBytes, lengthBytes, uncompressedBytes } = place;
    if (lengthBytes < sealedOverheadBytes) {
      throw new CofferError("damaged", `blob ${id} has a length of ${lengthBytes} in the index: too short`);
    }
    const contentBytes = uncompressedBytes || lengthBytes - sealedOverheadBytes;
    const piece = { entry, pack, offsetBytes, lengthBytes, uncompressedBytes, position, contentBytes };
    position += contentBytes;
    return piece;
  });
}

/** Where the pieces end: the size of the file. */
export function sizeOfPieces(pieces: readonly FilePiece[]): number {
  const last = pieces.at(-1);
  return last === undefined ? 0 : last.position + last.contentBytes;
}

export class ContentPlan {
  readonly #needs = new Map<number, BlobNeed>();
  /** By the number of the pack, in the order of first need. */
  readonly #packs = new Map<number, BlobNeed[]>();
  /** The sealed bytes of all blobs together. */
  sealedBytes = 0;

  add(file: number, piece: FilePiece): void {
    const known = this.#needs.get(piece.entry);
    if (known !== undefined) {
      known.pairs.push(file, piece.position);
      return;
    }
    const need = { piece, pairs: [file, piece.position] };
    this.#needs.set(piece.entry, need);
    this.sealedBytes += piece.lengthBytes;
    const pack = this.#packs.get(piece.pack);
    if (pack === undefined) this.#packs.set(piece.pack, [need]);
    else pack.push(need);
  }

  /** All ranges, none much longer than `limitBytes` unless a single blob is. */
  ranges(limitBytes: number): PlannedRange[] {
    const ranges: PlannedRange[] = [];
    for (const [pack, needs] of this.#packs) {
      needs.sort((a, b) => a.piece.offsetBytes - b.piece.offsetBytes);
      const extents = needs.map((need) => need.piece);
      for (const { offsetBytes, lengthBytes, first, end } of planRanges(extents, limitBytes)) {
        ranges.push({ pack, offsetBytes, lengthBytes, needs: needs.slice(first, end) });
      }
    }
    return ranges;
  }
}
