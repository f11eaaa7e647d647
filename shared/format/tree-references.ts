/**
 * What a tree refers to, read without building its nodes: `check` walks every tree of a repository and needs no more.
 * Source: the sections on trees and on checking of docs/format.md.
 */
import { toHex, utf8Decode } from "./bytes.ts";
import { endOfObject, JsonCursor, JsonWords, unknownWord } from "./json-cursor.ts";
import type { Id } from "./layout.ts";
import { quoteName, unquoteName } from "./quoting.ts";
import { checkTreeSize, compareNames, disordered } from "./tree.ts";
import { type NodeType, nodeTypes } from "./tree-node.ts";

export interface TreeReferences {
  /** What is wrong with nodes of a tree that is otherwise readable: sentences without the id of the tree. */
  readonly problems: readonly string[];
  /** The trees of the folders, in the order of the nodes. */
  readonly subtrees: readonly Id[];
  /** The ids of all files' blobs in the order of the nodes: 32 bytes each, repetitions included. */
  readonly contents: Uint8Array;
}

/**
 * Throws `malformed` when the document is not a tree, so that nothing in it can be trusted; what is wrong with single
 * nodes becomes a problem.
 */
export function readTreeReferences(document: Uint8Array): TreeReferences {
  checkTreeSize(document);
  // The cursor does not look into texts that it skips; a tree that cannot be decoded must not pass.
  utf8Decode(document);
  return new ReferenceReader(document).read();
}

const idBytes = 32;
const treeKeys = new JsonWords("nodes");
/** All keys in the order in which they are stored: the reader guesses the next one. */
const nodeKeys = new JsonWords(
  ...["name", "type", "mode", "mtime", "atime", "ctime", "uid", "gid", "user", "group", "inode", "device_id", "size"],
  ...["links", "linktarget", "linktarget_raw", "extended_attributes", "generic_attributes", "device"],
  ...["content", "subtree", "error"],
);
const nameKey = nodeKeys.texts.indexOf("name");
const typeKey = nodeKeys.texts.indexOf("type");
const contentKey = nodeKeys.texts.indexOf("content");
const subtreeKey = nodeKeys.texts.indexOf("subtree");
const typeWords = new JsonWords(...nodeTypes);

/** Types that a correct program never stores. */
const unexpectedTypes: ReadonlySet<NodeType> = new Set(["irregular"]);

class ReferenceReader {
  readonly #cursor: JsonCursor;
  readonly #problems: string[] = [];
  readonly #subtrees: Id[] = [];
  #contents = new Uint8Array(32 * idBytes);
  #contentsLength = 0;
  readonly #subtreeId = new Uint8Array(idBytes);
  #previousName: Uint8Array | undefined;

  constructor(document: Uint8Array) {
    this.#cursor = new JsonCursor("tree", document);
  }

  read(): TreeReferences {
    const cursor = this.#cursor;
    let hasNodes = false;
    cursor.enterObject();
    for (let key = cursor.nextKey(treeKeys); key !== endOfObject; key = cursor.nextKey(treeKeys)) {
      if (key === unknownWord) {
        cursor.skipValue();
        continue;
      }
      hasNodes = true;
      cursor.enterArray();
      while (cursor.nextItem()) this.#readNode();
    }
    if (!hasNodes) cursor.fail('an array "nodes"');
    cursor.end();
    const contents = this.#contents.subarray(0, this.#contentsLength);
    return { problems: this.#problems, subtrees: this.#subtrees, contents };
  }

  #readNode(): void {
    const cursor: JsonCursor = this.#cursor;
    let name: Uint8Array | undefined;
    let type: NodeType | undefined;
    let hasContent = false;
    let hasSubtree = false;
    cursor.enterObject();
    for (let key = cursor.nextKey(nodeKeys); key !== endOfObject; key = cursor.nextKey(nodeKeys, key + 1)) {
      if (key === nameKey) name = this.#readName();
      else if (key === typeKey) type = nodeTypes[cursor.readWord(typeWords)];
      else if (key === contentKey) hasContent = this.#readContent();
      else if (key === subtreeKey) hasSubtree = this.#readSubtree();
      else cursor.skipValue();
    }
    if (name === undefined) cursor.fail('a node with a "name"');
    this.#judge(name, type, hasContent, hasSubtree);
  }

  #readName(): Uint8Array {
    const plain = this.#cursor.readPlainBytes();
    return plain ?? unquoteName(this.#cursor.readString());
  }

  /** False when there is none, which is right for everything but files. */
  #readContent(): boolean {
    const cursor = this.#cursor;
    if (cursor.readNull()) return false;
    cursor.enterArray();
    while (cursor.nextItem()) {
      if (this.#contentsLength === this.#contents.length) this.#growContents();
      cursor.readId(this.#contents, this.#contentsLength);
      this.#contentsLength += idBytes;
    }
    return true;
  }

  #growContents(): void {
    const grown = new Uint8Array(this.#contents.length * 2);
    grown.set(this.#contents);
    this.#contents = grown;
  }

  #readSubtree(): boolean {
    if (this.#cursor.readNull()) return false;
    this.#cursor.readId(this.#subtreeId);
    this.#subtrees.push(toHex(this.#subtreeId));
    return true;
  }

  #judge(name: Uint8Array, type: NodeType | undefined, hasContent: boolean, hasSubtree: boolean): void {
    const previous = this.#previousName;
    this.#previousName = name;
    if (previous !== undefined && compareNames(previous, name) >= 0) this.#report(disordered(previous, name).message);
    if (name.length === 0) this.#report("node with an empty name");
    if (type === undefined || unexpectedTypes.has(type)) this.#report(`node "${quoteName(name)}" of unknown type`);
    if (type === "file" && !hasContent) this.#report(`file "${quoteName(name)}" has no list of blobs`);
    if (type === "dir" && !hasSubtree) this.#report(`dir "${quoteName(name)}" has no subtree`);
  }

  #report(problem: string): void {
    this.#problems.push(problem);
  }
}
