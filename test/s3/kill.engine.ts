/** All processes of the store are killed under load. What it acknowledged is there and whole when it is back. */
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { type OpenedS3, openS3 } from "../../server/storage/s3/open-s3.ts";
import { defaultRetryPolicy } from "../../server/storage/s3/retry.ts";
import { parseS3Settings } from "../../server/storage/s3/settings.ts";
import type { Storage } from "../../server/storage/storage.ts";
import { VerifiedStorage } from "../../server/storage/verified.ts";
import { CofferError } from "../../shared/errors.ts";
import { fileTypes } from "../../shared/format/layout.ts";
import { listAll, put, readAll } from "../conformance/storage.ts";
import { type TestObject, testObject } from "../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";
import { controlEngine, engineName, freshLocation } from "./engine.ts";

const rounds = 3;
const workers = 8;
const sizes = [100, 4_000, 70_000, 600_000, 1_500_000];

(engineName === undefined ? describe.skip : describe)(`${engineName} that is killed under load`, function () {
  this.timeout(600_000);
  let opened: OpenedS3;
  let folder: TemporaryFolder;
  let storage: Storage;
  let serial = 0;
  const stored: TestObject[] = [];

  before(async () => {
    folder = makeTemporaryFolder("spool");
    const retries = { ...defaultRetryPolicy, attempts: 2, firstPauseMs: 10 };
    opened = await openS3(parseS3Settings(freshLocation(), process.env), folder.path, () => undefined, { retries });
    storage = new VerifiedStorage(opened.repositories.at(["repository"]));
  });

  after(async () => {
    await opened?.close();
    folder.remove();
  });

  /** Uploads until the store is gone. */
  async function work(): Promise<void> {
    while (true) {
      serial += 1;
      const type = fileTypes[serial % fileTypes.length] ?? "data";
      const object = testObject(`killed ${serial}`, sizes[randomInt(sizes.length)] ?? 0, type);
      try {
        await put(storage, object);
      } catch (error) {
        if (error instanceof CofferError && error.code === "unavailable") return;
        throw error;
      }
      stored.push(object);
    }
  }

  it(`keeps what it acknowledged, ${rounds} times`, async () => {
    for (let round = 0; round < rounds; round++) {
      const before = stored.length;
      const load = Promise.all(Array.from({ length: workers }, work));
      while (stored.length < before + 40) await sleep(5);
      controlEngine("kill9");
      await load;
      controlEngine("restart");
      for (const object of stored) {
        expect((await readAll(storage, object)).equals(object.content), object.id).to.equal(true);
      }
      for (const type of fileTypes) {
        const listed = new Set((await listAll(storage, type)).map(({ id }) => id));
        const missing = stored.filter((object) => object.type === type && !listed.has(object.id));
        expect(missing.map(({ id }) => id)).to.deep.equal([]);
      }
    }
    expect(stored.length).to.be.greaterThan(rounds * 40 - 1);
  });
});
