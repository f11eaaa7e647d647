/** Compares files on disk with what a snapshot says, blob by blob: to leave alone what is right, and to verify. */
import { hash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { equalBytes } from "../../shared/format/bytes.ts";
import { BlobList } from "../reading/blob-list.ts";
import type { CompareAnswer, CompareTask } from "./file-tasks.ts";
import { hasMetadata } from "./item-metadata.ts";
import type { FolderCache } from "./target-folder.ts";

/** A file that cannot be opened or read matches nowhere. */
export function compareFile(folders: FolderCache, task: CompareTask): CompareAnswer {
  const blobs = BlobList.unpack(task.blobs);
  const matches = new Uint8Array(blobs.count);
  let descriptor: number;
  try {
    const path = folders.open(task.folder).pathOf(task.name);
    // Without O_NONBLOCK, opening a pipe would wait for its writer.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return { sizeBytes: -1, matches, hasMetadata: false };
  }
  try {
    const status = fstatSync(descriptor, { bigint: true });
    if (!status.isFile()) return { sizeBytes: -1, matches, hasMetadata: false };
    compareBlobs(descriptor, blobs, task.position, matches);
    const isAsStored = task.metadata !== undefined && hasMetadata(descriptor, status, task.metadata);
    return { sizeBytes: Number(status.size), matches, hasMetadata: isAsStored };
  } catch {
    return { sizeBytes: -1, matches: matches.fill(0), hasMetadata: false };
  } finally {
    closeSync(descriptor);
  }
}

function compareBlobs(descriptor: number, blobs: BlobList, position: number, matches: Uint8Array): void {
  let piece = Buffer.alloc(0);
  let offset = position;
  for (let blob = 0; blob < blobs.count; blob++) {
    const lengthBytes = blobs.plainLengthOf(blob);
    if (piece.length < lengthBytes) piece = Buffer.allocUnsafeSlow(Math.max(lengthBytes, 1024 * 1024));
    const content = piece.subarray(0, lengthBytes);
    if (readAt(descriptor, content, offset) < lengthBytes) return;
    if (equalBytes(hash("sha256", content, "buffer"), blobs.idOf(blob))) matches[blob] = 1;
    offset += lengthBytes;
  }
}

function readAt(descriptor: number, target: Buffer, position: number): number {
  let done = 0;
  while (done < target.length) {
    const count = readSync(descriptor, target, done, target.length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}
