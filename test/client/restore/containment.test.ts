/** A snapshot is data from somewhere else, and a target may hold anything: nothing is ever changed outside the target. */

import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect } from "chai";
import type { RestoreOptions, RestoreResult } from "../../../client/restore/options.ts";
import { restore } from "../../../client/restore/restore.ts";
import type { Id } from "../../../shared/format/layout.ts";
import { goModeOf } from "../../../shared/format/mode.ts";
import { encodeTree } from "../../../shared/format/tree.ts";
import { encodeNode, type TreeNode } from "../../../shared/format/tree-node.ts";
import { RepositoryBuilder } from "../../support/repository-builder.ts";
import { fileNode } from "../../support/tree-nodes.ts";

const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, user: "", group: "" };

/** Everything below a folder, as far as a restore could change it. */
function fingerprint(path: string): string[] {
  const status = lstatSync(path, { bigint: true });
  const { mode, uid, gid, mtimeNs, ino } = status;
  const line = [path, mode, uid, gid, mtimeNs, ino].join(" ");
  if (status.isSymbolicLink()) return [`${line} ${readlinkSync(path)}`];
  if (status.isFile()) return [`${line} ${readFileSync(path, "latin1")}`];
  if (!status.isDirectory()) return [line];
  return [line, ...readdirSync(path).flatMap((name) => fingerprint(join(path, name)))];
}

/** Times at which anything of an inode was changed, and numbers of names: tests that plant hard links change both. */
function changesOf(path: string): string[] {
  const status = lstatSync(path, { bigint: true });
  const line = `${path} ${status.ctimeNs} ${status.nlink}`;
  return status.isDirectory() ? [line, ...readdirSync(path).flatMap((name) => changesOf(join(path, name)))] : [line];
}

describe("containment of a restore", function () {
  this.timeout(20_000);
  let folder: string;
  let target: string;
  let outside: string;
  let before: string[];
  let changesBefore: string[] | undefined;
  let builder: RepositoryBuilder;
  let failures: string[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "coffer-contain-"));
    target = join(folder, "target");
    outside = join(folder, "outside");
    mkdirSync(target);
    mkdirSync(join(outside, "folder"), { recursive: true });
    writeFileSync(join(outside, "file"), "untouched");
    writeFileSync(join(outside, "folder", "inner"), "untouched too");
    chmodSync(join(outside, "file"), 0o640);
    utimesSync(outside, 1, 1);
    before = fingerprint(outside);
    changesBefore = changesOf(outside);
    builder = new RepositoryBuilder();
    failures = [];
  });

  /** A second name in the target for a file outside of it. */
  function plantHardLink(path: string): void {
    linkSync(join(outside, "file"), path);
    changesBefore = undefined;
  }

  afterEach(() => {
    const after = fingerprint(outside);
    const changesAfter = changesOf(outside);
    rmSync(folder, { recursive: true, force: true });
    expect(after, "what lies outside of the target").to.deep.equal(before);
    if (changesBefore !== undefined) expect(changesAfter, "inodes outside of the target").to.deep.equal(changesBefore);
  });

  function file(name: string, text: string, fields: Partial<TreeNode> = {}): TreeNode {
    return fileNode(name, {
      ...own,
      content: [builder.add("data", Buffer.from(text))],
      sizeBytes: text.length,
      ...fields,
    });
  }

  function dir(name: string, nodes: readonly TreeNode[], fields: Partial<TreeNode> = {}): TreeNode {
    const mode = goModeOf(0o040755);
    return fileNode(name, { ...own, type: "dir", mode, content: null, subtree: builder.addTree(nodes), ...fields });
  }

  function link(name: string, to: string, fields: Partial<TreeNode> = {}): TreeNode {
    const mode = goModeOf(0o120777);
    return fileNode(name, { ...own, type: "symlink", mode, content: null, linkTarget: Buffer.from(to), ...fields });
  }

  async function restoreTree(tree: Id, options: Partial<RestoreOptions> = {}): Promise<RestoreResult> {
    const source = await builder.source();
    return restore(
      source,
      { snapshot: { tree }, target: Buffer.from(target), verify: true, ...options },
      { itemFailed: (path, error) => failures.push(`${Buffer.from(path)}: ${error.message}`) },
    );
  }

  /** Past the checks of our own encoder, which would sort. */
  function rawTree(nodes: readonly TreeNode[]): Id {
    return builder.add("tree", encodeTree(nodes.map((node) => encodeNode(node))));
  }

  for (const name of ["../outside/file", "..", ".", "a/b", "/etc/x", "a\0b", "", "../../x", "./x", "x/"]) {
    it(`refuses the name ${JSON.stringify(name)} and restores the rest`, async () => {
      const tree = rawTree(
        [file(name, "evil"), file("zz-good", "good")].sort((a, b) => Buffer.compare(a.name, b.name)),
      );
      const result = await restoreTree(tree);
      expect(readFileSync(join(target, "zz-good"), "utf8")).to.equal("good");
      expect(readdirSync(target)).to.deep.equal(["zz-good"]);
      expect(result.errorCount).to.equal(1);
      expect(failures[0]).to.contain("not restored");
    });

    it(`refuses a folder and a link of the name ${JSON.stringify(name)}`, async () => {
      await restoreTree(rawTree([dir(name, [file("file", "evil")])]));
      await restoreTree(rawTree([link(name, "/etc")]));
      expect(readdirSync(target)).to.deep.equal([]);
      expect(failures).to.have.length(2);
    });
  }

  it("does not delete when a name cannot be trusted", async () => {
    writeFileSync(join(target, "extra"), "kept");
    await restoreTree(rawTree([file("../x", "evil")]), { delete: true });
    expect(readFileSync(join(target, "extra"), "utf8")).to.equal("kept");
  });

  it("refuses a tree that has a name twice: a link, and a folder to be restored through it", async () => {
    const tree = rawTree([link("a", outside), dir("a", [file("file", "evil")])]);
    const result = await restoreTree(tree);
    expect(result.errorCount).to.equal(1);
    expect(readdirSync(target)).to.deep.equal([]);
  });

  it("refuses a tree whose names do not ascend", async () => {
    await restoreTree(rawTree([link("b", outside), dir("a", []), dir("b", [file("file", "evil")])]));
    expect(readdirSync(target)).to.deep.equal([]);
    expect(failures).to.have.length(1);
  });

  it("makes links that lead outside, and changes nothing where they lead", async () => {
    const tree = builder.addTree([
      link("absolute", outside),
      link("relative", "../outside/file"),
      link("up", ".."),
      dir("sub", [link("file", join(outside, "file"))]),
    ]);
    const result = await restoreTree(tree);
    expect(failures).to.deep.equal([]);
    expect(result.filesRestored).to.equal(5);
    expect(readlinkSync(join(target, "absolute"))).to.equal(outside);
    // Once more: now the links are in the way.
    await restoreTree(tree);
    expect(failures).to.deep.equal([]);
  });

  it("replaces a planted link to a folder by the folder", async () => {
    symlinkSync(outside, join(target, "a"));
    symlinkSync(join(outside, "folder"), join(target, "b"));
    await restoreTree(
      builder.addTree([dir("a", [file("file", "new"), dir("folder", [file("inner", "new")])]), dir("b", [])]),
    );
    expect(failures).to.deep.equal([]);
    expect(lstatSync(join(target, "a")).isDirectory()).to.equal(true);
    expect(readFileSync(join(target, "a", "folder", "inner"), "utf8")).to.equal("new");
    expect(readdirSync(join(target, "b"))).to.deep.equal([]);
  });

  it("replaces a planted link deep inside of an existing folder", async () => {
    mkdirSync(join(target, "x", "y"), { recursive: true });
    symlinkSync(join(outside, "folder"), join(target, "x", "y", "z"));
    await restoreTree(builder.addTree([dir("x", [dir("y", [dir("z", [file("inner", "new")])])])]));
    expect(failures).to.deep.equal([]);
    expect(readFileSync(join(target, "x", "y", "z", "inner"), "utf8")).to.equal("new");
  });

  it("replaces a planted link to a file by the file, in every overwrite mode that writes", async () => {
    for (const overwrite of ["always", "if-changed", "if-newer"] as const) {
      rmSync(join(target, "f"), { force: true });
      symlinkSync(join(outside, "file"), join(target, "f"));
      const node = file("f", "restored", { mtime: "2099-01-01T00:00:00Z" });
      await restoreTree(builder.addTree([node]), { overwrite });
      expect(lstatSync(join(target, "f")).isFile(), overwrite).to.equal(true);
      expect(readFileSync(join(target, "f"), "utf8")).to.equal("restored");
    }
    rmSync(join(target, "f"));
    symlinkSync(join(outside, "file"), join(target, "f"));
    await restoreTree(builder.addTree([file("f", "restored")]), { overwrite: "never" });
    expect(lstatSync(join(target, "f")).isSymbolicLink()).to.equal(true);
    expect(failures).to.deep.equal([]);
  });

  it("replaces a planted hard link of a file outside, whatever its content", async () => {
    for (const text of ["untouched", "something else", ""]) {
      rmSync(join(target, "f"), { force: true });
      plantHardLink(join(target, "f"));
      await restoreTree(builder.addTree([file("f", text, { mode: 0o600, ...(text === "" ? { content: [] } : {}) })]));
      expect(lstatSync(join(target, "f")).ino).to.not.equal(statSync(join(outside, "file")).ino);
      expect(readFileSync(join(target, "f"), "utf8")).to.equal(text);
      rmSync(join(target, "f"));
    }
  });

  it("replaces a planted hard link when size and time are those of the snapshot", async () => {
    plantHardLink(join(target, "f"));
    const mtime = statSync(join(outside, "file")).mtime.toISOString();
    utimesSync(join(outside, "file"), new Date(mtime), new Date(mtime));
    before = fingerprint(outside);
    const node = file("f", "untouchex", { mode: 0o777, mtime, atime: mtime });
    await restoreTree(builder.addTree([node]), { overwrite: "if-changed", verify: false });
    expect(lstatSync(join(target, "f")).ino).to.not.equal(statSync(join(outside, "file")).ino);
  });

  it("does not link names of a group to a planted file", async () => {
    symlinkSync(join(outside, "file"), join(target, "first"));
    plantHardLink(join(target, "second"));
    const group = { links: 2, inode: 77n, deviceId: 5n };
    await restoreTree(builder.addTree([file("first", "data", group), file("second", "data", group)]));
    expect(failures).to.deep.equal([]);
    const inode = lstatSync(join(target, "first")).ino;
    expect(lstatSync(join(target, "second")).ino).to.equal(inode);
    expect(inode).to.not.equal(statSync(join(outside, "file")).ino);
  });

  it("does not link across links: a group whose first name lies behind one", async () => {
    symlinkSync(outside, join(target, "a"));
    const group = { links: 2, inode: 78n, deviceId: 5n };
    await restoreTree(builder.addTree([dir("a", [file("file", "new", group)]), file("b", "new", group)]));
    expect(failures).to.deep.equal([]);
    expect(readFileSync(join(target, "b"), "utf8")).to.equal("new");
    expect(readFileSync(join(target, "a", "file"), "utf8")).to.equal("new");
  });

  it("does not follow links when it deletes", async () => {
    symlinkSync(outside, join(target, "gone"));
    mkdirSync(join(target, "sub", "deep"), { recursive: true });
    symlinkSync(outside, join(target, "sub", "deep", "gone"));
    plantHardLink(join(target, "sub", "hard"));
    const result = await restoreTree(builder.addTree([file("kept", "x")]), { delete: true });
    expect(readdirSync(target)).to.deep.equal(["kept"]);
    expect(result.filesDeleted).to.equal(5);
    expect(existsSync(join(outside, "folder", "inner"))).to.equal(true);
  });

  it("does not follow links when a folder with content is in the way of a file", async () => {
    mkdirSync(join(target, "f"));
    symlinkSync(outside, join(target, "f", "gone"));
    const tree = builder.addTree([file("f", "x")]);
    await restoreTree(tree);
    expect(failures[0]).to.match(/^\/f: ENOTEMPTY/);
    expect(readdirSync(join(target, "f"))).to.deep.equal(["gone"]);
    await restoreTree(tree, { delete: true });
    expect(readFileSync(join(target, "f"), "utf8")).to.equal("x");
  });

  it("changes nothing through links in a dry run", async () => {
    symlinkSync(outside, join(target, "a"));
    const inside = fingerprint(target);
    const tree = builder.addTree([dir("a", [file("file", "evil")]), file("b", "x")]);
    await restoreTree(tree, { dryRun: true, verify: false, delete: true });
    expect(failures).to.deep.equal([]);
    expect(fingerprint(target)).to.deep.equal(inside);
  });

  it("follows a link that the user gives as target", async () => {
    const real = join(folder, "real");
    mkdirSync(real);
    rmSync(target, { recursive: true });
    symlinkSync(real, target);
    await restoreTree(builder.addTree([file("f", "x")]));
    expect(failures).to.deep.equal([]);
    expect(readFileSync(join(real, "f"), "utf8")).to.equal("x");
  });

  it("refuses a target that is a file", async () => {
    rmSync(target, { recursive: true });
    writeFileSync(target, "a file");
    const outcome = await restoreTree(builder.addTree([file("f", "x")])).catch((error) => error);
    expect(outcome.message).to.match(/^cannot create target directory: /);
    expect(readFileSync(target, "utf8")).to.equal("a file");
  });

  it("holds against somebody who exchanges folders for links while the restore runs", async () => {
    const names = Array.from({ length: 80 }, (_, index) => `file-${String(index).padStart(3, "0")}`);
    const inner = dir(
      "inner",
      names.map((name) => file(name, `content of ${name}`)),
    );
    const special = dir(
      "special",
      names.map((name) => link(name, "somewhere")),
    );
    const tree = builder.addTree([dir("d", [inner, special, file("inside", "x")])]);
    const attacker = new Worker(attackerSource, { eval: true, workerData: { folder: join(target, "d"), outside } });
    await once(attacker, "online");
    for (let round = 0; round < 2; round++) await restoreTree(tree, { verify: false, delete: round % 2 === 1 });
    await attacker.terminate();
    // Errors are expected; that `afterEach` finds nothing changed outside is the test.
    expect(readdirSync(outside).sort()).to.deep.equal(["file", "folder"]);
  });
});

/** Moves a folder away and back, with a link to a folder outside in its place meanwhile. */
const attackerSource = `
  const fs = require("node:fs");
  const { folder, outside } = require("node:worker_threads").workerData;
  const attempt = (step) => { try { step(); } catch {} };
  for (;;) {
    for (const path of [folder, folder + "/inner", folder + "/special"]) {
      attempt(() => fs.renameSync(path, path + ".away"));
      attempt(() => fs.symlinkSync(outside, path));
      attempt(() => fs.unlinkSync(path));
      attempt(() => fs.renameSync(path + ".away", path));
    }
  }
`;
