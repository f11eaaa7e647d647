import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { openStorage } from "../../../server/storage/open-storage.ts";
import { expectError, put, readAll } from "../../conformance/storage.ts";
import { FakeS3 } from "../../support/fake-s3.ts";
import { testObject } from "../../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";

describe("opening a storage", () => {
  let folder: TemporaryFolder;
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);

  beforeEach(() => {
    folder = makeTemporaryFolder("open");
    lines.length = 0;
  });

  afterEach(() => folder.remove());

  it("takes the data folder, and removes what an earlier run left there", async () => {
    mkdirSync(join(folder.path, ".coffer/uploads"), { recursive: true });
    writeFileSync(join(folder.path, ".coffer/uploads/x"), "unfinished");
    const storage = await openStorage({ dataFolder: folder.path }, {}, log);
    expect(lines).to.deep.equal(["Removed 1 unfinished uploads of an earlier run"]);
    const object = testObject("disk", 10, "keys");
    await put(storage.repositories.at([]), object);
    expect(existsSync(join(folder.path, "keys", object.id))).to.equal(true);
    await storage.close();
  });

  it("knows whether the data folder can be written, also before it is made", async () => {
    const ready = await openStorage({ dataFolder: join(folder.path, "a/b") }, {}, log);
    await ready.readiness();
    writeFileSync(join(folder.path, "file"), "in the way", { mode: 0o600 });
    const blocked = await openStorage({ dataFolder: join(folder.path, "file/b") }, {}, log);
    await expectError(blocked.readiness(), "unavailable");
  });

  it("takes a bucket, and keeps nothing of what it stores in the data folder", async () => {
    const store = await FakeS3.start();
    const dataFolder = join(folder.path, "data");
    const storage = await openStorage({ dataFolder, location: `${store.location}/x` }, store.environment, log);
    expect(lines[0]).to.equal(`Storage: S3 bucket bucket at ${store.origin}, prefix "x/"`);
    const repository = storage.repositories.at(["r"]);
    const object = testObject("bucket", 700_000);
    await put(repository, object);
    expect((await readAll(repository, object)).equals(object.content)).to.equal(true);
    const expected = ["x/r/data/", `x/r/data/${object.id.slice(0, 2)}/${object.id}`];
    expect([...store.objects.keys()].sort()).to.deep.equal(expected);
    await storage.readiness();
    await store.stop();
    await expectError(storage.readiness(), "unavailable");
    await storage.close();
  });

  for (const location of ["", "/folder", "disk:/folder", "S3:bucket"]) {
    it(`refuses ${JSON.stringify(location)}`, async () => {
      const error = await expectError(openStorage({ dataFolder: folder.path, location }, {}, log), "usage");
      expect(error.message).to.match(/--storage expected s3:/);
    });
  }
});
