/** What a bucket holds, by repositories: counted as a folder on disk with the same files is. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { measureUsage } from "../../../../server/storage/disk/usage.ts";
import type { StoredUsage } from "../../../../server/storage/storage.ts";
import { expectError, put } from "../../../conformance/storage.ts";
import { openScene, type S3Scene } from "../../../support/s3-storage.ts";
import { testObject } from "../../../support/stored-files.ts";
import { makeTemporaryFolder } from "../../../support/temporary-folder.ts";

/** Each size is a bit of its own, so that every sum tells its parts. */
const files: readonly string[] = [
  "config",
  "data/00/x",
  "keys/k",
  "alice/config",
  "alice/laptop/data/ff/y",
  "alice/laptop/index/i",
  "alice/laptop/snapshots/deep/down/s",
  "a b+ü%/locks/l",
  "notes",
  "alice/notes",
  "bob/locks",
  "a/b/c/data/00/x",
  "a/b/c/config",
  "-/data/00/x",
  "alice/-/keys/k",
  "dir/config/x",
  ".coffer/uploads/x",
  "alice/.coffer/keys/k",
];

describe("measuring a bucket", () => {
  let scene: S3Scene;

  afterEach(() => scene.close());

  function store(key: string, sizeBytes: number): void {
    scene.store.objects.set(key, { content: Buffer.alloc(sizeBytes), entityTag: '"x"', version: "v" });
  }

  async function sumsOf(usage: Iterable<StoredUsage> | AsyncIterable<StoredUsage>): Promise<Record<string, number>> {
    const sums: Record<string, number> = {};
    for await (const { folders, sizeBytes } of usage) {
      const name = folders === undefined ? "other" : `/${folders.join("/")}`;
      sums[name] = (sums[name] ?? 0) + sizeBytes;
    }
    return sums;
  }

  for (const prefix of ["", "/a prefix+ü/team"]) {
    it(`finds with the prefix ${JSON.stringify(prefix)} what a folder with the same files has`, async () => {
      scene = await openScene({ pageObjects: 3 }, {}, prefix);
      const folder = makeTemporaryFolder("usage");
      for (const [index, file] of files.entries()) {
        store(`${prefix.slice(1)}${prefix === "" ? "" : "/"}${file}`, 2 ** index);
        mkdirSync(dirname(join(folder.path, file)), { recursive: true });
        writeFileSync(join(folder.path, file), new Uint8Array(2 ** index));
      }
      const sums = await sumsOf(scene.opened.usage());
      expect(sums).to.deep.equal(await sumsOf(measureUsage(folder.path)));
      expect(sums).to.include({ "/alice/laptop": 16 + 32 + 64, "/a b+ü%": 128 });
      folder.remove();
    });
  }

  it("leaves out what stands beside the prefix", async () => {
    scene = await openScene({}, {}, "/team");
    for (const key of ["team-b/config", "teamconfig", "config", "tea/config"]) store(key, 10);
    store("team/config", 1);
    expect(await sumsOf(scene.opened.usage())).to.deep.equal({ "/": 1 });
  });

  it("counts names that cannot be folders for the server alone, and empty marks for nothing", async () => {
    scene = await openScene({}, {}, "");
    for (const [index, key] of ["a//data/00/x", "./keys/k", "../config", "/config", "alice/"].entries()) {
      store(key, 2 ** index);
    }
    await put(scene.opened.repositories.at(["r"]), testObject("x", 1000));
    expect(await sumsOf(scene.opened.usage())).to.deep.equal({ other: 31, "/r": 1000 });
  });

  it("asks for one page after the other, when it is needed, and again for one that fails", async () => {
    scene = await openScene({ pageObjects: 2 }, {}, "");
    for (let i = 0; i < 7; i++) store(`r/data/00/${i}`, 1);
    scene.store.requests.length = 0;
    const usage = scene.opened.usage()[Symbol.asyncIterator]();
    await usage.next();
    expect(scene.store.requests).to.have.length(1);
    scene.store.inject("cut", 2);
    for (let i = 1; i < 7; i++) expect((await usage.next()).done).to.equal(false);
    expect((await usage.next()).done).to.equal(true);
    expect(scene.store.requests).to.have.length(4 + 2);
  });

  it("fails as a whole when a page cannot be had", async () => {
    scene = await openScene({ pageObjects: 2 }, {}, "");
    for (let i = 0; i < 7; i++) store(`r/data/00/${i}`, 1);
    scene.store.inject("denied", 1, ({ query }) => query.has("continuation-token"));
    const error = await expectError(sumsOf(scene.opened.usage()), "unavailable");
    expect(error.message).to.match(/cannot list "".*AccessDenied/);
  });
});
