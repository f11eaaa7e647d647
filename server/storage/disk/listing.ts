/** Listing folders without ever holding a whole list. */
import { opendir } from "node:fs/promises";
import { join } from "node:path";
import { type FileType, isId } from "../../../shared/format/layout.ts";
import type { Gate } from "../../gate.ts";
import type { StoredFile } from "../storage.ts";
import { failedWith, fileSystemError, statusOf } from "./file-system.ts";
import { packFolders } from "./folders.ts";

const batchFiles = 512;
/** More at a time only wait for the same threads. */
const parallelStats = 16;

/** The files of one type below the folder of a repository. Throws `not-found` when there is no folder for the type. */
export async function* listFiles(repository: string, type: FileType, gate: Gate): AsyncIterable<StoredFile[]> {
  const folder = join(repository, type);
  await gate.enter();
  try {
    if (type !== "data") return yield* listFolder(folder, "");
    await statusOf(join(folder, "."));
    for (const name of packFolders) {
      try {
        yield* listFolder(join(folder, name), name);
      } catch (error) {
        if (!failedWith(error, "ENOENT")) throw error;
      }
    }
  } catch (error) {
    throw fileSystemError(error, `cannot list ${folder}`);
  } finally {
    gate.leave();
  }
}

async function* listFolder(folder: string, idPrefix: string): AsyncIterable<StoredFile[]> {
  let names: string[] = [];
  for await (const entry of await opendir(folder, { bufferSize: batchFiles })) {
    // A file in the wrong folder could not be loaded by its id, so it does not belong to the list.
    if (!isId(entry.name) || !entry.name.startsWith(idPrefix)) continue;
    names.push(entry.name);
    if (names.length < batchFiles) continue;
    yield await withSizes(folder, names);
    names = [];
  }
  if (names.length > 0) yield await withSizes(folder, names);
}

async function withSizes(folder: string, names: readonly string[]): Promise<StoredFile[]> {
  const files: StoredFile[] = [];
  let next = 0;
  const statNext = async (): Promise<void> => {
    for (let name = names[next++]; name !== undefined; name = names[next++]) {
      const status = await statusOf(`${folder}/${name}`).catch(ignoreAbsent);
      if (status?.isFile()) files.push({ id: name, sizeBytes: status.size });
    }
  };
  await Promise.all(Array.from({ length: parallelStats }, statNext));
  return files;
}

function ignoreAbsent(error: unknown): undefined {
  if (!failedWith(error, "ENOENT", "ELOOP")) throw error;
}
