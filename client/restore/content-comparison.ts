/** Has files on disk compared with their content in the snapshot, large ones in parts that workers share. */
import { BlobList } from "../reading/blob-list.ts";
import type { TaskRunner } from "../reading/task-workers.ts";
import type { BlobTable } from "../repository/blob-table.ts";
import type { BytePath } from "./byte-path.ts";
import type { FilePiece } from "./content-plan.ts";
import type { CompareAnswer, RestoreAnswer, RestoreTask } from "./file-tasks.ts";
import type { ItemMetadata } from "./item-metadata.ts";

/** What one task reads. */
const partBytes = 64 * 1024 * 1024;

export interface ContentComparison {
  /** -1 when the file cannot be read as a regular file. */
  readonly sizeBytes: number;
  /** The pieces that are not in their places. */
  readonly missing: readonly FilePiece[];
  /** Only known when metadata was given. */
  readonly hasMetadata: boolean;
}

export async function compareContent(
  runner: TaskRunner<RestoreTask, RestoreAnswer>,
  table: BlobTable,
  { folder, name }: { readonly folder: BytePath; readonly name: BytePath },
  pieces: readonly FilePiece[],
  metadata?: ItemMetadata,
): Promise<ContentComparison> {
  const parts = splitPieces(pieces);
  const answers = await Promise.all(
    parts.map((part) => {
      const blobs = packPieces(part, table);
      const position = part[0]?.position ?? 0;
      const task: RestoreTask = {
        kind: "compare",
        folder,
        name,
        position,
        blobs,
        metadata,
      };
      return runner.run(task, [blobs]) as Promise<CompareAnswer>;
    }),
  );
  const isReadable = answers.every((answer) => answer.sizeBytes >= 0);
  return {
    sizeBytes: isReadable ? (answers[0]?.sizeBytes ?? -1) : -1,
    missing: parts.flatMap((part, index) => part.filter((_, piece) => answers[index]?.matches[piece] !== 1)),
    hasMetadata: answers.every((answer) => answer.hasMetadata),
  };
}

/** At least one part, so that a file without content is looked at too. */
function splitPieces(pieces: readonly FilePiece[]): FilePiece[][] {
  const parts: FilePiece[][] = [[]];
  let sizeBytes = 0;
  for (const piece of pieces) {
    if (sizeBytes >= partBytes) {
      parts.push([]);
      sizeBytes = 0;
    }
    parts.at(-1)?.push(piece);
    sizeBytes += piece.contentBytes;
  }
  return parts;
}

/** Reused between blobs. */
const idBytes: Uint8Array = new Uint8Array(32);

function packPieces(pieces: readonly FilePiece[], table: BlobTable): ArrayBuffer {
  const blobs = new BlobList(pieces.length);
  for (const { entry, lengthBytes, uncompressedBytes } of pieces) {
    table.copyId(entry, idBytes, 0);
    blobs.append("data", idBytes, 0, lengthBytes, uncompressedBytes);
  }
  return blobs.pack();
}
