import { expect } from "chai";
import { toByteString } from "../../../client/backup/byte-paths.ts";
import { PreviousTrees } from "../../../client/backup/previous-trees.ts";
import { createSelection } from "../../../client/backup/selection.ts";
import { parsePatternFile } from "../../../client/filter/pattern-files.ts";
import { createExcludeFilter } from "../../../client/filter/select.ts";
import type { TreeNode } from "../../../shared/format/tree-node.ts";
import { readVectors } from "../../support/vectors.ts";
import { itemsOf, MemorySource } from "./memory-source.ts";

interface ExcludeCase {
  readonly name: string;
  readonly targets: readonly string[];
  readonly cwd?: string;
  readonly exclude?: readonly string[];
  readonly iexclude?: readonly string[];
  readonly exclude_file?: readonly string[];
  readonly iexclude_file?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly expect?: ExcludeOutcome;
  readonly expect_0_19?: ExcludeOutcome;
}

interface ExcludeOutcome {
  readonly excluded?: readonly string[];
  readonly n_items_in_snapshot?: number;
  readonly error?: string;
}

const vectors = readVectors<{
  backup_exclude: { readonly tree: readonly string[]; readonly cases: readonly ExcludeCase[] };
}>("exclude").backup_exclude;

function vectorDisk(): MemorySource {
  const source = new MemorySource();
  for (const path of vectors.tree) source.add(path);
  return source;
}

describe("client/backup/walk", () => {
  describe("with the exclude patterns of the vectors", () => {
    it("has them all", () => {
      expect(vectors.cases.length).to.be.greaterThan(90);
    });

    for (const vector of vectors.cases) {
      it(vector.name, () => {
        const patternsOf = (flags: readonly string[] = [], files: readonly string[] = []): string[] => {
          return [...flags, ...files.flatMap((file) => parsePatternFile(Buffer.from(file), vector.env ?? {}))];
        };
        const filter = createExcludeFilter({
          caseSensitive: patternsOf(vector.exclude, vector.exclude_file),
          caseInsensitive: patternsOf(vector.iexclude, vector.iexclude_file),
        });
        const source = vectorDisk();
        const cwd = vector.cwd ?? "/";
        const rules = { excludesPath: (path: string) => filter.excludes(path) };
        const selection = createSelection(rules, [], Buffer.from(cwd), () => undefined, source);
        const all = itemsOf(source, vector.targets, cwd).items;
        const kept = new Set(itemsOf(source, vector.targets, cwd, selection).items);
        const outcome = vector.expect_0_19 ?? vector.expect ?? {};
        if (outcome.error !== undefined) {
          expect(kept.size).to.equal(0);
          return;
        }
        expect(all.filter((item) => !kept.has(item))).to.deep.equal([...(outcome.excluded ?? [])].sort());
        expect(kept.size).to.equal(outcome.n_items_in_snapshot);
      });
    }
  });

  it("visits names in the order of their bytes", () => {
    const names = ["a", "B", "ä", "\u{1f600}", "\uffff", "\ue000", "~", "a.b", "a0"];
    const source = new MemorySource();
    for (const name of names) source.add(`/d/${name}`);
    const { items } = itemsOf(source, ["/d"], "/");
    const expected = names.map((name) => `/d/${name}`).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(items.filter((item) => item !== "/d/")).to.have.members(expected);
  });

  it("leaves out a folder that cannot be listed, and tells of it", () => {
    class Locked extends MemorySource {
      override list(path: Uint8Array): string[] {
        if (toByteString(path).endsWith("/locked")) {
          throw Object.assign(new Error("EACCES: permission denied"), {
            code: "EACCES",
            errno: -13,
            syscall: "scandir",
          });
        }
        return super.list(path);
      }
    }
    const source = new Locked().add("/d/f").add("/d/locked/g");
    const { items, failures } = itemsOf(source, ["/d"], "/");
    expect(items).to.deep.equal(["/d/", "/d/f"]);
    expect(failures).to.deep.equal(["/d/locked: EACCES: permission denied"]);
  });

  it("passes over what vanishes after its folder was listed", () => {
    class Vanishing extends MemorySource {
      override list(path: Uint8Array): string[] {
        return [...super.list(path), "gone"];
      }
    }
    const { items, failures } = itemsOf(new Vanishing().add("/d/f"), ["/d"], "/");
    expect(items).to.deep.equal(["/d/", "/d/f"]);
    expect(failures).to.deep.equal([]);
  });
});

describe("client/backup/previous-trees", () => {
  const folderNode = (name: string, subtree: string) =>
    ({ name: Buffer.from(name), type: "dir", subtree }) as unknown as TreeNode;

  it("asks ahead for what comes next, bounded, deepest first, and forgets what is gone", async () => {
    const trees: Record<string, TreeNode[]> = {
      root: ["a", "b", "c", "d", "e"].map((name) => folderNode(name, name)),
      a: [folderNode("x", "ax"), folderNode("y", "ay")],
    };
    const asked: string[] = [];
    const load = async (id: string): Promise<TreeNode[]> => {
      asked.push(id);
      return trees[id] ?? [];
    };
    const previous = new PreviousTrees(load, 2, () => undefined);
    const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

    const root = previous.open("root", undefined);
    expect(root.isLoaded).to.equal(false);
    await settle();
    expect(root.isLoaded).to.equal(true);
    previous.lookAhead(root);
    expect(asked).to.deep.equal(["root", "a", "b"]);

    root.passed("a");
    const a = previous.open("a", root);
    await settle();
    previous.lookAhead(a);
    // One more, since "a" is open now; below it, as the walk goes there first.
    expect(asked).to.deep.equal(["root", "a", "b", "ax"]);
    expect(a.node("x")?.subtree).to.equal("ax");
    expect(a.node("z")).to.equal(undefined);

    // "x" is no longer on disk: the walk leaves "a" without having opened it.
    previous.close(a);
    root.passed("c");
    previous.lookAhead(root);
    expect(asked).to.deep.equal(["root", "a", "b", "ax", "d"]);
  });

  it("has no nodes and one error where a tree cannot be loaded", async () => {
    let loaded = 0;
    const previous = new PreviousTrees(
      () => Promise.reject(new Error("lost")),
      2,
      () => loaded++,
    );
    const folder = previous.open("x", undefined);
    await new Promise((resolve) => setImmediate(resolve));
    expect(loaded).to.equal(1);
    expect(folder.isLoaded).to.equal(true);
    expect(folder.takeError()?.message).to.equal("lost");
    expect(folder.takeError()).to.equal(undefined);
    expect(folder.node("f")).to.equal(undefined);
  });

  it("is ready at once for a folder that the parent did not have", () => {
    const previous = new PreviousTrees(
      () => expect.fail("nothing expected to be loaded"),
      2,
      () => undefined,
    );
    expect(previous.open(undefined, undefined).isLoaded).to.equal(true);
  });
});
