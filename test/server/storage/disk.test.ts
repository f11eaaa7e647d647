/** What the disk storage promises beyond the port: the layout, modes, and what it does with strange things in its folders. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect } from "chai";
import { DiskRepositories } from "../../../server/storage/disk/disk-storage.ts";
import type { Storage } from "../../../server/storage/storage.ts";
import { fileTypes, pathOf } from "../../../shared/format/layout.ts";
import { bodyOf, describeStorage, expectError, listAll, put, readAll } from "../../conformance/storage.ts";
import { requireRoot } from "../../support/programs.ts";
import { testObject } from "../../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";
import { unfinishedUploads } from "../../support/unfinished-uploads.ts";

let folder: TemporaryFolder;

describeStorage("DiskRepositories", {
  open: async () => {
    folder = makeTemporaryFolder("disk");
    return new DiskRepositories(join(folder.path, "made", "when needed"));
  },
  close: async () => folder.remove(),
});

describe("DiskRepositories", () => {
  let path: string;
  let repositories: DiskRepositories;
  let storage: Storage;

  beforeEach(async () => {
    folder = makeTemporaryFolder("disk");
    path = join(folder.path, "data");
    repositories = new DiskRepositories(path);
    storage = repositories.at(["user", "repository"]);
  });

  afterEach(() => folder.remove());

  /** All files below the data folder that are not objects under their own names. */
  function strangeFiles(): string[] {
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && !/^[0-9a-f]{64}$/.test(entry.name) && entry.name !== "config")
      .map((entry) => join(entry.parentPath, entry.name));
  }

  /** What this process has open below the data folder. */
  function openFiles(): string[] {
    return readdirSync("/proc/self/fd")
      .map((descriptor) => {
        try {
          return readlinkSync(`/proc/self/fd/${descriptor}`);
        } catch {
          return "";
        }
      })
      .filter((file) => file.startsWith(path));
  }

  function modeOf(name: string): string {
    return (lstatSync(join(path, name)).mode & 0o777).toString(8);
  }

  it("lays a repository out as restic does, for its owner alone", async () => {
    await storage.create();
    const top = readdirSync(join(path, "user/repository")).sort();
    expect(top).to.deep.equal(["data", "index", "keys", "locks", "snapshots"]);
    const packFolders = readdirSync(join(path, "user/repository/data")).sort();
    expect(packFolders).to.deep.equal(Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0")));
    for (const name of ["user", "user/repository", "user/repository/data/ff", "user/repository/keys"]) {
      expect(modeOf(name), name).to.equal("700");
    }
    for (const type of fileTypes) {
      const object = testObject("layout", 100, type);
      await put(storage, object);
      const place = `user/repository/${pathOf(object)}`;
      expect(readFileSync(join(path, place)).equals(object.content)).to.equal(true);
      expect(modeOf(place)).to.equal("600");
      expect(lstatSync(join(path, place)).nlink).to.equal(1);
    }
    await storage.put({ type: "config" }, bodyOf(Buffer.from("config")));
    expect(readFileSync(join(path, "user/repository/config"), "utf8")).to.equal("config");
    expect(strangeFiles()).to.deep.equal([]);
  });

  it("reserves its own folder", async () => {
    for (const folders of [[".coffer"], [".coffer", "uploads"]]) {
      await expectError((async () => repositories.at(folders).create())(), "not-found");
    }
    await repositories.at(["user", ".coffer"]).create();
  });

  it("leaves no temporary file, however an upload ends", async () => {
    await storage.create();
    const object = testObject("temporary", 900_000);
    async function* failingBody(): AsyncIterable<Uint8Array> {
      yield* bodyOf(object.content.subarray(0, 800_000));
      throw new Error("cut");
    }
    await storage.put(object, failingBody()).catch(() => undefined);
    expect(strangeFiles()).to.deep.equal([]);
    await put(storage, object);
    await put(storage, object).catch(() => undefined);
    await storage.put(object, failingBody()).catch(() => undefined);
    expect(strangeFiles()).to.deep.equal([]);
  });

  it("sweeps what a crash left behind, near and far, and nothing else", async () => {
    await storage.create();
    const object = testObject("kept", 100);
    await put(storage, object);
    const uploads = join(path, ".coffer/uploads");
    const far = join(path, "user/repository/data/00/.coffer-upload-1234");
    const foreign = join(path, "user/repository/data/00/something-else");
    mkdirSync(join(uploads, "3"), { recursive: true });
    writeFileSync(join(uploads, "abcd"), "unfinished");
    writeFileSync(far, "unfinished");
    writeFileSync(foreign, "not ours");
    symlinkSync("../../../user/repository/data/00/.coffer-upload-1234", join(uploads, "3/1234"));
    symlinkSync("../../user/repository/data/00/.coffer-upload-absent", join(uploads, "5678"));
    symlinkSync("../../user/repository/data/00/something-else", join(uploads, "9abc"));
    expect(await new DiskRepositories(path).sweep()).to.equal(4);
    expect(unfinishedUploads(path)).to.deep.equal([]);
    expect(existsSync(far)).to.equal(false);
    expect(existsSync(foreign)).to.equal(true);
    expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
    expect(await new DiskRepositories(path).sweep()).to.equal(0);
  });

  it("sweeps in several processes at once, each file once", async () => {
    const uploads = join(path, ".coffer/uploads/3");
    mkdirSync(uploads, { recursive: true });
    for (let i = 0; i < 50; i++) {
      writeFileSync(join(uploads, `file-${i}`), "unfinished");
      symlinkSync("../../../r/data/00/.coffer-upload-absent", join(uploads, `link-${i}`));
    }
    const sweeps = await Promise.all(Array.from({ length: 4 }, () => new DiskRepositories(path).sweep()));
    expect(sweeps.reduce((sum, count) => sum + count)).to.equal(100);
    expect(unfinishedUploads(path)).to.deep.equal([]);
  });

  it("sweeps a data folder that does not exist", async () => {
    expect(await new DiskRepositories(join(folder.path, "absent")).sweep()).to.equal(0);
    expect(existsSync(join(folder.path, "absent"))).to.equal(false);
  });

  it("lists only regular files with an id for a name, in the folder where they belong", async () => {
    await storage.create();
    const object = testObject("listed", 5);
    await put(storage, object);
    const data = join(path, "user/repository/data");
    const other = (object.id.startsWith("00") ? "01" : "00") + "a".repeat(62);
    writeFileSync(join(data, "stray"), "stray");
    writeFileSync(join(data, "0".repeat(64)), "in the wrong folder");
    writeFileSync(join(data, object.id.slice(0, 2), "temporary"), "no id");
    writeFileSync(join(data, "ff", other), "in the wrong folder");
    mkdirSync(join(data, other.slice(0, 2), other));
    symlinkSync("nowhere", join(data, "cc", `cc${"1".repeat(62)}`));
    mkdirSync(join(data, "strange"));
    expect(await listAll(storage, "data")).to.deep.equal([{ id: object.id, sizeBytes: 5 }]);
  });

  it("takes what is not a regular file for absent", async () => {
    await storage.create();
    const id = "ab".repeat(32);
    const place = join(path, "user/repository/keys", id);
    const handle = { type: "keys", id } as const;
    for (const make of [
      () => mkdirSync(place),
      () => expect(spawnSync("mkfifo", [place]).status).to.equal(0),
      () => symlinkSync("nowhere", place),
      () => symlinkSync(id, place),
    ]) {
      make();
      await expectError(storage.stat(handle), "not-found");
      await expectError(storage.read(handle), "not-found");
      await expectError(storage.put(handle, bodyOf(new Uint8Array(3))), "already-exists");
      await storage.remove(handle);
      spawnSync("rm", ["-rf", place]);
    }
  });

  it("does not remove a folder, not even an empty one", async () => {
    await storage.create();
    const id = "cd".repeat(32);
    mkdirSync(join(path, "user/repository/keys", id));
    await storage.remove({ type: "keys", id });
    expect(existsSync(join(path, "user/repository/keys", id))).to.equal(true);
  });

  it("reads through links to folders, so that a type can lie elsewhere", async () => {
    await storage.create();
    spawnSync("mv", [join(path, "user/repository/data"), join(folder.path, "elsewhere")]);
    symlinkSync(join(folder.path, "elsewhere"), join(path, "user/repository/data"));
    const object = testObject("elsewhere", 1_000);
    await put(storage, object);
    expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
    expect(await listAll(storage, "data")).to.have.length(1);
  });

  it("says that a file which shrinks while it is read is damaged", async () => {
    const object = testObject("shrinking", 900_000);
    await put(storage, object);
    const content = await storage.read(object);
    const reading = (async () => {
      for await (const chunk of content.chunks()) {
        if (chunk.length > 0) truncateSync(join(path, "user/repository", pathOf(object)), 300_000);
      }
    })();
    await expectError(reading, "damaged");
    await content.close();
  });

  it("says that a file in the way of a folder is the server's trouble", async () => {
    mkdirSync(path);
    writeFileSync(join(path, "user"), "in the way");
    await expectError(storage.create(), "unavailable");
    await expectError(listAll(storage, "data"), "not-found");
    await expectError(storage.stat({ type: "config" }), "not-found");
  });

  it("keeps nobody waiting for clients that are slow to take or to send", async () => {
    await storage.create();
    const pack = testObject("slow", 600_000);
    await put(storage, pack);
    const downloads = await Promise.all(Array.from({ length: 150 }, () => storage.read(pack)));
    let release = (): void => undefined;
    const stalled = new Promise<void>((resolve) => {
      release = resolve;
    });
    async function* slowly(content: Uint8Array): AsyncGenerator<Uint8Array> {
      yield content.subarray(0, 600_000);
      await stalled;
      yield content.subarray(600_000);
    }
    const uploads = Array.from({ length: 150 }, (_, i) => {
      const object = testObject(`stalled ${i}`, 600_001, i % 2 === 0 ? "locks" : "data");
      return storage.put(object, slowly(object.content));
    });
    for (const type of ["locks", "data"] as const) {
      const quick = testObject(`quick ${type}`, 600_000, type);
      await put(storage, quick);
      expect(await readAll(storage, quick)).to.deep.equal(quick.content);
      expect(await listAll(storage, type)).to.have.length(type === "data" ? 2 : 1);
    }
    release();
    await Promise.all(uploads);
    for (const content of downloads) await content.close();
    expect(await listAll(storage, "locks")).to.have.length(76);
    expect(openFiles()).to.deep.equal([]);
  });

  it("flushes for slow clients at no more places than packs have", async () => {
    const script = new URL("../../support/slow-flush-worker.ts", import.meta.url);
    const worker = new Worker(script, { workerData: { path, transfers: 2, clients: 8 } });
    const [{ most, running }] = await once(worker, "message");
    await worker.terminate();
    expect({ most, running }).to.deep.equal({ most: 2, running: 0 });
    expect(await listAll(repositories.at(["r"]), "data")).to.have.length(8);
  });

  it("leaves the uploads of other servers alone when it starts, and removes those of servers that are gone", async () => {
    const uploads = join(path, ".coffer/uploads");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").slice(0, 8);
    const gone = spawnSync("true").pid;
    const names = {
      running: `${boot}-${process.ppid}-aa-1`,
      gone: `${boot}-${gone}-aa-1`,
      ownNumber: `${boot}-${process.pid}-aa-1`,
      beforeTheMachineStarted: `00000000-${process.ppid}-aa-1`,
      old: `${boot}-${process.ppid}-aa-2`,
      foreign: "whatever",
    };
    for (const [i, name] of Object.values(names).entries()) {
      const folder = join(uploads, String(i));
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, name), "unfinished");
    }
    const longAgo = new Date(Date.now() - 25 * 60 * 60 * 1000);
    utimesSync(join(uploads, "4", names.old), longAgo, longAgo);
    expect(await new DiskRepositories(path).sweep()).to.equal(5);
    expect(unfinishedUploads(path)).to.deep.equal([names.running]);
  });

  it("says of an upload whose place cannot be had that it may be tried again", async () => {
    await storage.create();
    rmSync(join(path, "user/repository/locks"), { recursive: true });
    symlinkSync(join(path, "unmounted/disk"), join(path, "user/repository/locks"));
    await expectError(put(storage, testObject("lock", 150, "locks")), "unavailable");
  });

  it("makes no folder where none can be made, and says so", async () => {
    await expectError(new DiskRepositories("/proc/coffer-test").at(["r"]).create(), "unavailable");
  });

  describe("on a file system of its own", () => {
    let mounted: string;

    beforeEach(async function () {
      requireRoot(this);
      await storage.create();
      mounted = join(path, "user/repository/data");
      const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", mounted]);
      if (status !== 0) throw new Error(`cannot mount a tmpfs: ${stderr}`);
    });

    afterEach(() => {
      if (mounted !== undefined) spawnSync("umount", [mounted]);
    });

    it("stores objects that cannot be linked from the uploads folder", async () => {
      for (let i = 0; i < 3; i++) {
        const object = testObject(`distant ${i}`, 700_000);
        await put(storage, object);
        expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
        await expectError(put(storage, object), "already-exists");
      }
      expect(strangeFiles()).to.deep.equal([]);
      expect(await listAll(storage, "data")).to.have.length(3);
    });

    it("answers a full disk with out-of-space, leaves nothing of the upload, and loses nothing", async () => {
      const kept = testObject("kept", 3_000_000);
      await put(storage, kept);
      for (let i = 0; i < 3; i++) {
        await expectError(put(storage, testObject(`too large ${i}`, 6_000_000)), "out-of-space");
      }
      expect(strangeFiles()).to.deep.equal([]);
      expect(await listAll(storage, "data")).to.deep.equal([{ id: kept.id, sizeBytes: 3_000_000 }]);
      expect((await readAll(storage, kept)).equals(kept.content)).to.equal(true);
      await storage.remove(kept);
      await put(storage, testObject("fits again", 6_000_000));
    });
  });
});
