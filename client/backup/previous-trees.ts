/**
 * The trees of the parent snapshot, loaded while the walk is on its way to them: those of the next folders are asked for ahead, so that a
 * distant server costs one wait and not one for each folder.
 */
import type { Id } from "../../shared/format/layout.ts";
import type { TreeNode } from "../../shared/format/tree-node.ts";
import { type ByteString, toByteString } from "./byte-paths.ts";

interface LoadingTree {
  nodes: ReadonlyMap<ByteString, TreeNode> | undefined;
  error: Error | undefined;
}

const noNodes: ReadonlyMap<ByteString, TreeNode> = new Map();
const noTree: LoadingTree = { nodes: noNodes, error: undefined };

export class PreviousTrees {
  readonly #load: (id: Id) => Promise<readonly TreeNode[]>;
  readonly #maxAhead: number;
  readonly #onLoaded: () => void;
  /** Asked for, and not opened yet. */
  readonly #ahead = new Map<Id, LoadingTree>();

  /** `maxAhead`: how many trees may be held that nobody has opened yet. */
  constructor(load: (id: Id) => Promise<readonly TreeNode[]>, maxAhead: number, onLoaded: () => void) {
    this.#load = load;
    this.#maxAhead = maxAhead;
    this.#onLoaded = onLoaded;
  }

  /** A folder of the parent snapshot; without an id one that it did not have. */
  open(id: Id | undefined, parent: PreviousTreeFolder | undefined): PreviousTreeFolder {
    if (id === undefined) return new PreviousTreeFolder(noTree, parent);
    const tree = this.#ahead.get(id) ?? this.#begin(id);
    this.#ahead.delete(id);
    return new PreviousTreeFolder(tree, parent);
  }

  /** Asks for the folders that come next: those in `folder` after `name`, then those after its ancestors. */
  lookAhead(folder: PreviousTreeFolder): void {
    for (let level: PreviousTreeFolder | undefined = folder; level !== undefined; level = level.parent) {
      while (this.#ahead.size < this.#maxAhead) {
        const id = level.nextSubtree();
        if (id === undefined) break;
        if (!this.#ahead.has(id)) this.#ahead.set(id, this.#begin(id));
      }
    }
  }

  /** The folder was walked: what was asked for below it and has not been opened is no longer there on disk. */
  close(folder: PreviousTreeFolder): void {
    for (const id of folder.askedFor) this.#ahead.delete(id);
  }

  #begin(id: Id): LoadingTree {
    const tree: LoadingTree = { nodes: undefined, error: undefined };
    this.#load(id)
      .then((nodes) => {
        tree.nodes = new Map(nodes.map((node) => [toByteString(node.name), node]));
      })
      .catch((error: unknown) => {
        tree.error = error instanceof Error ? error : new Error(String(error));
        tree.nodes = noNodes;
      })
      .finally(this.#onLoaded);
    return tree;
  }
}

/** One folder of the parent snapshot, while the walk is in it. */
export class PreviousTreeFolder {
  readonly parent: PreviousTreeFolder | undefined;
  readonly #tree: LoadingTree;
  #subtrees: readonly { readonly name: ByteString; readonly id: Id }[] | undefined;
  #next = 0;
  #isErrorTaken = false;

  constructor(tree: LoadingTree, parent: PreviousTreeFolder | undefined) {
    this.#tree = tree;
    this.parent = parent;
  }

  get isLoaded(): boolean {
    return this.#tree.nodes !== undefined;
  }

  node(name: ByteString): TreeNode | undefined {
    return this.#tree.nodes?.get(name);
  }

  /** Why the nodes could not be loaded; once. */
  takeError(): Error | undefined {
    if (this.#isErrorTaken) return undefined;
    this.#isErrorTaken = true;
    return this.#tree.error;
  }

  /** The walk, which goes in the order of names, has come to this one: trees before it are not needed ahead. */
  passed(name: ByteString): void {
    for (let subtree = this.#folders[this.#next]; subtree !== undefined; subtree = this.#folders[this.#next]) {
      if (subtree.name > name) return;
      this.#next++;
    }
  }

  nextSubtree(): Id | undefined {
    return this.#folders[this.#next++]?.id;
  }

  get askedFor(): Id[] {
    return this.#folders.slice(0, this.#next).map(({ id }) => id);
  }

  get #folders(): readonly { readonly name: ByteString; readonly id: Id }[] {
    if (this.#tree.nodes === undefined) return [];
    this.#subtrees ??= [...this.#tree.nodes].flatMap(([name, { subtree }]) => {
      return subtree === undefined ? [] : [{ name, id: subtree }];
    });
    return this.#subtrees;
  }
}
