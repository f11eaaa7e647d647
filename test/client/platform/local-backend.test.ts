import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { LocalBackend } from "../../../client/platform/local-backend.ts";
import { configHandle, fileTypes, pathOf } from "../../../shared/format/layout.ts";
import { expectCode, handleOf, idOf } from "../../conformance/backend.ts";

describe("LocalBackend", () => {
  let folder: string;
  let previousUmask: number;

  beforeEach(async () => {
    previousUmask = process.umask(0o022);
    folder = await mkdtemp(join(tmpdir(), "coffer-local-"));
  });

  afterEach(async () => {
    process.umask(previousUmask);
    await rm(folder, { recursive: true, force: true });
  });

  const content = randomBytes(1000);
  const handle = handleOf(content);

  async function modeOf(path: string): Promise<string> {
    return ((await stat(join(folder, path))).mode & 0o7777).toString(8);
  }

  it("makes all folders at once, for the owner only", async () => {
    const backend = await LocalBackend.open(join(folder, "a", "b"));
    await backend.create();
    for (const name of ["a", "a/b", ...fileTypes.map((type) => `a/b/${type}`), "a/b/data/00", "a/b/data/ff"]) {
      expect(await modeOf(name), name).to.equal("700");
    }
    expect(await readdir(join(folder, "a", "b", "data"))).to.have.length(256);
    expect(await readdir(join(folder, "a", "b"))).to.have.members([...fileTypes]);
  });

  it("keeps files that nobody writes to, and nothing else beside them", async () => {
    const backend = await LocalBackend.open(folder);
    await backend.create();
    await backend.save(handle, content);
    await backend.save(configHandle, content);
    expect(await modeOf(pathOf(handle))).to.equal("400");
    expect(await modeOf("config")).to.equal("400");
    expect(await readdir(join(folder, "data", handle.id.slice(0, 2)))).to.deep.equal([handle.id]);
    // A later save replaces the file although it is read-only.
    await backend.save(configHandle, content);
    await backend.remove(handle);
    await expectCode("not-found", backend.stat(handle));
  });

  it("shares with the group what the group could read before", async () => {
    await writeFile(join(folder, "config"), "");
    await chmod(join(folder, "config"), 0o440);
    const backend = await LocalBackend.open(folder);
    await backend.save(handle, content);
    await backend.save(handleOf(content, "keys"), content);
    expect(await modeOf("data")).to.equal("750");
    expect(await modeOf(`data/${handle.id.slice(0, 2)}`)).to.equal("750");
    expect(await modeOf(pathOf(handle))).to.equal("440");
    process.umask(0o002);
    await backend.save(handleOf(content, "index"), content);
    expect(await modeOf("index")).to.equal("770");
    expect(await modeOf(pathOf(handleOf(content, "index")))).to.equal("440");
  });

  it("makes a missing folder when it is needed", async () => {
    const backend = await LocalBackend.open(join(folder, "absent"));
    expect(await backend.list("data")).to.deep.equal([]);
    await backend.save(handle, content);
    expect(await backend.list("data")).to.deep.equal([{ id: handle.id, sizeBytes: 1000 }]);
    expect(await modeOf("absent/data")).to.equal("700");
  });

  it("lists only files whose names are ids, where they belong", async () => {
    const backend = await LocalBackend.open(folder);
    await backend.create();
    await backend.save(handle, content);
    const shard = join(folder, "data", handle.id.slice(0, 2));
    const otherShard = join(folder, "data", handle.id.startsWith("00") ? "01" : "00");
    await writeFile(join(shard, `${handle.id}-tmp-123`), "x");
    await writeFile(join(shard, handle.id.slice(0, 63)), "x");
    await mkdir(join(shard, handle.id.slice(0, 2).padEnd(64, "a")));
    await symlink("nowhere", join(shard, handle.id.slice(0, 2).padEnd(64, "b")));
    await writeFile(join(otherShard, handle.id), "in a wrong folder");
    await writeFile(join(folder, "data", idOf(randomBytes(1))), "not in a folder");
    await mkdir(join(folder, "data", "zz"));
    expect(await backend.list("data")).to.deep.equal([{ id: handle.id, sizeBytes: 1000 }]);
    await writeFile(join(folder, "locks", "README"), "x");
    expect(await backend.list("locks")).to.deep.equal([]);
  });

  it("takes a folder with the name of a file for no file", async () => {
    const backend = await LocalBackend.open(folder);
    await mkdir(join(folder, pathOf(handle)), { recursive: true });
    await expectCode("not-found", backend.stat(handle));
    await expectCode("not-found", backend.load(handle));
  });

  it("notices that a file was cut", async () => {
    const backend = await LocalBackend.open(folder);
    await backend.save(handle, content);
    await chmod(join(folder, pathOf(handle)), 0o600);
    await truncate(join(folder, pathOf(handle)), 500);
    expect(await backend.stat(handle)).to.equal(500);
    await expectCode("out-of-range", backend.load(handle, { range: { offsetBytes: 400, lengthBytes: 200 } }));
  });

  it("leaves no part of a file behind when it fails or is cancelled", async () => {
    const backend = await LocalBackend.open(folder);
    const large = new Uint8Array(64 * 1024 * 1024);
    const stop = new AbortController();
    const largeHandle = handleOf(large);
    const saving = backend.save(largeHandle, large, stop.signal);
    setTimeout(() => stop.abort(), 5);
    await expectCode("cancelled", saving);
    expect(await readdir(join(folder, "data", largeHandle.id.slice(0, 2)))).to.deep.equal([]);
    // The final name is taken by a folder that is not empty: renaming fails.
    await mkdir(join(folder, pathOf(handle), "inner"), { recursive: true });
    await expectCode("forbidden", backend.save(handle, content));
    expect(await readdir(join(folder, "data", handle.id.slice(0, 2)))).to.deep.equal([handle.id]);
  });

  it("says that it may not, or that the place is no folder", async () => {
    await writeFile(join(folder, "file"), "x");
    const backend = await LocalBackend.open(join(folder, "file"));
    await expectCode("forbidden", backend.save(handle, content));
    await expectCode("forbidden", backend.create());
    expect(await backend.list("keys")).to.deep.equal([]);
  });

  it("never shows a part of a file, however often its writer is killed", async function () {
    this.timeout(60_000);
    const writer = fileURLToPath(new URL("local-backend-writer.ts", import.meta.url));
    const backend = await LocalBackend.open(folder);
    await backend.create();
    for (let round = 0; round < 5; round += 1) {
      const child = spawn(process.execPath, [writer, folder], { stdio: ["ignore", "pipe", "inherit"] });
      let printed = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        printed += text;
      });
      await once(child.stdout, "data");
      await new Promise((resolve) => setTimeout(resolve, 20 + round * 17));
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
      const saved = printed.split("\n").filter((line) => line.length === 64);
      expect(saved).not.to.deep.equal([]);
      const listed = await backend.list("data");
      expect(listed.map(({ id }) => id)).to.include.members(saved);
      for (const { id } of listed) expect(idOf(await backend.load({ type: "data", id }))).to.equal(id);
    }
  });
});
