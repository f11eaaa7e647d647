/**
 * From what the walk finds to trees: decides what must be read, collects the nodes of each folder, and makes a folder's tree when its last
 * entry is complete, so bottom up. Only folders with entries that are not complete are held.
 */
import { CofferError } from "../../shared/errors.ts";
import type { Id } from "../../shared/format/layout.ts";
import { encodeTree } from "../../shared/format/tree.ts";
import { encodeNode, type TreeNode } from "../../shared/format/tree-node.ts";
import { type ByteString, displayBytes } from "./byte-paths.ts";
import { entryFailure, itemFailure } from "./failures.ts";
import type { FileContent, FileReadingEvents, FileToRead } from "./file-reading.ts";
import { type ItemReports, nothingAdded } from "./item-reports.ts";
import type { Added } from "./messages.ts";
import { type ChangeRules, isUnchanged, type NodeFactory } from "./nodes.ts";
import type { BackupEvents } from "./options.ts";
import type { PreviousTreeFolder, PreviousTrees } from "./previous-trees.ts";
import type { Statistics } from "./statistics.ts";
import type { FoundEntry, WalkVisitor } from "./walk.ts";

/** A folder of which the tree is not made yet. */
export interface ArchiveFolder {
  /** Undefined for the root, which has no node. */
  readonly parent: ArchiveFolder | undefined;
  /** Without its subtree. */
  readonly node: TreeNode | undefined;
  /** Its place among the nodes of its parent. */
  readonly position: number;
  /** In the snapshot; empty for the root. */
  readonly path: ByteString;
  readonly diskPath: Buffer;
  readonly previous: PreviousTreeFolder;
  readonly previousNode: TreeNode | undefined;
  readonly startedMs: number;
  /** Encoded, in the order of names; undefined while not complete, and for entries that are left out in the end. */
  readonly nodes: (string | undefined)[];
  /** Entries that are not complete, and one while the walk is in the folder. */
  pending: number;
  /** True once the parent's nodes are there and were looked at. */
  isPrepared: boolean;
}

/** A file that is to be read, or being read. */
export interface ArchiveFile extends FileToRead {
  readonly folder: ArchiveFolder;
  readonly position: number;
  readonly name: ByteString;
  /** Without content. */
  readonly node: TreeNode;
  readonly previousNode: TreeNode | undefined;
  startedMs: number;
}

export interface ArchiverDependencies {
  readonly nodes: NodeFactory;
  readonly previousTrees: PreviousTrees;
  readonly rules: ChangeRules;
  readonly reports: ItemReports;
  readonly statistics: Statistics;
  readonly events: Pick<BackupEvents, "fileStarted" | "bytesRead">;
  /** True when the repository has this data blob. */
  hasData(id: Id): boolean;
  read(file: ArchiveFile): void;
  storeTree(plaintext: Uint8Array): Promise<{ readonly id: Id; readonly added: Added }>;
  /** Milliseconds, monotonic. */
  now(): number;
}

export class Archiver implements WalkVisitor<ArchiveFolder>, FileReadingEvents<ArchiveFile> {
  readonly root: ArchiveFolder;
  readonly #dependencies: ArchiverDependencies;
  readonly #complete: ArchiveFolder[] = [];
  #rootTree: Id | undefined;
  #rootEntries = 0;

  constructor(previousRoot: Id | undefined, dependencies: ArchiverDependencies) {
    this.#dependencies = dependencies;
    const previous = dependencies.previousTrees.open(previousRoot, undefined);
    this.root = newFolder({ previous, path: "", diskPath: Buffer.alloc(0), startedMs: dependencies.now() });
  }

  /** Set when everything is archived. */
  get rootTree(): Id | undefined {
    return this.#rootTree;
  }

  get rootEntries(): number {
    return this.#rootEntries;
  }

  /** Folders that wait for `storeTrees`. */
  get completeFolders(): number {
    return this.#complete.length;
  }

  // What the walk finds.

  isReady(folder: ArchiveFolder): boolean {
    if (folder.isPrepared) return true;
    if (!folder.previous.isLoaded) return false;
    folder.isPrepared = true;
    const error = folder.previous.takeError();
    if (error !== undefined) this.#dependencies.reports.failed(folder.diskPath, error);
    this.#dependencies.previousTrees.lookAhead(folder.previous);
    return true;
  }

  enterFolder(found: FoundEntry, parent: ArchiveFolder): ArchiveFolder {
    const { previousTrees, nodes, now } = this.#dependencies;
    const previousNode = parent.previous.node(found.name);
    const folder = newFolder({
      parent,
      node: nodes.create(found),
      position: parent.nodes.push(undefined) - 1,
      path: `${parent.path}/${found.name}`,
      diskPath: found.path,
      previous: previousTrees.open(previousNode?.subtree, parent.previous),
      previousNode,
      startedMs: now(),
    });
    parent.pending++;
    parent.previous.passed(found.name);
    previousTrees.lookAhead(folder.previous);
    return folder;
  }

  visitEntry(found: FoundEntry, parent: ArchiveFolder): void {
    // A socket means nothing without the process that listens on it.
    if (found.status.type === "socket") return;
    let node: TreeNode;
    try {
      node = this.#dependencies.nodes.create(found);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      this.#dependencies.reports.failed(
        found.path,
        error instanceof CofferError ? error : itemFailure("readlink", found.path, error),
      );
      return;
    }
    const position = parent.nodes.push(undefined) - 1;
    if (node.type === "file") this.#visitFile(found, parent, node, position);
    else parent.nodes[position] = encodeNode(node);
  }

  #visitFile({ name, path, status }: FoundEntry, folder: ArchiveFolder, node: TreeNode, position: number): void {
    const { rules, read, now } = this.#dependencies;
    const previousNode = folder.previous.node(name);
    const file = { folder, position, name, path, status, node, previousNode, startedMs: now() };
    folder.pending++;
    if (previousNode !== undefined && isUnchanged(previousNode, node, status, rules)) {
      const content = previousNode.content ?? [];
      if (content.every((id) => this.#dependencies.hasData(id))) {
        this.bytesRead(status.sizeBytes);
        this.completed(file, { ids: content, sizeBytes: status.sizeBytes, status, added: nothingAdded });
        return;
      }
      const text = `parts of ${displayBytes(path)} not found in the repository index; storing the file again`;
      this.#dependencies.reports.failed(path, new CofferError("damaged", text));
    }
    read(file);
  }

  leaveFolder(folder: ArchiveFolder): void {
    this.#dependencies.previousTrees.close(folder.previous);
    this.#settle(folder);
  }

  entryFailed(path: Buffer, error: Error): void {
    this.#dependencies.reports.failed(path, entryFailure(path, error));
  }

  // What becomes of the files.

  started(file: ArchiveFile): void {
    file.startedMs = this.#dependencies.now();
    this.#dependencies.events.fileStarted?.(pathOf(file));
  }

  bytesRead(count: number): void {
    this.#dependencies.events.bytesRead?.(count);
  }

  completed(file: ArchiveFile, { ids, sizeBytes, status, added }: FileContent): void {
    const current = status === file.status ? file.node : this.#dependencies.nodes.withStatus(file.node, status);
    const node = { ...current, content: ids, sizeBytes };
    const { folder, previousNode, startedMs } = file;
    folder.nodes[file.position] = encodeNode(node);
    this.#dependencies.reports.file({ node, previousNode, path: pathOf(file), startedMs, added });
    this.#settle(folder);
  }

  failed(file: ArchiveFile, error: CofferError): void {
    const isGone = (error.cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
    if (!isGone) this.#dependencies.reports.failed(file.path, error);
    this.#settle(file.folder);
  }

  // Folders that are complete.

  /** Makes and stores the trees of all complete folders, and of those that become complete by it. One call at a time. */
  async storeTrees(): Promise<void> {
    for (let folder = this.#complete.pop(); folder !== undefined; folder = this.#complete.pop()) {
      const nodes = folder.nodes.filter((node) => node !== undefined);
      const { id, added } = await this.#dependencies.storeTree(encodeTree(nodes));
      if (folder.parent === undefined || folder.node === undefined) {
        this.#dependencies.statistics.addTree(added);
        this.#rootEntries = nodes.length;
        this.#rootTree = id;
        return;
      }
      const node = { ...folder.node, subtree: id };
      folder.parent.nodes[folder.position] = encodeNode(node);
      const { previousNode, path, startedMs } = folder;
      this.#dependencies.reports.directory({ node, previousNode, path, startedMs, added });
      this.#settle(folder.parent);
    }
  }

  #settle(folder: ArchiveFolder): void {
    if (--folder.pending === 0) this.#complete.push(folder);
  }
}

function newFolder(
  folder: Pick<ArchiveFolder, "path" | "diskPath" | "previous" | "startedMs"> & Partial<ArchiveFolder>,
): ArchiveFolder {
  return {
    parent: undefined,
    node: undefined,
    position: 0,
    previousNode: undefined,
    nodes: [],
    pending: 1,
    isPrepared: false,
    ...folder,
  };
}

function pathOf(file: ArchiveFile): ByteString {
  return `${file.folder.path}/${file.name}`;
}
