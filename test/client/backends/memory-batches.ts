/** A backend in memory that takes batches, as a server does which checks every part by itself. */
import type { ObjectToSave } from "../../../client/backends/batch-body.ts";
import { BatchingBackend, type BatchSender } from "../../../client/backends/batching.ts";
import { LimitedBackend } from "../../../client/backends/limit.ts";
import { MemoryBackend } from "../../../client/backends/memory.ts";
import { Semaphore } from "../../../client/backends/semaphore.ts";
import { pathOf } from "../../../shared/format/layout.ts";
import type { BatchLimits } from "../../../shared/rest/batch.ts";

export class MemoryBatchBackend extends MemoryBackend implements BatchSender {
  batchLimits: BatchLimits | undefined = { parts: 1000, partBytes: 4_000_000, totalBytes: 16_000_000 };
  /** The paths of each batch that came. */
  readonly batches: string[][] = [];

  async saveBatch(objects: readonly ObjectToSave[], _signal: AbortSignal): Promise<readonly boolean[]> {
    this.batches.push(objects.map(({ handle }) => pathOf(handle)));
    const saves = await Promise.allSettled(objects.map(({ handle, body }) => this.save(handle, body)));
    return saves.map(({ status }) => status === "fulfilled");
  }
}

/** The wrappers around a sender, as they are around the one for a server. */
export function batching(sender: BatchSender): BatchingBackend {
  const slots = new Semaphore(sender.connections);
  return new BatchingBackend(new LimitedBackend(sender, slots), sender, slots);
}
