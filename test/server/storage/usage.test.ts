import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { DiskRepositories } from "../../../server/storage/disk/disk-storage.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";

describe("measuring a data folder", () => {
  let folder: TemporaryFolder;

  beforeEach(() => {
    folder = makeTemporaryFolder("usage");
  });

  afterEach(() => folder.remove());

  function write(path: string, sizeBytes: number): void {
    const whole = join(folder.path, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, new Uint8Array(sizeBytes));
  }

  function measure(): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const { folders, sizeBytes } of new DiskRepositories(folder.path).measure()) {
      const name = folders === undefined ? "other" : `/${folders.join("/")}`;
      sums[name] = (sums[name] ?? 0) + sizeBytes;
    }
    return sums;
  }

  it("finds files in their repositories, at every depth", () => {
    write("config", 1);
    write("data/00/x", 10);
    write("alice/config", 100);
    write("alice/keys/k", 1000);
    write("alice/laptop/data/ff/y", 10_000);
    write("alice/laptop/snapshots/s", 100_000);
    expect(measure()).to.deep.equal({ "/": 11, "/alice": 1100, "/alice/laptop": 110_000 });
  });

  it("counts what belongs to no repository for the server alone", () => {
    write(".htpasswd", 1);
    write("alice/notes", 10);
    write("a/b/c/data/00/x", 100);
    write("a/b/c/config", 1000);
    expect(measure()).to.deep.equal({ other: 1111 });
  });

  it("leaves out what is only being uploaded", () => {
    write(".coffer/uploads/x", 1);
    write("alice/data/00/.coffer-upload-x", 10);
    write("alice/data/00/x", 100);
    expect(measure()).to.deep.equal({ "/alice": 100 });
  });

  it("follows links, and counts nothing twice", () => {
    write("elsewhere/data/00/x", 10);
    symlinkSync("elsewhere", join(folder.path, "zlink"));
    symlinkSync(".", join(folder.path, "loop"));
    symlinkSync("nowhere", join(folder.path, "broken"));
    const outside = makeTemporaryFolder("usage-outside");
    mkdirSync(join(outside.path, "keys"));
    writeFileSync(join(outside.path, "keys/k"), "12345");
    symlinkSync(outside.path, join(folder.path, "mounted"));
    expect(measure()).to.deep.equal({ "/elsewhere": 10, "/mounted": 5 });
    outside.remove();
  });

  it("finds nothing where there is nothing", () => {
    folder.remove();
    expect(measure()).to.deep.equal({});
  });
});
