/** What a restore does with content, with what is there already, and with damage. */

import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { systemCalls } from "../../../client/platform/system-calls.ts";
import { CofferError } from "../../../shared/errors.ts";
import { type Id, pathOf } from "../../../shared/format/layout.ts";
import { goModeOf } from "../../../shared/format/mode.ts";
import { requireRoot } from "../../support/programs.ts";
import { RestoreScene } from "../../support/restore-scene.ts";

const mtime = "2024-01-02T03:04:05.6Z";
const mtimeNs = 1704164645600000000n;

describe("restore", function () {
  this.timeout(30_000);
  let scene: RestoreScene;

  beforeEach(() => {
    scene = new RestoreScene();
  });

  afterEach(() => scene.remove());

  function at(...names: string[]): string {
    return join(scene.target, ...names);
  }

  function read(...names: string[]): string {
    return readFileSync(at(...names), "utf8");
  }

  describe("into a new target", () => {
    it("makes the target and its parents for their owner only", async () => {
      const result = await scene.restore(scene.tree([]), { target: Buffer.from(at("a", "b")) });
      expect(statSync(at("a", "b")).mode & 0o777).to.equal(0o700);
      expect(statSync(at("a")).mode & 0o777).to.equal(0o700);
      expect(result).to.include({ totalFiles: 0, errorCount: 0 });
    });

    it("is refused, and does not hang, where no folder can be made", async () => {
      const error = await scene
        .restore(scene.tree([]), { target: Buffer.from("/proc/coffer-test") })
        .catch((reason: unknown) => reason);
      expect((error as CofferError).message).to.match(/^cannot create target directory: ENOENT/);
    });

    it("tells each item and the totals", async () => {
      const tree = scene.tree([scene.dir("d", [scene.file("f", "12345"), scene.link("l", "f")]), scene.file("e", "")]);
      const result = await scene.restore(tree);
      expect(scene.items.sort()).to.deep.equal([
        "restored /d 0",
        "restored /d/f 5",
        "restored /d/l 0",
        "restored /e 0",
      ]);
      expect(result).to.include({ totalFiles: 4, filesRestored: 4, totalBytes: 5, bytesRestored: 5, filesSkipped: 0 });
    });

    it("restores modes with special bits, times of everything, and empty files", async () => {
      const times = { mtime: "1969-12-31T23:59:59.999999999Z", atime: "2001-09-09T01:46:40.000000001Z" };
      const tree = scene.tree([
        scene.file("setuid", "x", { mode: goModeOf(0o104755), ...times }),
        scene.file("none", "", { mode: 0, ...times }),
        scene.dir("sticky", [scene.file("in", "y")], { mode: goModeOf(0o041777), ...times }),
        scene.dir("closed", [scene.file("in", "y")], { mode: goModeOf(0o040000), ...times }),
        scene.link("link", "nowhere", times),
        scene.fifo("fifo", { mode: goModeOf(0o010600), ...times }),
      ]);
      await scene.restore(tree);
      expect(scene.failures).to.deep.equal([]);
      const modes = { setuid: 0o104755, none: 0o100000, sticky: 0o041777, closed: 0o040000, fifo: 0o010600 };
      for (const [name, mode] of Object.entries(modes)) expect(statSync(at(name)).mode, name).to.equal(mode);
      for (const name of [...Object.keys(modes), "link"]) {
        const status = lstatSync(at(name), { bigint: true });
        expect(status.mtimeNs, name).to.equal(-1n);
        if (name !== "closed" && name !== "sticky") expect(status.atimeNs, name).to.equal(1000000000000000001n);
      }
      chmodSync(at("closed"), 0o700);
    });

    it("writes files of many blobs, some of them used often and in several packs", async () => {
      const pieces = Array.from({ length: 12 }, () => randomBytes(700_000));
      const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = pieces;
      const big = scene.file("big", [...pieces, first, second, first]);
      scene.builder.endPacks();
      const other = scene.file("other", [second, randomBytes(10), first]);
      const small = Array.from({ length: 150 }, (_, index) => scene.file(`s${index}`, `content ${index}`));
      const result = await scene.restore(scene.tree([big, other, ...small]), { verify: true });
      expect(scene.failures).to.deep.equal([]);
      expect(readFileSync(at("big")).equals(Buffer.concat([...pieces, first, second, first]))).to.equal(true);
      expect(readFileSync(at("other")).length).to.equal(1_400_010);
      expect(read("s77")).to.equal("content 77");
      expect(result.verifiedFiles).to.equal(152);
      expect(result.bytesRestored).to.equal(result.totalBytes);
    });

    it("writes blobs that are longer than a buffer", async () => {
      const pieces = [randomBytes(11 << 20), randomBytes(12 << 20), randomBytes(100)];
      const result = await scene.restore(scene.tree([scene.file("long", pieces)]), { verify: true });
      expect(scene.failures).to.deep.equal([]);
      expect(readFileSync(at("long")).equals(Buffer.concat(pieces))).to.equal(true);
      expect(result.verifiedFiles).to.equal(1);
    });

    it("makes hard links, and only within a group", async () => {
      const group = { inode: 9n, deviceId: 1n, links: 3 };
      const tree = scene.tree([
        scene.file("a", "same", group),
        scene.dir("d", [scene.file("b", "same", group)]),
        scene.file("e", "same", { inode: 9n, deviceId: 2n, links: 2 }),
        scene.file("z", "same", group),
      ]);
      const result = await scene.restore(tree);
      const inode = statSync(at("a")).ino;
      expect(statSync(at("d", "b")).ino).to.equal(inode);
      expect(statSync(at("z")).ino).to.equal(inode);
      expect(statSync(at("e")).ino).to.not.equal(inode);
      expect(statSync(at("a")).nlink).to.equal(3);
      expect(result).to.include({ totalFiles: 5, filesRestored: 5, totalBytes: 8, bytesRestored: 8 });
    });

    it("leaves holes with sparse, and writes zeros without", async () => {
      const zeros = new Uint8Array(1 << 20);
      const nodes = [
        scene.file("middle", [Buffer.from("head"), zeros, Buffer.from("tail")]),
        scene.file("end", [Buffer.from("head"), zeros, zeros]),
        scene.file("only", [zeros]),
      ];
      const tree = scene.tree(nodes);
      await scene.restore(tree, { sparse: true, verify: true });
      expect(scene.failures).to.deep.equal([]);
      for (const { name, sizeBytes } of nodes) {
        const status = statSync(at(Buffer.from(name).toString()));
        expect(status.size).to.equal(sizeBytes);
        expect(status.blocks * 512).to.be.lessThan(64 * 1024);
      }
      const plain = join(scene.folder, "plain");
      await scene.restore(tree, { target: Buffer.from(plain) });
      expect(statSync(join(plain, "only")).blocks * 512).to.be.at.least(1 << 20);
    });

    it("skips sockets, and reports what it cannot make", async () => {
      const tree = scene.tree([
        scene.file("a", "x"),
        { ...scene.fifo("socket"), type: "socket", mode: goModeOf(0o140777) },
        { ...scene.fifo("odd"), type: "irregular" },
        { ...scene.link("nowhere", "x"), linkTarget: undefined },
        { ...scene.file("lost", "x"), content: null },
      ]);
      const result = await scene.restore(tree);
      expect(readdirSync(scene.target)).to.deep.equal(["a"]);
      expect(result.errorCount).to.equal(3);
      expect(scene.failures.join("\n")).to.contain("/odd: ").and.to.contain("/nowhere: ").and.to.contain("/lost: ");
    });

    it("restores only a subfolder, whose content lies in the target itself", async () => {
      const tree = scene.tree([scene.dir("a", [scene.dir("b", [scene.file("f", "x")])]), scene.file("g", "y")]);
      await scene.restore(tree, { subfolder: "/a/b/" });
      expect(readdirSync(scene.target)).to.deep.equal(["f"]);
      expect(scene.items).to.deep.equal(["restored /f 1"]);
      for (const [subfolder, message] of [
        ["/a/c", "path a/c: not found"],
        ["g", "path g: not a directory"],
      ] as const) {
        const error = await scene.restore(tree, { subfolder }).catch((reason) => reason);
        expect(error).to.include({ code: "not-found", message });
      }
    });

    it("restores attributes that are selected", async function () {
      requireRoot(this);
      const xattrs = ["user.a", "user.b"].map((name) => ({ name: Buffer.from(name), value: Buffer.from("v") }));
      const tree = scene.tree([
        scene.file("f", "x", { extendedAttributes: xattrs }),
        scene.dir("d", [], { extendedAttributes: xattrs }),
      ]);
      await scene.restore(tree, { selectXattr: (name) => name === "user.b" });
      const calls = systemCalls();
      for (const name of ["f", "d"]) {
        const path = Buffer.from(at(name));
        expect(calls.listXattrs(path).join()).to.equal("user.b");
        calls.setXattr(path, Buffer.from("user.b2"), Buffer.from("w"));
        calls.setXattr(path, Buffer.from("user.c"), Buffer.from("w"));
      }
      await scene.restore(tree, { selectXattr: (name) => name.startsWith("user.b") });
      expect(scene.failures).to.deep.equal([]);
      for (const name of ["f", "d"]) {
        expect(
          calls
            .listXattrs(Buffer.from(at(name)))
            .sort()
            .join(),
        ).to.equal("user.b,user.c");
        expect(lstatSync(at(name), { bigint: true }).mtimeNs).to.equal(mtimeNs);
      }
      await scene.restore(tree);
      for (const name of ["f", "d"]) {
        expect(
          calls
            .listXattrs(Buffer.from(at(name)))
            .sort()
            .join(),
        ).to.equal("user.a,user.b");
      }
    });

    it("gives files to the owners of the stored names when asked", async function () {
      requireRoot(this);
      const tree = scene.tree([
        scene.file("known", "x", { uid: 4711, gid: 4711, user: "daemon", group: "daemon" }),
        scene.file("unknown", "x", { uid: 4711, gid: 4711, user: "nobody-here", group: "" }),
      ]);
      await scene.restore(tree, { ownershipByName: true });
      expect(statSync(at("known"))).to.include({ uid: 1, gid: 1 });
      expect(statSync(at("unknown"))).to.include({ uid: 0, gid: 0 });
      await scene.restore(tree);
      expect(statSync(at("unknown"))).to.include({ uid: 4711, gid: 4711 });
    });
  });

  describe("over what is there", () => {
    it("always: leaves equal content, writes only what differs, corrects metadata", async () => {
      const pieces = [randomBytes(600_000), randomBytes(600_000), randomBytes(600_000)];
      const tree = scene.tree([scene.file("big", pieces), scene.file("same", "same")]);
      await scene.restore(tree);
      chmodSync(at("same"), 0o600);
      utimesSync(at("same"), 5, 5);
      const changed = readFileSync(at("big"));
      changed[700_000]! ^= 1;
      writeFileSync(at("big"), changed);
      const inode = statSync(at("big")).ino;
      const result = await scene.restore(tree, { verify: true });
      expect(scene.items.sort()).to.deep.equal(["unchanged /same 4", "updated /big 1800000"]);
      expect(readFileSync(at("big")).equals(Buffer.concat(pieces))).to.equal(true);
      expect(statSync(at("big")).ino).to.equal(inode);
      expect(statSync(at("same")).mode & 0o777).to.equal(0o644);
      expect(lstatSync(at("same"), { bigint: true }).mtimeNs).to.equal(mtimeNs);
      expect(result).to.include({
        totalFiles: 1,
        filesRestored: 1,
        filesSkipped: 1,
        bytesSkipped: 4,
        verifiedFiles: 1,
      });
    });

    it("cuts longer files and extends shorter ones", async () => {
      const tree = scene.tree([scene.file("long", "12345"), scene.file("short", "12345"), scene.file("empty", "")]);
      mkdirSync(scene.target);
      writeFileSync(at("long"), "12345 and more");
      writeFileSync(at("short"), "123");
      writeFileSync(at("empty"), "not empty");
      await scene.restore(tree, { verify: true });
      expect([read("long"), read("short"), read("empty")]).to.deep.equal(["12345", "12345", ""]);
      expect(scene.items.every((item) => item.startsWith("updated"))).to.equal(true);
      expect(scene.failures).to.deep.equal([]);
    });

    it("if-changed: believes size and time", async () => {
      const tree = scene.tree([scene.file("believed", "12345"), scene.file("other-time", "12345")]);
      mkdirSync(scene.target);
      writeFileSync(at("believed"), "54321");
      writeFileSync(at("other-time"), "54321");
      systemCalls().utimensat(Buffer.from(at("believed")), mtimeNs, mtimeNs, false);
      await scene.restore(tree, { overwrite: "if-changed" });
      expect([read("believed"), read("other-time")]).to.deep.equal(["54321", "12345"]);
      expect(scene.items.sort()).to.deep.equal(["unchanged /believed 5", "updated /other-time 5"]);
      expect(statSync(at("believed")).mode & 0o777).to.equal(0o644);
    });

    it("if-newer: leaves what is as new or newer, links and pipes too", async () => {
      const tree = scene.tree([
        scene.file("newer", "s"),
        scene.file("older", "s"),
        scene.link("link", "s"),
        scene.fifo("fifo"),
      ]);
      mkdirSync(scene.target);
      for (const name of ["newer", "older"]) writeFileSync(at(name), "t");
      symlinkSync("t", at("link"));
      writeFileSync(at("fifo"), "t");
      utimesSync(at("older"), 1, 1);
      const result = await scene.restore(tree, { overwrite: "if-newer" });
      expect([read("newer"), read("older"), readlinkSync(at("link")), read("fifo")]).to.deep.equal([
        "t",
        "s",
        "t",
        "t",
      ]);
      expect(result).to.include({ filesSkipped: 3, filesRestored: 1 });
      await scene.restore(tree, { overwrite: "always" });
      expect([read("newer"), readlinkSync(at("link"))]).to.deep.equal(["s", "s"]);
      expect(lstatSync(at("fifo")).isFIFO()).to.equal(true);
    });

    it("never: touches nothing that exists, but restores what is missing and metadata of folders", async () => {
      const group = { inode: 4n, deviceId: 1n, links: 2 };
      const tree = scene.tree([
        scene.dir("d", [scene.file("kept", "s"), scene.file("missing", "s")]),
        scene.file("h1", "s", group),
        scene.file("h2", "s", group),
        scene.dir("was-file", [scene.file("f", "s")]),
      ]);
      mkdirSync(at("d"), { recursive: true, mode: 0o700 });
      writeFileSync(at("d", "kept"), "t");
      writeFileSync(at("h1"), "t");
      writeFileSync(at("was-file"), "t");
      const result = await scene.restore(tree, { overwrite: "never" });
      expect([read("d", "kept"), read("d", "missing"), read("h1"), read("h2")]).to.deep.equal(["t", "s", "t", "s"]);
      expect(read("was-file")).to.equal("t");
      expect(scene.failures).to.have.length(1);
      expect(statSync(at("d")).mode & 0o777).to.equal(0o755);
      expect(result.errorCount).to.equal(1);
    });

    it("replaces links, pipes and empty folders by files, and files by folders and links", async () => {
      const tree = scene.tree([
        scene.file("link", "x"),
        scene.file("fifo", "x"),
        scene.file("folder", "x"),
        scene.dir("file", [scene.file("in", "x")]),
        scene.link("file2", "to"),
      ]);
      mkdirSync(at("folder"), { recursive: true });
      symlinkSync("nowhere", at("link"));
      systemCalls().makeFifo(Buffer.from(at("fifo")), 0o600);
      writeFileSync(at("file"), "t");
      writeFileSync(at("file2"), "t");
      await scene.restore(tree);
      expect(scene.failures).to.deep.equal([]);
      expect([read("link"), read("fifo"), read("folder"), read("file", "in")]).to.deep.equal(["x", "x", "x", "x"]);
      expect(readlinkSync(at("file2"))).to.equal("to");
    });

    it("restores hard links again without needing to", async () => {
      const group = { inode: 9n, deviceId: 1n, links: 2 };
      const tree = scene.tree([scene.file("a", "same", group), scene.file("b", "same", group)]);
      await scene.restore(tree);
      const inode = statSync(at("a")).ino;
      const result = await scene.restore(tree);
      expect(statSync(at("b")).ino).to.equal(inode);
      expect(scene.items).to.include("unchanged /a 4");
      expect(result.bytesRestored).to.equal(0);
    });
  });

  describe("with delete", () => {
    it("removes what the snapshot does not have, and keeps the times of folders", async () => {
      const tree = scene.tree([scene.dir("d", [scene.file("f", "x")]), scene.dir("e", [])]);
      await scene.restore(tree);
      mkdirSync(at("d", "extra", "deep"), { recursive: true });
      writeFileSync(at("d", "extra", "deep", "file"), "t");
      writeFileSync(at("e", "file"), "t");
      const dry = await scene.restore(tree, { delete: true, dryRun: true });
      expect(dry.filesDeleted).to.equal(4);
      expect(existsSync(at("e", "file"))).to.equal(true);
      const result = await scene.restore(tree, { delete: true });
      expect(result.filesDeleted).to.equal(4);
      expect(scene.items.filter((item) => item.startsWith("deleted")).sort()).to.deep.equal([
        `deleted ${at("d", "extra")} 0`,
        `deleted ${at("d", "extra", "deep")} 0`,
        `deleted ${at("d", "extra", "deep", "file")} 0`,
        `deleted ${at("e", "file")} 0`,
      ]);
      expect([readdirSync(at("d")), readdirSync(at("e"))]).to.deep.equal([["f"], []]);
      for (const name of ["d", "e"]) expect(lstatSync(at(name), { bigint: true }).mtimeNs).to.equal(mtimeNs);
    });

    it("removes only what the selection has, in folders that were visited", async () => {
      const tree = scene.tree([scene.dir("d", [scene.file("f.txt", "x")]), scene.dir("other", [])]);
      for (const folder of ["d", "other"]) {
        mkdirSync(at(folder), { recursive: true });
        for (const name of ["old.txt", "old.bin"]) writeFileSync(at(folder, name), "t");
      }
      const select = { selects: (path: string) => path.endsWith(".txt"), mayDescend: (path: string) => path === "/d" };
      const result = await scene.restore(tree, { delete: true, select });
      expect(readdirSync(at("d")).sort()).to.deep.equal(["f.txt", "old.bin"]);
      expect(readdirSync(at("other")).sort()).to.deep.equal(["old.bin", "old.txt"]);
      expect(result.filesDeleted).to.equal(1);
    });

    it("cleans no folder in which nothing was restored, the target included", async () => {
      const tree = scene.tree([
        scene.dir("a", [
          scene.dir("b", [scene.file("one.md", "x")]),
          scene.dir("c", [scene.dir("deep", [scene.file("two.txt", "x")])]),
        ]),
        scene.dir("sockets", [{ ...scene.file("s.txt", ""), type: "socket", content: null }]),
      ]);
      const folders = ["a/b", "a/b/folder.txt", "a/c/deep", "sockets"];
      for (const folder of folders) mkdirSync(at(folder), { recursive: true });
      const extras = ["extra.txt", "a/extra.txt", "a/extra.md", "a/c/extra.txt", "a/c/deep/extra.txt"];
      const kept = ["a/b/extra.txt", "a/b/folder.txt/in", "sockets/extra.txt"];
      for (const path of [...extras, ...kept]) writeFileSync(at(path), "t");
      const ending = { selects: (path: string) => path.endsWith(".txt"), mayDescend: () => true };
      const absent = { selects: (path: string) => path === "/extra.txt", mayDescend: () => true };
      expect((await scene.restore(tree, { delete: true, select: absent })).filesDeleted).to.equal(0);
      const result = await scene.restore(tree, { delete: true, select: ending });
      expect([...extras, ...kept].filter((path) => !existsSync(at(path)))).to.deep.equal(
        extras.filter((path) => path.endsWith(".txt")),
      );
      expect(result.filesDeleted).to.equal(4);
    });

    it("leaves a folder alone whose tree is damaged", async () => {
      const tree = scene.tree([{ ...scene.dir("d", []), subtree: "ab".repeat(32) }]);
      mkdirSync(at("d"), { recursive: true });
      writeFileSync(at("d", "kept"), "t");
      const result = await scene.restore(tree, { delete: true });
      expect(read("d", "kept")).to.equal("t");
      expect(result.errorCount).to.equal(1);
      expect(scene.failures[0]).to.match(/^\/d: /);
    });
  });

  it("changes nothing in a dry run, and tells what would be done", async () => {
    const tree = scene.tree([
      scene.dir("d", [scene.file("same", "same"), scene.file("new", "new")]),
      scene.file("changed", "new"),
      scene.link("l", "x"),
    ]);
    const fresh = await scene.restore(tree, { dryRun: true });
    expect(existsSync(scene.target)).to.equal(false);
    expect(fresh).to.include({ totalFiles: 5, filesRestored: 5, totalBytes: 10, bytesRestored: 10 });
    mkdirSync(at("d"), { recursive: true });
    writeFileSync(at("d", "same"), "same");
    writeFileSync(at("changed"), "old");
    await scene.restore(tree, { dryRun: true });
    expect(scene.items.sort()).to.deep.equal([
      "restored /d 0",
      "restored /d/new 3",
      "restored /l 0",
      "unchanged /d/same 4",
      "updated /changed 3",
    ]);
    expect([readdirSync(scene.target).sort(), readdirSync(at("d")), read("changed")]).to.deep.equal([
      ["changed", "d"],
      ["same"],
      "old",
    ]);
  });

  it("selects: makes folders only when something in them is restored, and gives them their metadata", async () => {
    const tree = scene.tree([
      scene.dir("a", [scene.file("x.go", "1"), scene.file("y.c", "2")]),
      scene.dir("b", [scene.file("z.c", "3")]),
    ]);
    const select = { selects: (path: string) => path.endsWith(".go"), mayDescend: () => true };
    const result = await scene.restore(tree, { select });
    expect(readdirSync(scene.target)).to.deep.equal(["a"]);
    expect(readdirSync(at("a"))).to.deep.equal(["x.go"]);
    expect(lstatSync(at("a"), { bigint: true }).mtimeNs).to.equal(mtimeNs);
    expect(result).to.include({ totalFiles: 2, filesRestored: 2, totalBytes: 1 });
  });

  describe("from a damaged repository", () => {
    /** A pack with three blobs and the files that use them; the blob `b` is damaged. */
    function damagedScene(): { tree: Id; blobs: Record<string, Id> } {
      const [a, b, c] = ["a", "b", "c"].map((letter) => Buffer.from(letter.repeat(1000)));
      if (a === undefined || b === undefined || c === undefined) throw new Error("three pieces");
      const nodes = [scene.file("good", [a, c]), scene.file("only-bad", [b]), scene.file("partly-bad", [a, b, c])];
      const blobs = { a: nodes[0]!.content![0]!, b: nodes[1]!.content![0]!, c: nodes[0]!.content![1]! };
      const pack = scene.builder.endPacks().data ?? "";
      scene.builder.flip("data", pack, 1032 + 1032 + 500);
      return { tree: scene.tree(nodes), blobs };
    }

    it("fails only the files concerned, names pack and blob, and leaves no time on what is incomplete", async () => {
      const { tree } = damagedScene();
      const result = await scene.restore(tree, { verify: true });
      expect(read("good")).to.have.length(2000);
      expect(scene.failures.sort().map((line) => line.replace(/[0-9a-f]{64}/, "PACK"))).to.deep.equal(
        ["/only-bad", "/partly-bad"].map((path) => {
          const blob = `<data/${scene.failures[0]!.match(/<data\/([0-9a-f]{8})>/)![1]}>`;
          return `${path}: decrypting blob ${blob} from pack PACK failed: ciphertext verification failed`;
        }),
      );
      expect(result).to.include({ errorCount: 2, filesRestored: 1, totalFiles: 3, verifiedFiles: 1 });
      expect(existsSync(at("only-bad"))).to.equal(false);
      expect(lstatSync(at("partly-bad"), { bigint: true }).mtimeNs).to.not.equal(mtimeNs);
    });

    it("takes the blob from another copy", async () => {
      const { tree } = damagedScene();
      scene.builder.add("data", Buffer.from("b".repeat(1000)));
      const result = await scene.restore(tree, { verify: true });
      expect(scene.failures).to.deep.equal([]);
      expect(result).to.include({ errorCount: 0, verifiedFiles: 3 });
      expect(read("partly-bad")).to.equal(["a", "b", "c"].map((letter) => letter.repeat(1000)).join(""));
    });

    it("survives a missing pack: what lies elsewhere is restored", async () => {
      const lost = scene.file("lost", "in the lost pack");
      const pack = scene.builder.endPacks().data ?? "";
      const tree = scene.tree([lost, scene.file("kept", "in another pack"), scene.file("empty", "")]);
      await scene.builder.source();
      scene.builder.backend.files.delete(pathOf({ type: "data", id: pack }));
      const result = await scene.restore(tree);
      expect(readdirSync(scene.target).sort()).to.deep.equal(["empty", "kept"]);
      expect(result).to.include({ errorCount: 1, filesRestored: 2 });
      expect(scene.failures[0]).to.match(/^\/lost: /);
    });

    it("survives a shortened pack", async () => {
      const nodes = [scene.file("front", "front"), scene.file("rear", "rear")];
      const pack = scene.builder.endPacks().data ?? "";
      const path = pathOf({ type: "data", id: pack });
      const tree = scene.tree(nodes);
      scene.builder.backend.files.set(path, scene.builder.backend.files.get(path)!.slice(0, 40));
      const result = await scene.restore(tree);
      expect(read("front")).to.equal("front");
      expect(result.errorCount).to.equal(1);
    });

    it("reports files whose blobs no index knows, and the other names of failed files", async () => {
      const group = { inode: 3n, deviceId: 1n, links: 2 };
      const content = ["ab".repeat(32)];
      const tree = scene.tree([
        scene.file("a", "", { content, ...group }),
        scene.file("b", "", { content, ...group }),
        scene.file("c", "fine"),
      ]);
      const result = await scene.restore(tree);
      expect(readdirSync(scene.target)).to.deep.equal(["c"]);
      expect(result.errorCount).to.equal(2);
      expect(scene.failures[0]).to.contain(`blob ${content[0]} is in no index`);
    });

    it("restores the other folders when a tree is lost", async () => {
      const bad = scene.dir("bad", [scene.file("lost", "x")]);
      const pack = scene.builder.endPacks().tree ?? "";
      const tree = scene.tree([bad, scene.dir("good", [scene.file("f", "x")])]);
      scene.builder.flip("data", pack, 30);
      const result = await scene.restore(tree);
      expect(read("good", "f")).to.equal("x");
      expect(readdirSync(at("bad"))).to.deep.equal([]);
      expect(result.errorCount).to.equal(1);
      expect(scene.failures[0]).to.match(/^\/bad: /);
    });
  });

  it("ends when it is cancelled", async () => {
    const tree = scene.tree([scene.file("f", "x")]);
    const controller = new AbortController();
    controller.abort();
    const error = await scene.restore(tree, {}, controller.signal).catch((reason) => reason);
    expect(error).to.include({ code: "cancelled" });
    expect(existsSync(scene.target)).to.equal(false);
  });

  it("ends soon when it is cancelled while it runs, and leaves nothing that looks complete", async () => {
    const tree = scene.tree(Array.from({ length: 300 }, (_, index) => scene.file(`f${index}`, [randomBytes(20_000)])));
    await scene.builder.source();
    const { backend } = scene.builder;
    const controller = new AbortController();
    const load = backend.load.bind(backend);
    let loads = 0;
    backend.load = (handle, options) => {
      if (options?.into === undefined || ++loads === 1) return load(handle, options);
      controller.abort();
      // As a connection does: it answers never, or when the signal comes.
      return new Promise((_, reject) => {
        const cancel = (): void => reject(new CofferError("cancelled", "cancelled"));
        if (options.signal?.aborted) cancel();
        options.signal?.addEventListener("abort", cancel);
      });
    };
    const error = await scene.restore(tree, {}, controller.signal).catch((reason) => reason);
    expect(error).to.include({ code: "cancelled" });
    for (const name of readdirSync(scene.target)) {
      const status = lstatSync(at(name), { bigint: true });
      if (status.size !== 20_000n) expect(status.mtimeNs, name).to.not.equal(mtimeNs);
    }
  });

  it("ends when the repository can no longer be reached", async () => {
    const tree = scene.tree([scene.file("f", "x")]);
    const { backend } = scene.builder;
    const source = await scene.builder.source();
    const load = backend.load.bind(backend);
    backend.load = (handle, options) => {
      if (options?.into === undefined) return load(handle, options);
      return Promise.reject(Object.assign(new Error("connection lost"), { code: "unavailable" }));
    };
    expect(source).to.not.equal(undefined);
    const error = await scene.restore(tree).catch((reason) => reason);
    expect(error.message).to.equal("connection lost");
  });

  it("verify finds a file that changed behind its back", async () => {
    const tree = scene.tree([scene.file("f", "12345"), scene.file("g", "12345")]);
    const { restore } = await import("../../../client/restore/restore.ts");
    const failures: string[] = [];
    const result = await restore(
      await scene.builder.source(),
      { snapshot: { tree }, target: Buffer.from(scene.target), verify: true },
      {
        verifyStarted: () => writeFileSync(at("f"), "12346"),
        itemFailed: (path, error) => failures.push(`${Buffer.from(path)}: ${error.message}`),
      },
    );
    expect(result).to.include({ verifiedFiles: 2, errorCount: 1 });
    expect(failures[0]).to.match(/^\/f: verification failed: at offset 0 blob /);
  });

  it("restores nodes with times it can read only", async () => {
    const tree = scene.tree([scene.file("good", "x", { mtime }), scene.file("odd", "x", { mtime: "yesterday" })]);
    const result = await scene.restore(tree);
    expect(result.errorCount).to.be.at.least(1);
  });
});
