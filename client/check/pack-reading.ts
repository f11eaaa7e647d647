/** Has whole packs read and verified, the ones with most work first, so that the workers end together. */
import { throwIfCancelled } from "../backends/cancellation.ts";
import { isDamage } from "../reading/blob-errors.ts";
import { usualBufferBytes } from "../reading/shared-buffers.ts";
import type { TaskRunner } from "../reading/task-workers.ts";
import { forEachConcurrently } from "../repository/concurrency.ts";
import type { CheckAnswer, CheckTask, PackAnswer } from "./check-tasks.ts";
import type { CheckedPack, Inventory } from "./inventory.ts";
import type { ReadingParts } from "./tree-reading.ts";

/** A part of a pack, fetched by one request so that memory does not depend on the size of packs: its blobs are those from `first` to below `end` of the pack. */
export interface PackPart {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly first: number;
  readonly end: number;
}

/** `actualBytes`: the size of the file. Parts cover it without gaps; blobs that lie behind its end are in the last. */
export function partsOfPack(
  { first, count }: Pick<CheckedPack, "first" | "count">,
  blobs: Pick<Inventory["blobs"], "offsetOf">,
  actualBytes: number,
): PackPart[] {
  const parts: PackPart[] = [];
  let start = 0;
  let from = 0;
  for (let blob = 1; blob < count && actualBytes > usualBufferBytes; blob++) {
    const offset = Math.min(actualBytes, blobs.offsetOf(first + blob));
    const nextOffset = blob + 1 < count ? blobs.offsetOf(first + blob + 1) : actualBytes;
    if (Math.min(actualBytes, nextOffset) - start <= usualBufferBytes || offset === start) continue;
    parts.push({ offsetBytes: start, lengthBytes: offset - start, first: from, end: blob });
    start = offset;
    from = blob;
  }
  parts.push({ offsetBytes: start, lengthBytes: actualBytes - start, first: from, end: count });
  return parts;
}

export interface PackFinding {
  readonly pack: CheckedPack;
  /** What is wrong with it. */
  readonly errors: readonly string[];
}

export class PackReading {
  readonly #parts: ReadingParts;
  /** What the backend lists. */
  readonly #actualSizes: ReadonlyMap<string, number>;

  constructor(parts: ReadingParts, actualSizes: ReadonlyMap<string, number>) {
    this.#parts = parts;
    this.#actualSizes = actualSizes;
  }

  /** Verifies the packs; each is told when it is done. What fails is tried once more before it counts. */
  async run(packs: readonly CheckedPack[], onPack: (finding: PackFinding) => void): Promise<void> {
    const ordered = [...packs].sort((a, b) => b.plainBytes - a.plainBytes);
    await forEachConcurrently(ordered, this.#parts.concurrency, async (pack) => {
      let errors = await this.#verify(pack);
      if (errors.length > 0) {
        await this.#parts.source.backend.dropCached?.({ type: "data", id: pack.id });
        errors = await this.#verify(pack);
      }
      onPack({ pack, errors });
    });
  }

  async #verify(pack: CheckedPack): Promise<string[]> {
    const actualBytes = this.#actualSizes.get(pack.id) ?? pack.sizeBytes;
    const parts = partsOfPack(pack, this.#parts.inventory.blobs, actualBytes);
    const runner = this.#parts.runner.pin();
    const errors: string[] = [];
    if (actualBytes !== pack.sizeBytes)
      errors.push(`unexpected file size: got ${actualBytes}, expected ${pack.sizeBytes}`);
    for (const part of parts) {
      throwIfCancelled(this.#parts.signal);
      try {
        errors.push(...(await this.#verifyPart(runner, pack, part, part === parts.at(-1))));
      } catch (error) {
        if (!isDamage(error)) throw error;
        return [...errors, `download error: ${error.message}`];
      }
    }
    return errors;
  }

  async #verifyPart(
    runner: TaskRunner<CheckTask, CheckAnswer>,
    pack: CheckedPack,
    part: PackPart,
    isLast: boolean,
  ): Promise<readonly string[]> {
    const { source, buffers, inventory, signal } = this.#parts;
    const { offsetBytes, lengthBytes } = part;
    const buffer = await buffers.acquire(lengthBytes);
    try {
      const into = buffer.bytes.subarray(0, lengthBytes);
      const options = { range: { offsetBytes, lengthBytes }, into };
      const handle = { type: "data", id: pack.id } as const;
      await source.backend.load(handle, signal === undefined ? options : { ...options, signal });
      const blobs = isLast
        ? inventory.blobs.pack(pack.first, pack.count)
        : inventory.blobs.pack(pack.first + part.first, part.end - part.first);
      const [first, end] = isLast ? [part.first, part.end] : [0, part.end - part.first];
      const { memory } = buffer;
      const task: CheckTask = {
        kind: "pack",
        packId: pack.id,
        memory,
        offsetBytes,
        lengthBytes,
        blobs,
        first,
        end,
        isLast,
      };
      return ((await runner.run(task, [blobs])) as PackAnswer).errors;
    } finally {
      buffers.release(buffer);
    }
  }
}
