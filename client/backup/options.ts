/** What a backup is asked to do, what it tells while it runs, and what it answers. Meaning of each: docs/cli.md, backup. */
import type { Id } from "../../shared/format/layout.ts";
import type { CompressionMode } from "../../shared/format/provider.ts";
import type { Snapshot, SnapshotSummary } from "../../shared/format/snapshot.ts";
import type { ZoneOffset } from "../../shared/format/time.ts";
import type { FileStatus } from "../platform/file-status.ts";
import type { ByteString } from "./byte-paths.ts";

/** What decides about entries that are not named as targets. Paths are absolute on disk, as bytes. */
export interface Selection {
  /** Asked first, before anything is known about the entry. True leaves it out, with all that is below it. */
  rejectByPath(path: Uint8Array): boolean;
  /** Asked with the entry's own status (a link's, not its target's). */
  rejectByStatus(path: Uint8Array, status: FileStatus): boolean;
}

/** A single file that comes from a stream. */
export interface StandardInput {
  /** The path in the snapshot; folders in it are made up. */
  readonly name: string;
  /** An error of the stream ends the backup: no snapshot is written. */
  readonly stream: AsyncIterable<Uint8Array>;
}

export interface BackupOptions extends Partial<Selection> {
  /** Files and folders as given, relative ones to `workingDirectory`. Not used with `standardInput`. */
  readonly targets: readonly Uint8Array[];
  /** Absolute. */
  readonly workingDirectory: Uint8Array;
  readonly standardInput?: StandardInput | undefined;
  /** The snapshot whose unchanged files are not read again. */
  readonly parent?: (Snapshot & { readonly id: Id }) | undefined;

  /** The snapshot's time, RFC 3339 text. */
  readonly time: string;
  readonly hostname: string;
  readonly username: string;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly excludes?: readonly string[] | undefined;
  readonly programVersion: string;
  /** Of the times in nodes. The local zone when missing. */
  readonly zone?: ZoneOffset | undefined;
  /** Nanoseconds since 1970, for the begin and end in the summary. The system's clock when missing. */
  readonly nowNs?: (() => bigint) | undefined;

  /** Store access times; otherwise they are copies of the modification times. */
  readonly withAccessTime?: boolean | undefined;
  /** Neither inode nor change time show that a file has changed. */
  readonly ignoreInode?: boolean | undefined;
  /** The change time does not show that a file has changed. */
  readonly ignoreCtime?: boolean | undefined;
  /** Write no snapshot when its tree would be the parent's. */
  readonly skipIfUnchanged?: boolean | undefined;
  /** Read, chunk and compress everything, store nothing. */
  readonly dryRun?: boolean | undefined;
  /** After how long files and bytes are counted ahead, for progress with totals; never when missing. */
  readonly scanAfterMs?: number | undefined;
  /** Files read at the same time. As many as there are processors, at most 4, when missing. */
  readonly readConcurrency?: number | undefined;
  /** A pack is finished once its blobs have this size; 16 MiB when missing. */
  readonly packSizeBytes?: number | undefined;
  /** `auto` when missing. */
  readonly compression?: CompressionMode | undefined;
  /** Open, decompress and hash every blob again before it is uploaded. True when missing. */
  readonly extraVerify?: boolean | undefined;
  /** Nothing is stored before this has resolved; its rejection ends the backup. */
  readonly lock?: { readonly confirmed: Promise<unknown> } | undefined;
}

/** A file or folder of which the node is complete. Symlinks and special files have no such report. */
export interface CompletedItem {
  readonly kind: "file" | "directory";
  /** Compared with the parent's node: absent, different, or equal. */
  readonly action: "new" | "modified" | "unchanged";
  /** In the snapshot; a directory's ends with "/". */
  readonly path: ByteString;
  /** 0 for an unchanged item. */
  readonly durationMs: number;
  /** Of new data blobs of this file: plain, and as stored in packs. */
  readonly dataBytes: number;
  readonly dataStoredBytes: number;
  /** Of a new tree blob of this directory. */
  readonly metadataBytes: number;
  readonly metadataStoredBytes: number;
}

/** Called synchronously; must not throw. */
export interface BackupEvents {
  scanProgress?(files: number, bytes: number): void;
  scanFinished?(files: number, bytes: number): void;
  /** The path in the snapshot of a file that is about to be read. */
  fileStarted?(path: ByteString): void;
  /** Bytes of files that were read, or need not be read, since the last call. */
  bytesRead?(count: number): void;
  itemCompleted?(item: CompletedItem): void;
  /** The path on disk. The item is left out, or stored incompletely; the backup goes on and counts it. */
  itemFailed?(path: Uint8Array, error: Error, during: "scan" | "archival"): void;
  /** Something that does not count as a failure. */
  warning?(text: string): void;
}

export interface BackupResult {
  /** Missing when the snapshot was skipped. Of a dry run: the id that it would have had. */
  readonly snapshotId?: Id | undefined;
  readonly tree: Id;
  readonly parentId?: Id | undefined;
  readonly summary: SnapshotSummary;
  /** Calls of `itemFailed` during archival. Above 0: the snapshot is not complete. */
  readonly failedItems: number;
  readonly durationMs: number;
  /** Milliseconds spent in each stage, summed over threads, for those who measure. */
  readonly stages: Readonly<Record<string, number>>;
}
