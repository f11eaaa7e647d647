import { expect } from "chai";
import { findSubfolder, type WalkedNode, type WalkOptions, walkTree } from "../../../client/repository/trees.ts";
import { CofferError } from "../../../shared/errors.ts";
import { utf8Encode } from "../../../shared/format/bytes.ts";
import type { TreeNode } from "../../../shared/format/tree-node.ts";
import { entriesOf, readFixture } from "../../support/fixtures.ts";
import { failureOf, openFixture } from "../../support/memory-repository.ts";

/** Trees as nested objects: a text is a file. */
interface Folder {
  readonly [name: string]: Folder | string;
}

class FakeTrees {
  readonly #trees = new Map<string, TreeNode[]>();
  readonly root: string;
  /** The ids that were loaded, in order. */
  readonly loaded: string[] = [];

  constructor(root: Folder) {
    this.root = this.#add("root", root);
  }

  async loadTree(id: string): Promise<TreeNode[]> {
    this.loaded.push(id);
    const tree = this.#trees.get(id);
    if (tree === undefined) throw new CofferError("damaged", `tree ${id} is gone`);
    return tree;
  }

  lose(id: string): void {
    this.#trees.delete(id);
  }

  #add(path: string, folder: Folder): string {
    const nodes = Object.entries(folder).map(([name, child]) => {
      const isFile = typeof child === "string";
      const subtree = isFile ? {} : { subtree: this.#add(`${path}/${name}`, child) };
      return { name: utf8Encode(name), type: isFile ? "file" : "dir", ...subtree } as TreeNode;
    });
    this.#trees.set(path, nodes);
    return path;
  }
}

async function pathsOf(trees: FakeTrees, options?: WalkOptions): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path } of walkTree(trees, trees.root, options)) paths.push(Buffer.from(path).toString());
  return paths;
}

const folder = { a: { b: { c: "" }, d: "" }, e: {}, f: "" };

describe("walking trees", () => {
  it("goes through all nodes depth first, folders before what is in them", async () => {
    expect(await pathsOf(new FakeTrees(folder))).to.deep.equal(["/a", "/a/b", "/a/b/c", "/a/d", "/e", "/f"]);
    expect(await pathsOf(new FakeTrees({}))).to.deep.equal([]);
  });

  it("does not load what it may not descend into, nor what is not asked for yet", async () => {
    const trees = new FakeTrees(folder);
    const mayDescend = ({ path }: WalkedNode): boolean => Buffer.from(path).toString() !== "/a";
    expect(await pathsOf(trees, { mayDescend })).to.deep.equal(["/a", "/e", "/f"]);
    expect(trees.loaded).to.deep.equal(["root", "root/e"]);
    const lazy = new FakeTrees(folder);
    for await (const _ of walkTree(lazy, lazy.root)) break;
    expect(lazy.loaded).to.deep.equal(["root"]);
  });

  it("ends at a tree that cannot be loaded, or reports it and goes on", async () => {
    const trees = new FakeTrees(folder);
    trees.lose("root/a/b");
    expect(await failureOf(pathsOf(trees))).to.have.property("code", "damaged");
    const unreadable: string[] = [];
    const onUnreadable = (path: Uint8Array): void => void unreadable.push(Buffer.from(path).toString());
    expect(await pathsOf(trees, { onUnreadable })).to.deep.equal(["/a", "/a/b", "/a/d", "/e", "/f"]);
    expect(unreadable).to.deep.equal(["/a/b"]);
  });

  it("goes through every snapshot of the fixtures", async () => {
    for (const name of ["v1", "v2", "v2-0.19"] as const) {
      const { manifest } = readFixture(name);
      const repository = openFixture(name);
      await repository.loadIndex();
      for (const { id } of manifest.snapshots) {
        const { tree } = await repository.loadSnapshot(id);
        const walked: string[] = [];
        for await (const { path } of walkTree(repository, tree)) walked.push(Buffer.from(path).toString("latin1"));
        const entries = entriesOf(manifest, id).filter((entry) => entry.in_snapshot !== false);
        // The manifest's paths begin at the target, those of an absolute target at the root.
        const expected = entries.map((entry) =>
          Buffer.from(entry.path_base64, "base64").toString("latin1").replace(/^\//, ""),
        );
        const first = expected[0] ?? "";
        const beginning = walked.find((path) => path.endsWith(`/${first}`))?.slice(0, -first.length) ?? "/";
        expect(walked).to.include.members(expected.map((path) => beginning + path));
      }
    }
  });
});

describe("subfolders of a snapshot", () => {
  const trees = new FakeTrees(folder);

  for (const [path, id] of [
    ["", "root"],
    ["/", "root"],
    ["a", "root/a"],
    ["/a/b", "root/a/b"],
    ["a//b/", "root/a/b"],
    ["./a/./b", "root/a/b"],
    ["e/../a", "root/a"],
    ["../a", "root/a"],
  ]) {
    it(`are found by ${JSON.stringify(path)}`, async () => {
      expect(await findSubfolder(trees, trees.root, path ?? "")).to.equal(id);
    });
  }

  it("must exist and be folders", async () => {
    for (const [path, message] of [
      ["a/nope/x", "path a/nope: not found"],
      ["/a/d", "path a/d: not a directory"],
      ["f/x", "path f: not a directory"],
    ] as const) {
      const failure = await failureOf(findSubfolder(trees, trees.root, path));
      expect(failure).to.include({ code: "not-found", message });
    }
  });
});
