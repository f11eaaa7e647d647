import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import {
  FolderCache,
  hasDescriptorPaths,
  openCheckedTarget,
  openFolder,
  openTarget,
  type TargetFolder,
} from "../../../client/restore/target-folder.ts";

const kinds: Readonly<Record<string, (path: Uint8Array) => TargetFolder>> = {
  "by descriptor": openTarget,
  "by checked paths": openCheckedTarget,
};

describe("folders of a target", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "coffer-folder-"));
    mkdirSync(join(folder, "target", "a", "b"), { recursive: true });
    mkdirSync(join(folder, "outside", "b"), { recursive: true });
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("are reached by descriptor on Linux", function () {
    if (process.platform !== "linux") this.skip();
    expect(hasDescriptorPaths()).to.equal(true);
  });

  for (const [kind, open] of Object.entries(kinds)) {
    it(`${kind}: reach entries and themselves`, () => {
      const cache = new FolderCache(open(Buffer.from(join(folder, "target"))));
      writeFileSync(cache.open("a/b").pathOf("file"), "text");
      expect(readFileSync(join(folder, "target", "a", "b", "file"), "utf8")).to.equal("text");
      expect(cache.open("a/b")).to.equal(cache.open("a/b"));
      cache.close();
    });

    it(`${kind}: do not open links, files and what is missing`, () => {
      symlinkSync(join(folder, "outside"), join(folder, "target", "link"));
      writeFileSync(join(folder, "target", "file"), "");
      const cache = new FolderCache(open(Buffer.from(join(folder, "target"))));
      expect(() => cache.open("link")).to.throw(/ENOTDIR/);
      expect(() => cache.open("link/b")).to.throw(/ENOTDIR/);
      expect(() => cache.open("file")).to.throw(/ENOTDIR/);
      expect(() => cache.open("missing/b")).to.throw(/ENOENT/);
      cache.close();
    });

    it(`${kind}: do not lead elsewhere when a folder on the way is exchanged for a link`, () => {
      const cache = new FolderCache(open(Buffer.from(join(folder, "target"))));
      const opened = cache.open("a/b");
      renameSync(join(folder, "target", "a"), join(folder, "moved"));
      symlinkSync(join(folder, "outside"), join(folder, "target", "a"));
      try {
        writeFileSync(opened.pathOf("file"), "text");
      } catch (error) {
        expect(error).to.include({ code: "forbidden" });
      }
      expect(() => readFileSync(join(folder, "outside", "b", "file"))).to.throw(/ENOENT/);
      cache.close();
    });

    it(`${kind}: are opened anew when they were forgotten`, () => {
      const cache = new FolderCache(open(Buffer.from(join(folder, "target"))));
      cache.open("a/b");
      rmSync(join(folder, "target", "a", "b"), { recursive: true });
      mkdirSync(join(folder, "target", "a", "b"));
      cache.forget("a/b");
      writeFileSync(cache.open("a/b").pathOf("file"), "text");
      expect(readFileSync(join(folder, "target", "a", "b", "file"), "utf8")).to.equal("text");
      cache.close();
    });

    it(`${kind}: can be nested deeper than folders are kept open`, () => {
      let path = join(folder, "target", "a");
      for (let depth = 0; depth < 300; depth++) {
        path = join(path, "d");
        mkdirSync(path);
      }
      const cache = new FolderCache(open(Buffer.from(join(folder, "target"))));
      const deep = `a${"/d".repeat(300)}`;
      writeFileSync(cache.open(deep).pathOf("file"), "text");
      cache.open("a/b");
      expect(readFileSync(cache.open(deep).pathOf("file"), "utf8")).to.equal("text");
      cache.close();
    });
  }

  it("can be shared with another thread by their descriptor", () => {
    const target = Buffer.from(join(folder, "target"));
    const descriptor = openFolder(target);
    const shared = openTarget(target, descriptor);
    shared.close();
    expect(openTarget(target, descriptor).open("a").pathOf("b").length).to.be.greaterThan(0);
  });
});
