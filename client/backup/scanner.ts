/** Counts files and bytes beforehand, so that progress has totals. It walks as the backup does, and runs beside it. */
import type { CofferError } from "../../shared/errors.ts";
import { entryFailure } from "./failures.ts";
import type { BackupEvents, Selection } from "./options.ts";
import { localSource } from "./source.ts";
import type { TargetFolder } from "./targets.ts";
import { nextTurn } from "./wake.ts";
import { type FoundEntry, Walk } from "./walk.ts";

/** Shorter than the slices of the backup itself, which matters more. */
const sliceMs = 3;

/** Resolves when everything is counted, or `isNeedless` says that nobody waits for it any more. */
export async function scan(
  targets: TargetFolder,
  selection: Selection,
  events: BackupEvents,
  isNeedless: () => boolean,
): Promise<void> {
  let files = 0;
  let bytes = 0;
  const visitor = {
    enterFolder: () => undefined,
    leaveFolder: () => undefined,
    isReady: () => true,
    entryFailed: (path: Buffer, error: CofferError | Error) => {
      events.itemFailed?.(path, entryFailure(path, error), "scan");
    },
    visitEntry: ({ status }: FoundEntry) => {
      if (status.type !== "file") return;
      files++;
      bytes += status.sizeBytes;
    },
  };
  const walk = new Walk<undefined>(undefined, targets, { source: localSource, selection, visitor });
  for (;;) {
    const until = performance.now() + sliceMs;
    const state = walk.run(() => performance.now() < until);
    if (state === "finished") break;
    events.scanProgress?.(files, bytes);
    await nextTurn();
    if (isNeedless()) return;
  }
  events.scanFinished?.(files, bytes);
}
