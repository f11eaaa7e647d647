/** Counts and tells of items that are complete: new, modified or unchanged beside the parent's node. */
import { nodesEqual, type TreeNode } from "../../shared/format/tree-node.ts";
import type { ByteString } from "./byte-paths.ts";
import type { Added } from "./messages.ts";
import type { BackupEvents, CompletedItem } from "./options.ts";
import type { Statistics } from "./statistics.ts";

export const nothingAdded: Added = { blobs: 0, bytes: 0, storedBytes: 0 };

export interface ItemToReport {
  readonly node: TreeNode;
  /** The parent's node of that path, of whatever type. */
  readonly previousNode: TreeNode | undefined;
  /** In the snapshot, without a slash at the end. */
  readonly path: ByteString;
  readonly startedMs: number;
  /** Of a file: its data blobs; of a directory: its tree. */
  readonly added: Added;
}

export class ItemReports {
  readonly #statistics: Statistics;
  readonly #events: BackupEvents;

  constructor(statistics: Statistics, events: BackupEvents) {
    this.#statistics = statistics;
    this.#events = events;
  }

  file(item: ItemToReport): void {
    this.#statistics.addData(item.added);
    this.#complete("file", item, { data: item.added, metadata: nothingAdded });
  }

  directory(item: ItemToReport): void {
    this.#statistics.addTree(item.added);
    this.#complete("directory", item, { data: nothingAdded, metadata: item.added });
  }

  /** The path on disk. */
  failed(path: Uint8Array, error: Error): void {
    this.#statistics.failedItems++;
    this.#events.itemFailed?.(path, error, "archival");
  }

  #complete(
    kind: CompletedItem["kind"],
    item: ItemToReport,
    { data, metadata }: { data: Added; metadata: Added },
  ): void {
    const { node, previousNode } = item;
    let action: CompletedItem["action"] = "new";
    if (previousNode !== undefined) action = nodesEqual(previousNode, node) ? "unchanged" : "modified";
    this.#statistics.addItem(kind, action, node.sizeBytes);
    this.#events.itemCompleted?.({
      kind,
      action,
      path: kind === "directory" ? `${item.path}/` : item.path,
      durationMs: action === "unchanged" ? 0 : performance.now() - item.startedMs,
      dataBytes: data.bytes,
      dataStoredBytes: data.storedBytes,
      metadataBytes: metadata.bytes,
      metadataStoredBytes: metadata.storedBytes,
    });
  }
}
