/** Ways through the trees of a snapshot. Memory: the nodes of the folders on the way, no more. */
import { CofferError } from "../../shared/errors.ts";
import { concatBytes, equalBytes } from "../../shared/format/bytes.ts";
import type { Id } from "../../shared/format/layout.ts";
import type { TreeNode } from "../../shared/format/tree-node.ts";

/** What of a repository trees need. */
export interface TreeSource {
  loadTree(id: Id, signal?: AbortSignal): Promise<readonly TreeNode[]>;
}

export interface WalkedNode {
  /** From the root of the walk, absolute: "/folder/name". */
  readonly path: Uint8Array;
  readonly node: TreeNode;
}

export interface WalkOptions {
  readonly signal?: AbortSignal | undefined;
  /** False leaves out what is below a folder; the folder itself was walked already. */
  readonly mayDescend?: ((walked: WalkedNode) => boolean) | undefined;
  /** Told of a folder whose tree cannot be loaded, which is then taken for empty. Without it the walk ends with the error. */
  readonly onUnreadable?: ((path: Uint8Array, error: unknown) => void) | undefined;
}

const slash = Uint8Array.of(0x2f);
/** Deeper than any file system goes; a chain of trees cannot be endless, since ids are hashes, but it can be long. */
const maxDepth = 10_000;

/** All nodes below a tree, depth first in tree order, folders before what is in them. */
export async function* walkTree(
  source: TreeSource,
  root: Id,
  options: WalkOptions = {},
): AsyncGenerator<WalkedNode, void, void> {
  const levels: { path: Uint8Array; nodes: Iterator<TreeNode> }[] = [];
  const enter = async (path: Uint8Array, id: Id): Promise<void> => {
    if (levels.length >= maxDepth) throw new CofferError("limit-exceeded", `folders nest deeper than ${maxDepth}`);
    levels.push({ path, nodes: (await loadOrReport(source, path, id, options)).values() });
  };
  await enter(new Uint8Array(0), root);
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const next = level.nodes.next();
    if (next.done) {
      levels.pop();
      continue;
    }
    const walked = { path: concatBytes(level.path, slash, next.value.name), node: next.value };
    yield walked;
    if (walked.node.type !== "dir" || options.mayDescend?.(walked) === false) continue;
    if (walked.node.subtree !== undefined) await enter(walked.path, walked.node.subtree);
  }
}

async function loadOrReport(
  source: TreeSource,
  path: Uint8Array,
  id: Id,
  { signal, onUnreadable }: WalkOptions,
): Promise<readonly TreeNode[]> {
  try {
    return await source.loadTree(id, signal);
  } catch (error) {
    if (onUnreadable === undefined || signal?.aborted) throw error;
    onUnreadable(path, error);
    return [];
  }
}

/**
 * The tree of a subfolder, such as "a/b", "/a/b/" or "" for the root itself; "." and ".." are resolved as text. Throws `not-found` when a
 * component does not exist or is no folder.
 */
export async function findSubfolder(
  source: TreeSource,
  root: Id,
  subfolder: string,
  signal?: AbortSignal,
): Promise<Id> {
  const encoder = new TextEncoder();
  let tree = root;
  const passed: string[] = [];
  for (const name of componentsOf(subfolder)) {
    passed.push(name);
    const bytes = encoder.encode(name);
    const node = (await source.loadTree(tree, signal)).find((candidate) => equalBytes(candidate.name, bytes));
    if (node === undefined) throw new CofferError("not-found", `path ${passed.join("/")}: not found`);
    if (node.type !== "dir" || node.subtree === undefined) {
      throw new CofferError("not-found", `path ${passed.join("/")}: not a directory`);
    }
    tree = node.subtree;
  }
  return tree;
}

function componentsOf(path: string): string[] {
  const components: string[] = [];
  for (const component of path.split("/")) {
    if (component === "" || component === ".") continue;
    if (component === "..") components.pop();
    else components.push(component);
  }
  return components;
}
