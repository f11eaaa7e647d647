/**
 * What a restore does while it walks the snapshot: makes folders, links and special files at once, plans regular files,
 * hard links and the metadata of folders.
 */
import type { BigIntStats } from "node:fs";
import { CofferError } from "../../shared/errors.ts";
import type { TreeNode } from "../../shared/format/tree-node.ts";
import { type BytePath, nameOf } from "./byte-path.ts";
import { decideFile, type FileDecision, makeFolder, mayOverwrite, removeEntry, statusOf } from "./existing-items.ts";
import { type ExistingFile, FileBatch } from "./file-batch.ts";
import { type HardLinkGroup, HardLinks } from "./hard-links.ts";
import type { ItemMetadata } from "./item-metadata.ts";
import { applyToEntry, type EntryType, makeFolderUsable } from "./metadata-application.ts";
import { metadataOf } from "./node-metadata.ts";
import type { OverwriteMode, RestoreOptions } from "./options.ts";
import type { RestoreReport } from "./report.ts";
import { isSpecial, makeSpecialItem } from "./special-items.ts";
import type { FolderCache } from "./target-folder.ts";
import type { WalkedFolder, WalkedItem, WalkVisitor } from "./tree-walk.ts";

/** How a folder of the snapshot stands in the target. */
type FolderState =
  /** It was made in this run: nothing can be in the way in it. */
  | "new"
  | "existing"
  /** A dry run would make it. */
  | "imagined"
  /** It could not be made; that was reported, and nothing below it is tried. */
  | "failed";

export interface BatchObserver {
  /** There is more to do than one thread should. Told again and again. */
  worthThreads(): void;
  /** Takes a full batch; settles when the next one may be filled. */
  full(batch: FileBatch): Promise<void>;
}

export class RestoreVisitor implements WalkVisitor {
  readonly #options: RestoreOptions;
  readonly #overwrite: OverwriteMode;
  readonly #report: RestoreReport;
  /** Missing in a dry run whose target does not exist. */
  readonly #folders: FolderCache | undefined;
  readonly #observer: BatchObserver;
  readonly #states = new Map<WalkedFolder, FolderState>();
  readonly #hardLinks = new HardLinks();
  #batch = new FileBatch();
  /** A snapshot with such names is not trusted to say what has to be deleted. */
  hasRefusedNames = false;

  constructor(
    options: RestoreOptions,
    report: RestoreReport,
    folders: FolderCache | undefined,
    observer: BatchObserver,
  ) {
    this.#options = options;
    this.#overwrite = options.overwrite ?? "always";
    this.#report = report;
    this.#folders = folders;
    this.#observer = observer;
  }

  /** What was planned after the last full batch. */
  takeBatch(): FileBatch {
    const batch = this.#batch;
    this.#batch = new FileBatch();
    return batch;
  }

  enterFolder(folder: WalkedFolder): void {
    if (folder.isSelected) this.#stateOf(folder);
  }

  visitItem(item: WalkedItem): Promise<void> | undefined {
    if (item.node.type === "socket" || this.#stateOf(item.folder) === "failed") return undefined;
    try {
      this.#visit(item);
    } catch (error) {
      this.#report.planned();
      this.itemFailed(item.path, error as Error);
    }
    if (this.#batch.isWorthThreads) this.#observer.worthThreads();
    return this.#batch.isFull ? this.#observer.full(this.takeBatch()) : undefined;
  }

  leaveFolder(folder: WalkedFolder): void {
    const state = this.#states.get(folder);
    this.#states.delete(folder);
    if (state === undefined || state === "failed" || folder.item === undefined) return;
    try {
      this.#batch.addFolder({ path: folder.path, metadata: this.#metadataOf(folder.item.node) });
    } catch (error) {
      this.itemFailed(folder.path, error as Error);
    }
  }

  itemFailed(path: BytePath, error: Error): void {
    this.#report.failed(path, error);
  }

  refusedName(): void {
    this.hasRefusedNames = true;
  }

  /** Makes the folder when it is needed for the first time: because it is selected, or something in it is. */
  #stateOf(folder: WalkedFolder): FolderState {
    const known = this.#states.get(folder);
    if (known !== undefined) return known;
    const state = this.#enter(folder);
    this.#states.set(folder, state);
    return state;
  }

  #enter(folder: WalkedFolder): FolderState {
    if (folder.parent === undefined) return this.#folders === undefined ? "imagined" : "existing";
    const parent = this.#stateOf(folder.parent);
    if (parent === "failed") return "failed";
    this.#report.planned();
    if (parent === "imagined" || this.#folders === undefined) return "imagined";
    try {
      if (this.#options.dryRun === true) return this.#isFolder(this.#folders, folder.path) ? "existing" : "imagined";
      if (makeFolder(this.#folders, folder.path, this.#overwrite)) return "new";
      makeFolderUsable(this.#folders.open(folder.path));
      return "existing";
    } catch (error) {
      this.itemFailed(folder.path, error as Error);
      return "failed";
    }
  }

  #isFolder(folders: FolderCache, path: BytePath): boolean {
    try {
      folders.open(path);
      return true;
    } catch {
      return false;
    }
  }

  #visit(item: WalkedItem): void {
    const { node } = item;
    const metadata = this.#metadataOf(node);
    const status = this.#statusOf(item);
    const group = this.#hardLinks.find(node);
    if (group !== undefined) this.#planLink(item, status, metadata, group);
    else if (node.type === "file") this.#planFile(item, status, metadata);
    else if (isSpecial(node.type)) this.#makeSpecial(item, node.type, status, metadata);
    else throw new CofferError("unsupported", `an item of type ${node.type} cannot be restored`);
  }

  #planFile({ node, path, name, folder }: WalkedItem, status: BigIntStats | undefined, metadata: ItemMetadata): void {
    if (node.content === null) throw new CofferError("damaged", "the snapshot has no list of blobs for this file");
    const decision = decideFile(status, { sizeBytes: node.sizeBytes, mtimeNs: metadata.mtimeNs }, this.#overwrite);
    if (decision === "skip") {
      this.#report.skipped(path, node.sizeBytes);
      return;
    }
    if (decision === "create" && status !== undefined) this.#clear(path, status);
    this.#batch.addFile({
      path,
      folder: folder.path,
      name,
      content: node.content,
      sizeBytes: node.sizeBytes,
      metadata,
      existing: decision === "create" || status === undefined ? undefined : existingFile(status, decision),
      group: this.#hardLinks.add(node, path),
    });
  }

  #planLink(item: WalkedItem, status: BigIntStats | undefined, metadata: ItemMetadata, group: HardLinkGroup): void {
    if (status !== undefined && !mayOverwrite(status, metadata.mtimeNs, this.#overwrite)) {
      this.#report.skipped(item.path);
      return;
    }
    this.#report.planned();
    this.#batch.addLink({ path: item.path, group });
  }

  #makeSpecial(
    item: WalkedItem,
    type: Exclude<EntryType, "file">,
    status: BigIntStats | undefined,
    metadata: ItemMetadata,
  ): void {
    const { node, path } = item;
    if (status !== undefined && !mayOverwrite(status, metadata.mtimeNs, this.#overwrite)) {
      this.#report.skipped(path);
      return;
    }
    if (status !== undefined) this.#clear(path, status);
    if (this.#options.dryRun !== true && this.#folders !== undefined) {
      const folder = this.#folders.open(item.folder.path);
      makeSpecialItem(folder, nameOf(path), node);
      this.#hardLinks.add(node, path);
      applyToEntry(folder, nameOf(path), type, metadata, this.#options.selectXattr);
    }
    this.#report.planned();
    this.#report.restored("restored", path);
  }

  /** What is there already. */
  #statusOf(item: WalkedItem): BigIntStats | undefined {
    if (this.#folders === undefined || this.#stateOf(item.folder) !== "existing") return undefined;
    return statusOf(this.#folders.open(item.folder.path), item.name);
  }

  #clear(path: BytePath, status: BigIntStats): void {
    if (this.#options.dryRun === true || this.#folders === undefined) return;
    removeEntry(this.#folders, path, status, this.#options.delete === true);
  }

  #metadataOf(node: TreeNode): ItemMetadata {
    return metadataOf(node, this.#options);
  }
}

const ownerMayWrite = 0o200n;

function existingFile(status: BigIntStats, decision: FileDecision): ExistingFile {
  return {
    sizeBytes: Number(status.size),
    hasOtherNames: status.nlink > 1n,
    looksUnchanged: decision === "unchanged",
    isReadOnly: (status.mode & ownerMayWrite) === 0n,
  };
}
