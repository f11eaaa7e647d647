/** Restores by a user who is not root: what only root may do is left out, what the user's own modes forbid is done. */
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Id } from "../../../shared/format/layout.ts";
import { goModeOf } from "../../../shared/format/mode.ts";
import { requireRoot } from "../../support/programs.ts";
import { RestoreScene } from "../../support/restore-scene.ts";

const nobody = 65534;

describe("restore as an ordinary user", () => {
  let scene: RestoreScene;

  before(function () {
    requireRoot(this);
  });

  beforeEach(() => {
    scene = new RestoreScene();
    chownSync(scene.folder, nobody, nobody);
  });

  afterEach(() => scene.remove());

  /** What the step makes belongs to nobody. */
  async function asNobody<Result>(step: () => Promise<Result> | Result): Promise<Result> {
    process.setegid?.(nobody);
    process.seteuid?.(nobody);
    try {
      return await step();
    } finally {
      process.seteuid?.(0);
      process.setegid?.(0);
    }
  }

  const restoreAsNobody = (tree: Id) => asNobody(() => scene.restore(tree));

  it("keeps the owner, and complains about nothing that only root may do", async () => {
    const xattr = { name: Buffer.from("trusted.x"), value: Buffer.from("v") };
    const tree = scene.tree([
      scene.file("file", "x", { uid: 0, gid: 0, extendedAttributes: [xattr] }),
      scene.dir("folder", [scene.link("link", "file", { uid: 0 })], { uid: 0, gid: 0 }),
    ]);
    await restoreAsNobody(tree);
    expect(scene.failures).to.deep.equal([]);
    for (const name of ["file", "folder", "folder/link"]) {
      expect(lstatSync(join(scene.target, name)), name).to.include({ uid: nobody, gid: nobody });
    }
  });

  it("writes to own files and folders whose modes forbid it, and gives them the modes of the snapshot", async () => {
    const tree = scene.tree([
      scene.dir("closed", [scene.file("read-only", "new"), scene.file("none", "new", { mode: 0 })], {
        mode: goModeOf(0o040500),
      }),
    ]);
    await asNobody(() => {
      mkdirSync(join(scene.target, "closed"), { recursive: true });
      writeFileSync(join(scene.target, "closed", "read-only"), "old");
      chmodSync(join(scene.target, "closed", "read-only"), 0o400);
      chmodSync(join(scene.target, "closed"), 0o500);
    });
    await restoreAsNobody(tree);
    await restoreAsNobody(tree);
    expect(scene.failures).to.deep.equal([]);
    expect(readFileSync(join(scene.target, "closed", "read-only"), "utf8")).to.equal("new");
    expect(readFileSync(join(scene.target, "closed", "none"), "utf8")).to.equal("new");
    expect(statSync(join(scene.target, "closed")).mode & 0o777).to.equal(0o500);
    expect(statSync(join(scene.target, "closed", "none")).mode & 0o777).to.equal(0);
  });

  it("fails single items that only root can make, and restores the rest", async () => {
    const device = { ...scene.fifo("device"), type: "chardev", mode: goModeOf(0o020600), device: 259n } as const;
    const result = await restoreAsNobody(scene.tree([device, scene.file("z", "x")]));
    expect(result).to.include({ errorCount: 1, filesRestored: 1 });
    expect(scene.failures[0]).to.match(/^\/device: EPERM/);
  });

  it("reports folders and files of others that it may not write to", async () => {
    mkdirSync(join(scene.target, "theirs"), { recursive: true });
    chownSync(scene.target, nobody, nobody);
    writeFileSync(join(scene.target, "file"), "old");
    chmodSync(join(scene.target, "file"), 0o644);
    const tree = scene.tree([
      scene.dir("theirs", [scene.file("f", "x")]),
      scene.file("file", "new"),
      scene.file("z", "x"),
    ]);
    const result = await restoreAsNobody(tree);
    expect(readFileSync(join(scene.target, "z"), "utf8")).to.equal("x");
    expect(readFileSync(join(scene.target, "file"), "utf8")).to.equal("old");
    expect(result.errorCount).to.equal(2);
    expect(scene.failures.sort().map((line) => line.split(":")[0])).to.deep.equal(["/file", "/theirs/f"]);
  });
});
