import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import {
  CacheDirectory,
  createTemporaryCacheBase,
  defaultCacheBase,
  findOldCaches,
} from "../../../client/platform/cache-directory.ts";
import { expectCode, idOf } from "../../conformance/backend.ts";

describe("CacheDirectory", () => {
  const repositoryId = idOf(Buffer.from("repository"));
  const content = randomBytes(1000);
  const file = { type: "index", id: idOf(content) } as const;
  let folder: string;
  let base: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "coffer-cache-"));
    base = join(folder, "new", "cache");
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function modeOf(path: string): Promise<string> {
    return ((await stat(path)).mode & 0o7777).toString(8);
  }

  it("is laid out as restic's is", async () => {
    const previousUmask = process.umask(0o022);
    try {
      const cache = await CacheDirectory.open(base, repositoryId);
      await cache.save(file, content);
      const tag = await readFile(join(base, "CACHEDIR.TAG"), "utf8");
      expect(tag).to.equal("Signature: 8a477f597d28d172789f06886806bc55\n").and.have.length(44);
      expect(await modeOf(join(base, "CACHEDIR.TAG"))).to.equal("644");
      expect(await readFile(join(base, repositoryId, "version"), "utf8")).to.equal("1");
      expect(await modeOf(join(base, repositoryId, "version"))).to.equal("644");
      expect(await readdir(join(base, repositoryId))).to.have.members(["snapshots", "index", "data", "version"]);
      const path = join(base, repositoryId, "index", file.id.slice(0, 2), file.id);
      expect(await readFile(path)).to.deep.equal(content);
      expect(await modeOf(path)).to.equal("600");
      for (const name of ["", repositoryId, `${repositoryId}/index`, `${repositoryId}/index/${file.id.slice(0, 2)}`]) {
        expect(await modeOf(join(base, name)), name).to.equal("700");
      }
    } finally {
      process.umask(previousUmask);
    }
  });

  it("gives back what it was given, or a part of it", async () => {
    const cache = await CacheDirectory.open(base, repositoryId);
    expect(await cache.load(file, {})).to.equal(undefined);
    expect(await cache.remove(file)).to.equal(false);
    await cache.save(file, content);
    expect(content.equals((await cache.load(file, {})) ?? new Uint8Array(0))).to.equal(true);
    const range = { offsetBytes: 10, lengthBytes: 20 };
    const into = new Uint8Array(new SharedArrayBuffer(100));
    const part = await cache.load(file, { range, into });
    expect(part?.buffer).to.equal(into.buffer);
    expect(content.subarray(10, 30).equals(part ?? new Uint8Array(0))).to.equal(true);
    expect(await cache.list("index")).to.deep.equal([file.id]);
    expect(await cache.list("snapshots")).to.deep.equal([]);
    expect(await cache.remove(file)).to.equal(true);
    expect(await cache.list("index")).to.deep.equal([]);
  });

  it("says so when its copy is too short", async () => {
    const cache = await CacheDirectory.open(base, repositoryId);
    await cache.save(file, content);
    await truncate(join(base, repositoryId, "index", file.id.slice(0, 2), file.id), 100);
    await expectCode("out-of-range", cache.load(file, { range: { offsetBytes: 90, lengthBytes: 20 } }));
  });

  it("is not used when its version is another one", async () => {
    await mkdir(join(base, repositoryId), { recursive: true });
    for (const text of ["2", "x", "", "-1"]) {
      await writeFile(join(base, repositoryId, "version"), text);
      await expectCode("unsupported", CacheDirectory.open(base, repositoryId));
    }
    for (const text of ["1", "0", "1\n"]) {
      await writeFile(join(base, repositoryId, "version"), text);
      await CacheDirectory.open(base, repositoryId);
    }
  });

  it("is marked as used, and found when nobody uses it", async () => {
    await CacheDirectory.open(base, repositoryId);
    const temporary = await createTemporaryCacheBase(base);
    expect(temporary).to.match(/\/restic-check-cache-\d+$/);
    await mkdir(join(base, "something else"));
    const dayMs = 24 * 60 * 60 * 1000;
    const longAgo = new Date(Date.now() - 40 * dayMs);
    for (const path of [join(base, repositoryId), temporary, join(base, "something else")]) {
      await utimes(path, longAgo, longAgo);
    }
    const old = await findOldCaches(base, 30 * dayMs, Date.now());
    expect(old).to.have.members([join(base, repositoryId), temporary]);
    await CacheDirectory.open(base, repositoryId);
    expect(await findOldCaches(base, 30 * dayMs, Date.now())).to.deep.equal([temporary]);
    expect(await findOldCaches(join(base, "absent"), 0, Date.now())).to.deep.equal([]);
  });

  it("is where the environment says", () => {
    const named = { RESTIC_CACHE_DIR: "/named", XDG_CACHE_HOME: "/xdg" };
    expect(defaultCacheBase(named)).to.equal("/named");
    if (process.platform === "linux") {
      expect(defaultCacheBase({ XDG_CACHE_HOME: "/xdg" })).to.equal("/xdg/restic");
      expect(defaultCacheBase({ XDG_CACHE_HOME: "" })).to.match(/\/\.cache\/restic$/);
    }
  });
});
