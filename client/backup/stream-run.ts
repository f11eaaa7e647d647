/** The backup of one file that comes from a stream. Source: docs/cli.md, stdin; docs/format.md, section 6.7. */
import { CofferError } from "../../shared/errors.ts";
import type { Id } from "../../shared/format/layout.ts";
import { goModeOf } from "../../shared/format/mode.ts";
import { encodeTree } from "../../shared/format/tree.ts";
import { encodeNode, type TreeNode } from "../../shared/format/tree-node.ts";
import { type ByteString, cleanPath, toByteString, toBytes, toDisplay } from "./byte-paths.ts";
import type { RunContext } from "./file-run.ts";
import type { StandardInput } from "./options.ts";
import { type StreamContent, StreamReading } from "./stream-reading.ts";

const fileMode = 0o100644;
const folderMode = 0o040755;

/** The absolute path in the snapshot. Throws `usage` when the name has no component. */
export function streamPath(name: string): ByteString {
  const path = cleanPath(`/${toByteString(Buffer.from(name))}`);
  if (path === "/") throw new CofferError("usage", "failed to backup from stdin: invalid filename specified");
  return path;
}

export class StreamRun {
  readonly #context: RunContext;
  readonly #input: StandardInput;
  readonly #components: readonly ByteString[];
  readonly #path: ByteString;

  constructor(context: RunContext, input: StandardInput) {
    this.#context = context;
    this.#input = input;
    this.#path = streamPath(input.name);
    this.#components = this.#path.slice(1).split("/");
  }

  /** The root tree's id, and how many entries it has. Rejects with the stream's failure, too. */
  async run(): Promise<{ readonly tree: Id; readonly entries: number }> {
    const { options, events, reports } = this.#context;
    if (options.rejectByPath?.(toBytes(this.#path))) return { tree: await this.#storeRoot([]), entries: 0 };
    const startedMs = performance.now();
    events.fileStarted?.(this.#path);
    const content = await this.#read();
    if (content.sizeBytes === 0) {
      const text = `failed to save ${toDisplay(this.#path)}: read ${this.#input.name}: no data read`;
      reports.failed(toBytes(this.#path), new CofferError("source-unreadable", text));
      // A snapshot without the file is written all the same: that the input was empty may be worth knowing.
      return { tree: await this.#storeRoot([]), entries: 1 };
    }
    const previous = await this.#previousNodes();
    const file = this.#node(this.#components.length - 1, fileMode);
    const node = { ...file, content: content.ids, sizeBytes: content.sizeBytes };
    reports.file({ node, previousNode: previous.at(-1), path: this.#path, startedMs, added: content.added });
    return { tree: await this.#storeFolders(node, previous, startedMs), entries: 1 };
  }

  async #read(): Promise<StreamContent> {
    const { pipeline, events } = this.#context;
    const reading = new StreamReading(
      pipeline.pool,
      (count) => events.bytesRead?.(count),
      () => pipeline.throwIfFailed(),
    );
    pipeline.handleReplies(reading);
    try {
      // A stream that never ends must not keep a backup that has failed.
      return await Promise.race([reading.read(this.#input.stream), pipeline.failed()]);
    } catch (error) {
      pipeline.throwIfFailed();
      const reason = error instanceof Error ? error.message : String(error);
      const text = `failed to save ${toDisplay(this.#path)}: ${reason}`;
      throw new CofferError("source-unreadable", text, { cause: error });
    }
  }

  /** From the inside out; the tree of the root comes last. */
  async #storeFolders(file: TreeNode, previous: readonly (TreeNode | undefined)[], startedMs: number): Promise<Id> {
    const { pipeline, reports } = this.#context;
    let node = file;
    for (let depth = this.#components.length - 2; depth >= 0; depth--) {
      const { id, added } = await pipeline.trees.store(encodeTree([encodeNode(node)]));
      node = { ...this.#node(depth, folderMode), subtree: id };
      const path = `/${this.#components.slice(0, depth + 1).join("/")}`;
      reports.directory({ node, previousNode: previous[depth], path, startedMs, added });
    }
    return this.#storeRoot([encodeNode(node)]);
  }

  async #storeRoot(nodes: readonly string[]): Promise<Id> {
    const { id, added } = await this.#context.pipeline.trees.store(encodeTree(nodes));
    this.#context.statistics.addTree(added);
    return id;
  }

  #node(depth: number, mode: number): TreeNode {
    const { options } = this.#context;
    return {
      name: toBytes(this.#components[depth] ?? ""),
      type: mode === fileMode ? "file" : "dir",
      mode: goModeOf(mode),
      mtime: options.time,
      atime: options.time,
      ctime: options.time,
      uid: options.uid ?? 0,
      gid: options.gid ?? 0,
      user: "",
      group: "",
      inode: 0n,
      deviceId: 0n,
      sizeBytes: 0,
      links: 0,
      extendedAttributes: [],
      device: 0n,
      content: null,
    };
  }

  /** What the parent has at each component of the path. */
  async #previousNodes(): Promise<(TreeNode | undefined)[]> {
    const { repository, options } = this.#context;
    const nodes: (TreeNode | undefined)[] = [];
    let tree = options.parent?.tree;
    for (const component of this.#components) {
      const siblings = tree === undefined ? [] : await repository.loadTree(tree);
      const node = siblings.find(({ name }) => toByteString(name) === component);
      nodes.push(node);
      tree = node?.subtree;
    }
    return nodes;
  }
}
