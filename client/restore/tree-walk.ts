/** Walks a snapshot's trees, depth first, in the order of names, and picks what the selection wants. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { CofferError } from "../../shared/errors.ts";
import type { Id } from "../../shared/format/layout.ts";
import type { TreeNode } from "../../shared/format/tree-node.ts";
import { throwIfCancelled } from "../backends/cancellation.ts";
import { type BytePath, bytePathOf, checkEntryName, joinPath } from "./byte-path.ts";
import { filterPathOf } from "./filter-path.ts";
import type { RestoreSelection } from "./options.ts";

/** One item of a snapshot. */
export interface WalkedItem {
  readonly node: TreeNode;
  readonly folder: WalkedFolder;
  readonly name: BytePath;
  readonly path: BytePath;
}

/** A folder on the way. `item` is missing for the root, which has no node. */
export interface WalkedFolder {
  readonly path: BytePath;
  readonly parent: WalkedFolder | undefined;
  readonly item: WalkedItem | undefined;
  /** Does the selection want it for itself, and not only for what is below? */
  readonly isSelected: boolean;
}

export interface WalkVisitor {
  /** A folder that will be walked. All its nodes, items not selected included; undefined when they cannot be loaded. */
  enterFolder?(folder: WalkedFolder, nodes: readonly TreeNode[] | undefined): void;
  /** A selected item that is no folder. */
  visitItem(item: WalkedItem): Promise<void> | undefined;
  /** After everything below it, also when that could not be loaded. */
  leaveFolder?(folder: WalkedFolder): void;
  itemFailed(path: BytePath, error: Error): void;
  /** A name that would lead elsewhere; `itemFailed` is called too. */
  refusedName?(): void;
}

export interface TreeWalkOptions {
  readonly loadTree: (id: Id) => Promise<readonly TreeNode[]>;
  readonly selection: RestoreSelection | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Deeper nesting cannot come from a file system: paths of Linux have at most 4096 bytes where they are used. */
const maxDepth = 10_000;

/**
 * Calls the visitor for everything that is selected below the tree `root`. What cannot be walked is reported as a
 * failed item, and the rest is walked. Throws when cancelled, or what the visitor throws.
 */
export async function walkTree(root: Id, visitor: WalkVisitor, options: TreeWalkOptions): Promise<void> {
  await new TreeWalk(visitor, options).walk(root);
}

/** After so many nodes, about a millisecond, others get their turn: what was fetched waits to be handed to workers. */
const nodesPerTurn = 128;

interface Frame {
  readonly folder: WalkedFolder;
  readonly nodes: readonly TreeNode[];
  next: number;
}

class TreeWalk {
  readonly #visitor: WalkVisitor;
  readonly #options: TreeWalkOptions;
  /** The folders from the root to where the walk is. */
  readonly #frames: Frame[] = [];
  #nodeCount = 0;

  constructor(visitor: WalkVisitor, options: TreeWalkOptions) {
    this.#visitor = visitor;
    this.#options = options;
  }

  async walk(root: Id): Promise<void> {
    await this.#enter({ path: "", parent: undefined, item: undefined, isSelected: false }, root);
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      const node = frame.nodes[frame.next++];
      if (node !== undefined) {
        if (++this.#nodeCount % nodesPerTurn === 0) await nextTurn();
        // Most nodes need no waiting, and there may be millions.
        const waiting = this.#visitNode(frame.folder, node);
        if (waiting !== undefined) await waiting;
        continue;
      }
      this.#frames.pop();
      this.#visitor.leaveFolder?.(frame.folder);
    }
  }

  #visitNode(folder: WalkedFolder, node: TreeNode): Promise<void> | undefined {
    const name = bytePathOf(node.name);
    const path = joinPath(folder.path, name);
    try {
      checkEntryName(name);
    } catch (error) {
      this.#visitor.refusedName?.();
      this.#visitor.itemFailed(path, error as Error);
      return undefined;
    }
    const item = { node, folder, name, path };
    const isSelected = this.#selects(path);
    if (node.type === "dir") return this.#visitFolder(item, isSelected);
    return isSelected ? this.#visitor.visitItem(item) : undefined;
  }

  #visitFolder(item: WalkedItem, isSelected: boolean): Promise<void> | undefined {
    const { node, path, folder } = item;
    if (!isSelected && !this.#mayDescend(path)) return undefined;
    if (node.subtree === undefined) {
      this.#visitor.itemFailed(path, new CofferError("damaged", "the snapshot has no tree for this folder"));
      return undefined;
    }
    return this.#enter({ path, parent: folder, item, isSelected }, node.subtree);
  }

  async #enter(folder: WalkedFolder, tree: Id): Promise<void> {
    throwIfCancelled(this.#options.signal);
    const nodes = await this.#nodesOf(folder, tree);
    this.#visitor.enterFolder?.(folder, nodes);
    this.#frames.push({ folder, nodes: nodes ?? [], next: 0 });
  }

  async #nodesOf(folder: WalkedFolder, tree: Id): Promise<readonly TreeNode[] | undefined> {
    try {
      if (this.#frames.length >= maxDepth) {
        throw new CofferError("limit-exceeded", `folders are nested more than ${maxDepth} deep`);
      }
      return await this.#options.loadTree(tree);
    } catch (error) {
      throwIfCancelled(this.#options.signal);
      this.#visitor.itemFailed(folder.path, error as Error);
      return undefined;
    }
  }

  #selects(path: BytePath): boolean {
    const { selection } = this.#options;
    return selection === undefined || selection.selects(filterPathOf(path));
  }

  #mayDescend(path: BytePath): boolean {
    const { selection } = this.#options;
    return selection === undefined || selection.mayDescend(filterPathOf(path));
  }
}
