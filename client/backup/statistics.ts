/** What a backup counts, for its summary. Source: docs/format.md, section 7.1. */
import type { SnapshotSummary } from "../../shared/format/snapshot.ts";
import type { Added } from "./messages.ts";
import type { CompletedItem } from "./options.ts";

export class Statistics {
  readonly #counts = {
    file: { new: 0, modified: 0, unchanged: 0 },
    directory: { new: 0, modified: 0, unchanged: 0 },
  };
  #dataBlobs = 0;
  #treeBlobs = 0;
  #bytesAdded = 0;
  #bytesStored = 0;
  #bytesProcessed = 0;
  failedItems = 0;

  /** `sizeBytes`: of a file. */
  addItem(kind: CompletedItem["kind"], action: CompletedItem["action"], sizeBytes: number): void {
    this.#counts[kind][action]++;
    this.#bytesProcessed += sizeBytes;
  }

  addData(added: Added): void {
    this.#dataBlobs += added.blobs;
    this.#addBytes(added);
  }

  addTree(added: Added): void {
    this.#treeBlobs += added.blobs;
    this.#addBytes(added);
  }

  #addBytes(added: Added): void {
    this.#bytesAdded += added.bytes;
    this.#bytesStored += added.storedBytes;
  }

  /** Times are RFC 3339 text. */
  summary(backupStart: string, backupEnd: string): SnapshotSummary {
    const { file, directory } = this.#counts;
    return {
      backupStart,
      backupEnd,
      filesNew: file.new,
      filesChanged: file.modified,
      filesUnmodified: file.unchanged,
      dirsNew: directory.new,
      dirsChanged: directory.modified,
      dirsUnmodified: directory.unchanged,
      dataBlobs: this.#dataBlobs,
      treeBlobs: this.#treeBlobs,
      dataAdded: this.#bytesAdded,
      dataAddedPacked: this.#bytesStored,
      totalFilesProcessed: file.new + file.modified + file.unchanged,
      totalBytesProcessed: this.#bytesProcessed,
    };
  }
}
