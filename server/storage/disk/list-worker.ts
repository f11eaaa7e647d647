/**
 * The thread that lists folders. Asking for the size of each of 100,000 files costs a third of a second when the calls wait for
 * each other, and ten times as much when each goes through the pool of threads; here they may wait without anybody else waiting.
 */
import { readdirSync, statSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { isId } from "../../../shared/format/layout.ts";
import { failedWith } from "./file-system.ts";
import { packFolders } from "./folders.ts";
import type { ListBatch, ListReply, ListRequest } from "./list-protocol.ts";

const batchFiles = 1000;

const lists = new Map<number, Iterator<ListBatch>>();

parentPort?.on("message", (request: ListRequest) => {
  if (request.close) lists.delete(request.list);
  else parentPort?.postMessage(answer(request));
});

function answer({ list, open }: ListRequest): ListReply {
  try {
    if (open !== undefined) lists.set(list, open.isSpread ? listSpread(open.folder) : listOne(open.folder));
    const result = lists.get(list)?.next();
    // An earlier thread may have begun it. To take that for its end would make files disappear.
    if (result === undefined) throw new Error(`list ${list} was not begun by this thread`);
    if (result.done !== true) return { list, batch: result.value };
    lists.delete(list);
    return { list, isEnd: true };
  } catch (error) {
    lists.delete(list);
    const { code, message } = error as NodeJS.ErrnoException;
    return { list, error: { code, message } };
  }
}

function* listOne(folder: string): Generator<ListBatch> {
  const gathered = new GatheredFiles();
  yield* gathered.addFolder(folder, "");
  yield gathered.take();
}

/** Throws when there is no folder at all; those of single digits may be missing. */
function* listSpread(folder: string): Generator<ListBatch> {
  statSync(`${folder}/.`);
  const gathered = new GatheredFiles();
  for (const name of packFolders) {
    try {
      yield* gathered.addFolder(`${folder}/${name}`, name);
    } catch (error) {
      if (!failedWith(error, "ENOENT")) throw error;
    }
  }
  yield gathered.take();
}

class GatheredFiles {
  #ids = "";
  #sizes: number[] = [];

  /** Gives a batch whenever there is one. A file in the wrong folder could not be loaded by its id, so it is left out. */
  *addFolder(folder: string, idPrefix: string): Generator<ListBatch> {
    for (const name of readdirSync(folder)) {
      if (!isId(name) || !name.startsWith(idPrefix)) continue;
      const sizeBytes = sizeOf(`${folder}/${name}`);
      if (sizeBytes === undefined) continue;
      this.#ids += name;
      if (this.#sizes.push(sizeBytes) === batchFiles) yield this.take();
    }
  }

  take(): ListBatch {
    const batch = { ids: this.#ids, sizes: Float64Array.from(this.#sizes) };
    this.#ids = "";
    this.#sizes = [];
    return batch;
  }
}

/** Undefined for what is not a regular file, or is gone by now. */
function sizeOf(path: string): number | undefined {
  try {
    const status = statSync(path, { throwIfNoEntry: false });
    return status?.isFile() ? status.size : undefined;
  } catch (error) {
    if (failedWith(error, "ELOOP")) return undefined;
    throw error;
  }
}
