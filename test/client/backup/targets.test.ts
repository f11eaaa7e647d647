import { readFileSync } from "node:fs";
import { expect } from "chai";
import { snapshotPaths } from "../../../client/backup/targets.ts";
import { itemsOf, MemorySource } from "./memory-source.ts";

interface TargetCase {
  readonly name: string;
  readonly cwd: string;
  readonly targets: readonly string[];
  readonly snapshot_paths: readonly string[];
  readonly tree: readonly string[];
}

const vectors = JSON.parse(readFileSync(new URL("../../fixtures/vectors/exclude.json", import.meta.url), "utf8"));

/** The disk that the vectors were made on. */
function vectorDisk(): MemorySource {
  const source = new MemorySource();
  for (const line of vectors.target_mapping.disk as string[]) {
    const [notation = "", target = ""] = line.split(" -> ");
    source.add(notation, target);
  }
  return source;
}

describe("client/backup/targets", () => {
  describe("the vectors of restic", () => {
    for (const vector of vectors.target_mapping.cases as TargetCase[]) {
      it(vector.name, () => {
        const { items, failures } = itemsOf(vectorDisk(), vector.targets, vector.cwd);
        expect(items).to.deep.equal([...vector.tree].sort());
        expect(failures).to.deep.equal([]);
        expect(snapshotPaths(vector.targets, vector.cwd)).to.deep.equal(vector.snapshot_paths);
      });
    }
  });

  it("stores a link as a folder when a target lies below it, even if it is a target itself", () => {
    const source = new MemorySource().add("/real/a").add("/real/sub/b").add("/lnk@", "real");
    const expected = ["/lnk/", "/lnk/a", "/lnk/sub/", "/lnk/sub/b"];
    expect(itemsOf(source, ["lnk", "lnk/sub"], "/").items).to.deep.equal(expected);
    expect(itemsOf(source, ["lnk/sub", "lnk"], "/").items).to.deep.equal(expected);
  });

  it("keeps a relative and an absolute name apart", () => {
    const source = new MemorySource().add("/a/f");
    expect(itemsOf(source, ["a", "/a"], "/").items).to.deep.equal(["/a-1/", "/a-1/f", "/a/", "/a/f"]);
  });

  it("merges a later target into the name that its root already got", () => {
    const source = new MemorySource().add("/p/w/x").add("/w/y").add("/w/z").add("/w/left-out");
    const { items } = itemsOf(source, ["w", "../w/y", "../w/z"], "/p");
    expect(items).to.deep.equal(["/w-1/", "/w-1/y", "/w-1/z", "/w/", "/w/x"]);
  });

  it("tells of a target that is gone, and goes on", () => {
    const source = new MemorySource().add("/a/f");
    const { items, failures } = itemsOf(source, ["a", "gone", "a/gone"], "/");
    expect(items).to.deep.equal(["/a/", "/a/f"]);
    expect(failures).to.have.length(2);
  });

  it("refuses an empty name", () => {
    expect(() => itemsOf(new MemorySource(), [""], "/")).to.throw("empty name");
  });
});
