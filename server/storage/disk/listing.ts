/** Listing folders without ever holding a whole list. */
import { join } from "node:path";
import { type FileType, folderOf } from "../../../shared/format/layout.ts";
import type { StoredFile } from "../storage.ts";
import type { FairGate } from "./fair-gate.ts";
import { fileSystemError } from "./file-system.ts";
import type { ListBatch } from "./list-protocol.ts";
import type { ListThread } from "./list-thread.ts";

const idDigits = 64;

/** The files of one type below the folder of a repository. Throws `not-found` when there is no folder for the type. */
export async function* listFiles(
  repository: string,
  type: FileType,
  thread: ListThread,
  gate: FairGate,
  owner: string,
): AsyncIterable<StoredFile[]> {
  const folder = join(repository, folderOf(type));
  await gate.enter(owner);
  try {
    for await (const batch of thread.list({ folder, isSpread: type === "data" })) yield filesOf(batch);
  } catch (error) {
    throw fileSystemError(error, `cannot list ${folder}`);
  } finally {
    gate.leave();
  }
}

function filesOf({ ids, sizes }: ListBatch): StoredFile[] {
  return Array.from(sizes, (sizeBytes, i) => ({ id: ids.slice(i * idDigits, (i + 1) * idDigits), sizeBytes }));
}
