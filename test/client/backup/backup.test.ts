import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { expect } from "chai";
import { DryRunBackend } from "../../../client/backends/dry-run.ts";
import { systemCalls } from "../../../client/platform/system-calls.ts";
import { emptyTreeId } from "../../../shared/format/tree.ts";
import { RandomBytes } from "../../support/sample-data.ts";
import { actionsOf, BackupFixture } from "./backup-fixture.ts";

const mebibyte = 1024 * 1024;

for (const version of [1, 2] as const) {
  describe(`client/backup into version ${version}`, function () {
    this.timeout(60_000);
    let fixture: BackupFixture;

    beforeEach(() => {
      fixture = new BackupFixture(version);
    });

    afterEach(() => fixture.remove());

    it("stores contents of all kinds exactly", async () => {
      const random = new RandomBytes("contents");
      const contents: Record<string, Buffer> = {
        empty: Buffer.alloc(0),
        one: Buffer.from("x"),
        minimum: random.next(512 * 1024),
        "minimum and one": random.next(512 * 1024 + 1),
        zeros: Buffer.alloc(9 * mebibyte),
        constant: Buffer.alloc(17 * mebibyte, 0xff),
        segment: random.next(16 * mebibyte),
        "segment and one": random.next(16 * mebibyte + 1),
        "several segments": random.next(34 * mebibyte),
        text: Buffer.from("the quick brown fox jumps over the lazy dog\n".repeat(50_000)),
      };
      for (const [name, content] of Object.entries(contents)) fixture.write(name, content);
      for (let number = 0; number < 300; number++) fixture.write(`equal/${number}`, "the same");

      const run = await fixture.save({ readConcurrency: 2 });
      expect(run.told.failures).to.deep.equal([]);
      const nodes = await fixture.nodesOf(run.result.tree);
      for (const [name, content] of Object.entries(contents)) {
        const node = nodes.get(`/${name}`);
        expect(node?.sizeBytes, name).to.equal(content.length);
        expect((await fixture.contentOf(node)).equals(content), name).to.equal(true);
      }
      const equal = new Set(
        [...nodes].filter(([path]) => /equal\/\d/.test(path)).map(([, node]) => node.content?.join()),
      );
      expect(equal.size).to.equal(1);

      const total = Object.values(contents).reduce((sum, content) => sum + content.length, 300 * "the same".length);
      expect(run.told.bytesRead).to.equal(total);
      expect(run.result.summary).to.include({ filesNew: 310, dirsNew: 1, totalBytesProcessed: total });
      expect(run.result.summary.dataAddedPacked).to.be.greaterThan(0);
    });

    it("reads nothing again that is unchanged, and tells what is not", async () => {
      for (const name of ["a", "b", "sub/c", "sub/d", "other/e"]) fixture.write(name, `content of ${name}`);
      const first = await fixture.save();
      const parent = await fixture.parentOf(first);
      const unchanged = await fixture.save({ parent });
      expect(unchanged.result.tree).to.equal(first.result.tree);
      expect(unchanged.told.started).to.deep.equal([]);
      expect(unchanged.result.summary).to.include({
        filesUnmodified: 5,
        dirsUnmodified: 2,
        dataBlobs: 0,
        treeBlobs: 0,
      });
      expect(unchanged.result.parentId).to.equal(parent.id);

      appendFileSync(fixture.path("sub/c"), "more");
      fixture.write("new", "new");
      rmSync(fixture.path("other/e"));
      const changed = await fixture.save({ parent });
      expect(changed.told.started.sort()).to.deep.equal(["/new", "/sub/c"]);
      expect(actionsOf(changed)).to.deep.equal([
        "modified /other/",
        "modified /sub/",
        "modified /sub/c",
        "new /new",
        "unchanged /a",
        "unchanged /b",
        "unchanged /sub/d",
      ]);
      expect(changed.result.summary).to.include({ filesNew: 1, filesChanged: 1, filesUnmodified: 3, dirsChanged: 2 });
    });
  });
}

describe("client/backup", function () {
  this.timeout(60_000);
  let fixture: BackupFixture;

  beforeEach(() => {
    fixture = new BackupFixture();
  });

  afterEach(() => fixture.remove());

  describe("change detection", () => {
    /** Saves "f" twice, changed in between; true when it was read the second time. */
    async function isReadAgain(change: () => void, options = {}): Promise<boolean> {
      const time = new Date("2024-01-01T00:00:00Z");
      fixture.write("f", "content");
      utimesSync(fixture.path("f"), time, time);
      const parent = await fixture.parentOf(await fixture.save());
      change();
      const { told } = await fixture.save({ parent, ...options });
      return told.started.length > 0;
    }

    it("sees another time, size, change time and inode", async () => {
      expect(await isReadAgain(() => undefined)).to.equal(false);
      expect(await isReadAgain(() => utimesSync(fixture.path("f"), 5, 5))).to.equal(true);
      expect(await isReadAgain(() => appendFileSync(fixture.path("f"), "x"))).to.equal(true);
      expect(await isReadAgain(() => chmodSync(fixture.path("f"), 0o600))).to.equal(true);
    });

    it("can ignore the change time", async () => {
      const change = (): void => chmodSync(fixture.path("f"), 0o640);
      expect(await isReadAgain(change, { ignoreCtime: true })).to.equal(false);
    });

    it("can ignore inode and change time", async () => {
      const time = new Date("2024-01-01T00:00:00Z");
      const replace = (): void => {
        fixture.write("g", "CONTENT");
        utimesSync(fixture.path("g"), time, time);
        renameSync(fixture.path("g"), fixture.path("f"));
      };
      expect(await isReadAgain(replace, { ignoreCtime: true })).to.equal(true);
      expect(await isReadAgain(replace, { ignoreInode: true })).to.equal(false);
    });

    it("reads a file again whose blobs are lost, and says so", async () => {
      fixture.write("f", "precious");
      fixture.write("g", "other");
      const first = await fixture.save();
      const parent = await fixture.parentOf(first);
      await fixture.forgetDataPacks();
      const second = await fixture.save({ parent });
      expect(second.told.failures.sort()).to.deep.equal(
        ["f", "g"].map((name) => {
          const path = fixture.path(name);
          return `archival: parts of ${path} not found in the repository index; storing the file again`;
        }),
      );
      expect(second.result.failedItems).to.equal(2);
      expect(second.result.tree).to.equal(first.result.tree);
      expect(second.result.summary).to.include({ dataBlobs: 2, treeBlobs: 0, filesUnmodified: 2 });
    });

    it("goes on without the parent's trees where they cannot be loaded, and says so", async () => {
      fixture.write("sub/f", "x");
      const first = await fixture.save();
      const parent = await fixture.parentOf(first);
      const run = await fixture.save({ parent: { ...parent, tree: "12".repeat(32) } });
      expect(run.told.failures).to.have.length(1);
      expect(run.result.tree).to.equal(first.result.tree);
      expect(run.result.summary).to.include({ filesNew: 1, dirsNew: 1 });
    });
  });

  it("writes the snapshot that the options describe", async () => {
    fixture.write("f", "x");
    const first = await fixture.save({ tags: ["a", "b"], excludes: ["*.o"], uid: 7, gid: 8 });
    const stored = await fixture.parentOf(first);
    expect(stored).to.deep.include({
      time: "2024-03-01T10:00:00Z",
      paths: [fixture.folder],
      hostname: "test",
      username: "tester",
      uid: 7,
      gid: 8,
      tags: ["a", "b"],
      excludes: ["*.o"],
      programVersion: "coffer test",
      tree: first.result.tree,
    });
    expect(stored.summary).to.deep.equal(first.result.summary);
    expect(stored).to.not.have.property("parent");
    expect(await fixture.parentOf(await fixture.save({ parent: stored }))).to.include({ parent: stored.id });
  });

  it("skips the snapshot when asked to and nothing changed", async () => {
    fixture.write("f", "x");
    const parent = await fixture.parentOf(await fixture.save());
    const { result } = await fixture.save({ parent, skipIfUnchanged: true });
    expect(result.snapshotId).to.equal(undefined);
    expect(await fixture.count("snapshots")).to.equal(1);
    fixture.write("f", "y");
    expect((await fixture.save({ parent, skipIfUnchanged: true })).result.snapshotId).to.be.a("string");
  });

  it("stores nothing in a dry run, whatever the backend", async () => {
    fixture.write("f", new RandomBytes("dry").next(20 * mebibyte));
    const { result } = await fixture.save({ dryRun: true });
    expect(await fixture.backend.list("data")).to.deep.equal([]);
    expect(await fixture.backend.list("index")).to.deep.equal([]);
    expect(await fixture.backend.list("snapshots")).to.deep.equal([]);
    expect(result.snapshotId).to.match(/^[0-9a-f]{64}$/);
    expect(result.summary.dataAdded).to.be.greaterThan(20 * mebibyte);
    fixture.backend = new DryRunBackend(fixture.backend);
    const wrapped = await fixture.save({ dryRun: true });
    expect(wrapped.result.tree).to.equal(result.tree);
  });

  it("refuses to save nothing", async () => {
    const failure = await fixture.save().catch((error: unknown) => error);
    expect(failure).to.include({ code: "usage", message: "unable to save snapshot: snapshot is empty" });
    fixture.write("f", "x");
    const rejected = await fixture.save({ rejectByPath: () => true }).catch((error: unknown) => error);
    expect(rejected).to.include({ code: "usage" });
  });

  it("keeps empty folders, links and hard links", async () => {
    mkdirSync(fixture.path("empty"));
    symlinkSync("nowhere", fixture.path("link"));
    fixture.write("file", "x");
    linkSync(fixture.path("file"), fixture.path("second"));
    const nodes = await fixture.nodesOf((await fixture.save()).result.tree);
    expect(nodes.get("/empty/")?.subtree).to.equal(emptyTreeId);
    expect(Buffer.from(nodes.get("/link")?.linkTarget ?? []).toString()).to.equal("nowhere");
    expect(nodes.get("/file")).to.deep.include({ links: 2, inode: nodes.get("/second")?.inode });
  });

  it("counts beforehand when asked to", async () => {
    for (let number = 0; number < 50; number++) fixture.write(`d${number % 5}/${number}`, "12345");
    symlinkSync("x", fixture.path("link"));
    expect((await fixture.save({ scanAfterMs: 0 })).told.scanned).to.deep.equal([50, 250]);
    expect((await fixture.save()).told.scanned).to.equal(undefined);
  });

  it("finishes packs at the size that is asked for", async () => {
    fixture.write("f", new RandomBytes("packs").next(30 * mebibyte));
    await fixture.save({ packSizeBytes: 4 * mebibyte });
    const sizes = (await fixture.backend.list("data")).map(({ sizeBytes }) => sizeBytes);
    // Each but the last of each worker, and the one of trees, is full, and exceeds the size by less than a chunk.
    expect(sizes.filter((size) => size < 4 * mebibyte)).to.have.length.of.at.most(3);
    expect(Math.max(...sizes)).to.be.lessThan(12.1 * mebibyte);
    expect(sizes.length).to.be.greaterThan(3);
  });

  it("stores data without compression when asked to, trees always compressed", async () => {
    fixture.write("f", "compressible ".repeat(10_000));
    const plain = await fixture.save({ compression: "off" });
    expect(plain.result.summary.dataAddedPacked).to.be.greaterThan(130_000);
    const other = new BackupFixture();
    other.write("f", "compressible ".repeat(10_000));
    const small = await other.save({ compression: "max" });
    expect(small.result.summary.dataAddedPacked).to.be.lessThan(5_000);
    other.remove();
  });
});

describe("client/backup of files that change", function () {
  this.timeout(60_000);
  let fixture: BackupFixture;

  beforeEach(() => {
    fixture = new BackupFixture();
  });

  afterEach(() => fixture.remove());

  /** Runs a change when the named file is about to be read: after the walk has seen it, before a worker opens it. */
  async function saveWhile(name: string, change: () => void) {
    return fixture.save(
      {},
      {
        events: {
          fileStarted: (path) => {
            if (path === `/${name}`) change();
          },
        },
      },
    );
  }

  it("stores what it reads of a file that grew, with the size that it read", async () => {
    fixture.write("f", "short");
    const run = await saveWhile("f", () => appendFileSync(fixture.path("f"), " and longer"));
    const node = (await fixture.nodesOf(run.result.tree)).get("/f");
    expect(node?.sizeBytes).to.equal(16);
    expect((await fixture.contentOf(node)).toString()).to.equal("short and longer");
  });

  it("chunks a small file that grew large meanwhile", async () => {
    const content = new RandomBytes("grown").next(3 * mebibyte);
    fixture.write("f", "small");
    const run = await saveWhile("f", () => writeFileSync(fixture.path("f"), content));
    const node = (await fixture.nodesOf(run.result.tree)).get("/f");
    expect((await fixture.contentOf(node)).equals(content)).to.equal(true);
    expect(run.told.failures).to.deep.equal([]);
  });

  it("stores what is left of a large file that shrank", async () => {
    fixture.write("f", new RandomBytes("shrunk").next(40 * mebibyte));
    const run = await saveWhile("f", () => truncateSync(fixture.path("f"), 600 * 1024));
    expect((await fixture.nodesOf(run.result.tree)).get("/f")?.sizeBytes).to.equal(600 * 1024);
  });

  it("stores a large file that became empty", async () => {
    fixture.write("f", new RandomBytes("emptied").next(2 * mebibyte));
    const run = await saveWhile("f", () => truncateSync(fixture.path("f"), 0));
    expect((await fixture.nodesOf(run.result.tree)).get("/f")).to.deep.include({ sizeBytes: 0, content: [] });
  });

  it("leaves out a file that vanished, silently", async () => {
    fixture.write("keep", "x");
    fixture.write("small", "x");
    fixture.write("large", new RandomBytes("gone").next(mebibyte));
    for (const name of ["small", "large"]) {
      const run = await saveWhile(name, () => rmSync(fixture.path(name)));
      expect(run.told.failures).to.deep.equal([]);
      expect((await fixture.nodesOf(run.result.tree)).has(`/${name}`)).to.equal(false);
    }
  });

  it("takes metadata and content of one file when it was replaced by another", async () => {
    fixture.write("f", "before");
    const run = await saveWhile("f", () => {
      fixture.write("g", "after!");
      chmodSync(fixture.path("g"), 0o600);
      renameSync(fixture.path("g"), fixture.path("f"));
    });
    const node = (await fixture.nodesOf(run.result.tree)).get("/f");
    expect((await fixture.contentOf(node)).toString()).to.equal("after!");
    expect(node?.mode).to.equal(0o600);
  });

  it("does not follow a link that took a file's place", async () => {
    fixture.write("f", "file");
    fixture.write("secret/s", "must not be read through the link");
    const run = await saveWhile("f", () => {
      rmSync(fixture.path("f"));
      symlinkSync("secret/s", fixture.path("f"));
    });
    expect(run.told.failures).to.have.length(1);
    expect(run.told.failures[0]).to.match(/^archival: open .*\/f: /);
    expect((await fixture.nodesOf(run.result.tree)).has("/f")).to.equal(false);
    expect(run.result.failedItems).to.equal(1);
  });

  it("does not block on a pipe that took a file's place", async () => {
    fixture.write("other", "x");
    fixture.write("f", "file");
    const run = await saveWhile("f", () => {
      rmSync(fixture.path("f"));
      systemCalls().makeFifo(Buffer.from(fixture.path("f")), 0o600);
    });
    expect(run.told.failures).to.deep.equal([
      `archival: open ${fixture.path("f")}: expected a regular file, found type fifo`,
    ]);
  });
});
