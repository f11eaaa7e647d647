/**
 * `--delete`: removes what is in restored folders and not in the snapshot. Runs when all else is in its place. A folder counts as restored
 * when it is selected itself, or something in it was restored: a pattern that fits nothing must not empty the target.
 */
import type { TreeNode } from "../../shared/format/tree-node.ts";
import { type BytePath, bytePathOf, bytesOf, joinPath, textOf } from "./byte-path.ts";
import { entryNames, removeEntry, statusOf } from "./existing-items.ts";
import { filterPathOf } from "./filter-path.ts";
import { applyToFolder } from "./metadata-application.ts";
import { metadataOf } from "./node-metadata.ts";
import type { RestoreOptions } from "./options.ts";
import type { RestoreReport } from "./report.ts";
import type { FolderCache } from "./target-folder.ts";
import type { WalkedFolder, WalkedItem, WalkVisitor } from "./tree-walk.ts";

/** A folder that the walk is in. */
interface OpenFolder {
  /** Undefined when its tree cannot be loaded. */
  readonly names: ReadonlySet<string> | undefined;
  isRestored: boolean;
}

/** Walks the same trees as the restore did; folders whose trees cannot be loaded are left alone. */
export class DeletionVisitor implements WalkVisitor {
  readonly #options: RestoreOptions;
  readonly #report: RestoreReport;
  readonly #folders: FolderCache;
  readonly #open = new Map<WalkedFolder, OpenFolder>();
  readonly #isCaseInsensitive: boolean = process.platform === "win32";

  constructor(options: RestoreOptions, report: RestoreReport, folders: FolderCache) {
    this.#options = options;
    this.#report = report;
    this.#folders = folders;
  }

  enterFolder(folder: WalkedFolder, nodes: readonly TreeNode[] | undefined): void {
    const names = nodes && new Set(nodes.map((node) => this.#keyOf(bytePathOf(node.name))));
    this.#open.set(folder, { names, isRestored: folder.isSelected });
  }

  visitItem({ folder, node }: WalkedItem): undefined {
    if (node.type !== "socket") this.#markRestored(folder);
  }

  leaveFolder(folder: WalkedFolder): void {
    const open = this.#open.get(folder);
    this.#open.delete(folder);
    if (open?.isRestored !== true) return;
    if (folder.parent !== undefined) this.#markRestored(folder.parent);
    if (open.names !== undefined) this.#clean(folder, open.names);
  }

  #markRestored(folder: WalkedFolder): void {
    const open = this.#open.get(folder);
    if (open !== undefined) open.isRestored = true;
  }

  #clean(folder: WalkedFolder, wanted: ReadonlySet<string>): void {
    let hasChanged = false;
    for (const name of this.#namesIn(folder)) {
      if (wanted.has(this.#keyOf(name)) || !this.#isSelected(joinPath(folder.path, name))) continue;
      this.#remove(folder, name);
      hasChanged = true;
    }
    if (hasChanged) this.#restoreTimes(folder);
  }

  itemFailed(): void {
    // The restore has walked here before, and has reported it.
  }

  /** Empty for a folder that was not restored, or that a dry run only imagines. */
  #namesIn(folder: WalkedFolder): BytePath[] {
    try {
      return entryNames(this.#folders.open(folder.path));
    } catch {
      return [];
    }
  }

  #isSelected(path: BytePath): boolean {
    return this.#options.select?.selects(filterPathOf(path)) ?? true;
  }

  #remove(folder: WalkedFolder, name: BytePath): void {
    const path = joinPath(folder.path, name);
    try {
      const status = statusOf(this.#folders.open(folder.path), name);
      if (status === undefined) return;
      if (this.#options.dryRun === true) this.#imagineRemoval(path, status.isDirectory());
      else removeEntry(this.#folders, path, status, true, (removed) => this.#report.deleted(this.#onDisk(removed)));
    } catch (error) {
      this.#report.failed(path, error);
    }
  }

  #imagineRemoval(path: BytePath, isFolder: boolean): void {
    const content = isFolder ? this.#folders.open(path) : undefined;
    for (const name of content === undefined ? [] : entryNames(content)) {
      const status = statusOf(this.#folders.open(path), name);
      if (status !== undefined) this.#imagineRemoval(joinPath(path, name), status.isDirectory());
    }
    this.#report.deleted(this.#onDisk(path));
  }

  /** Removing an entry has changed the folder's own time. */
  #restoreTimes(folder: WalkedFolder): void {
    if (folder.item === undefined || this.#options.dryRun === true) return;
    try {
      const metadata = metadataOf(folder.item.node, this.#options);
      applyToFolder(this.#folders.open(folder.path), metadata, this.#options.selectXattr);
    } catch (error) {
      this.#report.failed(folder.path, error);
    }
  }

  #keyOf(name: BytePath): string {
    return this.#isCaseInsensitive ? textOf(name).toLowerCase() : name;
  }

  #onDisk(path: BytePath): Uint8Array {
    const target = bytePathOf(this.#options.target);
    return bytesOf(target.endsWith("/") ? `${target}${path}` : `${target}/${path}`);
  }
}
