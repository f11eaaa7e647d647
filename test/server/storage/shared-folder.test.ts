/** Several processes on one data folder: nothing is acknowledged in a folder that another one has made and that a crash could undo. */
import fs, { constants, mkdirSync, rmSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join, relative } from "node:path";
import { expect } from "chai";
import { DiskRepositories } from "../../../server/storage/disk/disk-storage.ts";
import { DurableNames } from "../../../server/storage/disk/durable-names.ts";
import type { Storage } from "../../../server/storage/storage.ts";
import { expectError, put } from "../../conformance/storage.ts";
import { testObject } from "../../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";

describe("a data folder that several processes use", () => {
  const { openSync } = fs;
  let folder: TemporaryFolder;
  let synced: string[];
  /** What opening a folder fails with, by its path in the data folder. */
  let failures: Map<string, string>;
  let serial = 0;

  /** A folder is opened to be synced, and for nothing else. */
  const openAndTell: typeof openSync = (path, flags, mode) => {
    if (typeof flags === "number" && (flags & constants.O_DIRECTORY) !== 0) {
      const name = relative(folder.path, String(path)) || ".";
      const code = failures.get(name);
      if (code !== undefined) throw Object.assign(new Error(`${code}: ${name}`), { code });
      synced.push(name);
    }
    return openSync(path, flags, mode);
  };

  beforeEach(() => {
    folder = makeTemporaryFolder("shared");
    // Made by earlier uploads, which has nothing to do with where these belong.
    for (let i = 0; i < 8; i++) mkdirSync(join(folder.path, ".coffer/uploads", String(i)), { recursive: true });
    synced = [];
    failures = new Map();
    fs.openSync = openAndTell;
    syncBuiltinESMExports();
  });

  afterEach(() => {
    fs.openSync = openSync;
    syncBuiltinESMExports();
    folder.remove();
  });

  function open(hasOtherProcesses = true): Storage {
    return new DiskRepositories(folder.path, { hasOtherProcesses }).at(["user", "repository"]);
  }

  /** As another process does before it has synced anything. */
  function makeElsewhere(type: string): void {
    mkdirSync(join(folder.path, "user/repository", type), { recursive: true });
  }

  /** Which folders an upload syncs, in order. */
  async function syncedBy(storage: Storage, type: "keys" | "index"): Promise<readonly string[]> {
    synced = [];
    serial += 1;
    await put(storage, testObject(`shared ${serial}`, 100, type));
    return synced;
  }

  const keys = "user/repository/keys";
  const index = "user/repository/index";
  const allOfKeys = [keys, "user/repository", "user", "."];

  it("has the first upload into a folder sync all that leads to it, and later ones only what is new", async () => {
    makeElsewhere("keys");
    makeElsewhere("index");
    const storage = open();
    expect(await syncedBy(storage, "keys")).to.deep.equal(allOfKeys);
    expect(await syncedBy(storage, "keys")).to.deep.equal([keys]);
    expect(await syncedBy(storage, "index")).to.deep.equal([index, "user/repository"]);
    expect(await syncedBy(storage, "index")).to.deep.equal([index]);
  });

  it("costs nothing more where there is one process", async () => {
    makeElsewhere("keys");
    expect(await syncedBy(open(false), "keys")).to.deep.equal([keys]);
  });

  it("takes nothing for durable when a sync has failed", async () => {
    makeElsewhere("keys");
    const storage = open();
    failures.set("user", "EIO");
    await expectError(syncedBy(storage, "keys"), "unavailable");
    failures.clear();
    expect(await syncedBy(storage, "keys")).to.deep.equal(allOfKeys);
  });

  it("says of a name that is taken only when it is durable", async () => {
    makeElsewhere("keys");
    const object = testObject("taken", 100, "keys");
    await put(open(false), object);
    synced = [];
    await expectError(put(open(), object), "already-exists");
    expect(synced).to.deep.equal(allOfKeys);
  });

  it("knows folders that another process has removed and made again", async () => {
    makeElsewhere("keys");
    const storage = open();
    await syncedBy(storage, "keys");
    rmSync(join(folder.path, "user/repository"), { recursive: true });
    makeElsewhere("keys");
    expect(await syncedBy(storage, "keys")).to.deep.equal([keys, "user/repository", "user"]);
  });

  it("takes nothing for durable that this process has made again itself", async () => {
    makeElsewhere("keys");
    const storage = open();
    await syncedBy(storage, "keys");
    rmSync(join(folder.path, "user/repository"), { recursive: true });
    expect(await syncedBy(storage, "keys")).to.deep.equal(["user/repository", "user", ...allOfKeys]);
    expect(await syncedBy(storage, "keys")).to.deep.equal([keys]);
  });

  it("makes the names durable that lead to a repository which another process is just making", async () => {
    await open(false).create();
    synced = [];
    await open().create();
    expect(synced).to.include.members(["user/repository/data", "user/repository", "user", "."]);
  });

  it("can lie in a folder, and have folders, that the server must not read", async () => {
    makeElsewhere("keys");
    failures.set("user", "EACCES");
    expect(await syncedBy(open(), "keys")).to.deep.equal([keys, "user/repository", "."]);
  });

  describe("of which is remembered what is durable", () => {
    it("remembers so many folders, and then forgets all", async () => {
      for (const name of ["a", "b", "c"]) mkdirSync(join(folder.path, name));
      const names = new DurableNames(`${folder.path}/`, 2);
      for (const name of ["a", "b", "a", "b", "c", "a", "a"]) await names.sync(join(folder.path, name));
      expect(synced).to.deep.equal(["a", ".", "b", ".", "a", "b", "c", ".", "a", ".", "a"]);
    });

    it("remembers nothing of what was found while folders were made", async () => {
      mkdirSync(join(folder.path, "a"));
      const names = new DurableNames(folder.path);
      const syncing = names.sync(join(folder.path, "a"));
      names.forget();
      await syncing;
      await names.sync(join(folder.path, "a"));
      expect(synced).to.deep.equal(["a", ".", "a", "."]);
    });

    it("has no names above the data folder", async () => {
      await new DurableNames(folder.path).sync(folder.path);
      expect(synced).to.deep.equal(["."]);
    });
  });
});
