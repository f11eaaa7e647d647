/**
 * Trees: the entries of one directory, in ascending order of the raw bytes of their names. A tree's id is the hash of its
 * text, so the text has one form only. Source: the section on trees of docs/format.md.
 */
import { CofferError } from "../errors.ts";
import { compareBytes, utf8Decode } from "./bytes.ts";
import { describeValue, parseJson } from "./json-fields.ts";
import type { Id } from "./layout.ts";
import { maxTreeBytes } from "./limits.ts";
import { quoteName } from "./quoting.ts";
import type { TreeNode } from "./tree-node.ts";
import { decodeNode, hasRoundedIntegers, quoteLargeIntegers, type RawNode } from "./tree-node-reader.ts";

/** The tree of an empty directory. */
export const emptyTreeId: Id = "ac08ce34ba4f8123618661bef2425f7028ffb9ac740578a3ee88684d2523fee8";

/** Node texts have no lone surrogates, so the test for them in `utf8Encode` would only cost time. */
const encoder = new TextEncoder();

/** Sorts as trees must be sorted: unsigned bytes. (Texts in JavaScript compare UTF-16 units, which is another order.) */
export const compareNames: (a: Uint8Array, b: Uint8Array) => number = compareBytes;

/** The plaintext of a tree blob. The nodes come from `encodeNode`; the caller has sorted them and has no name twice. */
export function encodeTree(encodedNodes: readonly string[]): Uint8Array {
  return encoder.encode(`{"nodes":[${encodedNodes.join(",")}]}\n`);
}

/**
 * The nodes of a tree. Integers of 64 bits are exact. Throws `malformed` unless the document is complete, every node decodes and
 * the names ascend, `unsupported` for unknown node types, `limit-exceeded` for a document that no text can hold.
 */
export function decodeTree(document: Uint8Array): TreeNode[] {
  checkTreeSize(document);
  const json = utf8Decode(document);
  let raw = nodesOf(parseJson("tree", json));
  if (raw.some(hasRoundedIntegers)) raw = nodesOf(parseJson("tree", quoteLargeIntegers(json)));

  const nodes: TreeNode[] = [];
  let previous: TreeNode | undefined;
  for (const item of raw) {
    const node = decodeNamed(item);
    if (previous !== undefined && compareNames(previous.name, node.name) >= 0)
      throw disordered(previous.name, node.name);
    nodes.push(node);
    previous = node;
  }
  return nodes;
}

/** The error for a document longer than a JavaScript text can be. */
export function checkTreeSize(document: Uint8Array): void {
  if (document.length <= maxTreeBytes) return;
  throw new CofferError("limit-exceeded", `tree expected at most ${maxTreeBytes} bytes, got ${document.length}`);
}

/** The error for names that do not ascend. */
export function disordered(previous: Uint8Array, name: Uint8Array): CofferError {
  return new CofferError(
    "malformed",
    `tree expected names in ascending order, got "${quoteName(name)}" after "${quoteName(previous)}"`,
  );
}

function nodesOf(tree: unknown): readonly RawNode[] {
  const nodes = typeof tree === "object" && tree !== null && "nodes" in tree ? tree.nodes : undefined;
  if (!Array.isArray(nodes)) throw new CofferError("malformed", 'tree expected an object with an array "nodes"');
  for (const node of nodes) {
    if (typeof node !== "object" || node === null) {
      throw new CofferError("malformed", `tree expected objects as nodes, got ${describeValue(node)}`);
    }
  }
  return nodes;
}

/** Decodes a node; errors say which one it is. */
function decodeNamed(raw: RawNode): TreeNode {
  try {
    return decodeNode(raw);
  } catch (cause) {
    if (!(cause instanceof CofferError)) throw cause;
    throw new CofferError(cause.code, `tree node ${describeValue(raw["name"])}: ${cause.message}`, { cause });
  }
}
