/**
 * What a restore has planned and not yet done: a few thousand files. The walk fills a batch while those before are carried
 * out: so memory holds few batches, and not the nodes of a snapshot with millions of files, and work begins at once.
 */
import type { Id } from "../../shared/format/layout.ts";
import type { BytePath } from "./byte-path.ts";
import type { HardLinkGroup } from "./hard-links.ts";
import type { ItemMetadata } from "./item-metadata.ts";

/** The regular file that is there already. */
export interface ExistingFile {
  readonly sizeBytes: number;
  /** With other names, the file may also lie outside of the target: it is replaced and never written to. */
  readonly hasOtherNames: boolean;
  /** Counts as unchanged without a look at its content. */
  readonly looksUnchanged: boolean;
  /** The owner, who is not root, may not write to it. */
  readonly isReadOnly: boolean;
}

export interface PlannedFile {
  readonly path: BytePath;
  /** The two parts of the path. */
  readonly folder: BytePath;
  readonly name: BytePath;
  readonly content: readonly Id[];
  /** As the node says; only for what is shown. */
  readonly sizeBytes: number;
  readonly metadata: ItemMetadata;
  readonly existing: ExistingFile | undefined;
  readonly group: HardLinkGroup | undefined;
}

/** One more name of a file. */
export interface PlannedLink {
  readonly path: BytePath;
  readonly group: HardLinkGroup;
}

/** A folder that gets its metadata when everything in it is done. */
export interface PlannedFolder {
  readonly path: BytePath;
  readonly metadata: ItemMetadata;
}

/** About what an object in memory costs; the exact number does not matter. */
const fileCostBytes = 600;
const blobCostBytes = 350;
const linkCostBytes = 200;
/** What one thread does by itself: so many files at most, and so much content. */
const localFiles = 50;
const localContentBytes = 2 * 1024 * 1024;
const maxCostBytes = 2 * 1024 * 1024;

export class FileBatch {
  readonly files: PlannedFile[] = [];
  readonly links: PlannedLink[] = [];
  /** In the order in which they are finished: children before their parents. */
  readonly folders: PlannedFolder[] = [];
  #costBytes = 0;
  #contentBytes = 0;

  addFile(file: PlannedFile): void {
    this.files.push(file);
    this.#contentBytes += file.sizeBytes;
    this.#costBytes += fileCostBytes + file.path.length + file.content.length * blobCostBytes;
  }

  addLink(link: PlannedLink): void {
    this.links.push(link);
    this.#costBytes += linkCostBytes + link.path.length;
  }

  addFolder(folder: PlannedFolder): void {
    this.folders.push(folder);
    this.#costBytes += linkCostBytes + folder.path.length;
  }

  /** False as long as threads would take longer to start than one thread to do the work. */
  get isWorthThreads(): boolean {
    return this.files.length > localFiles || this.#contentBytes > localContentBytes;
  }

  get isFull(): boolean {
    return this.#costBytes >= maxCostBytes;
  }
}
