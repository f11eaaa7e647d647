/** Nothing is replaced, although several processes of one server store at the same time and the storage can only look before it writes. */
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { DiskTurn } from "../../../server/storage/disk/disk-turn.ts";
import { FairGate } from "../../../server/storage/disk/fair-gate.ts";
import { syncWritten } from "../../../server/storage/disk/file-system.ts";
import { Folders } from "../../../server/storage/disk/folders.ts";
import { ReceivedBody } from "../../../server/storage/disk/received-body.ts";
import { Uploader } from "../../../server/storage/disk/upload.ts";
import { Uploads } from "../../../server/storage/disk/uploads.ts";
import { LocalNameTurns, type NameTurns } from "../../../server/storage/name-turns.ts";
import { openS3 } from "../../../server/storage/s3/open-s3.ts";
import { parseS3Settings } from "../../../server/storage/s3/settings.ts";
import { hasErrorCode } from "../../../shared/errors.ts";
import { bodyOf, readAll } from "../../conformance/storage.ts";
import { FakeS3 } from "../../support/fake-s3.ts";
import { promptRetries } from "../../support/s3-storage.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";

describe("two processes of one server", () => {
  let folder: TemporaryFolder;

  beforeEach(() => {
    folder = makeTemporaryFolder("two");
  });

  afterEach(() => folder.remove());

  /** Has each store something else under the same name; returns the content of the only one that may have succeeded. */
  async function race(puts: readonly ((content: Buffer) => Promise<void>)[]): Promise<string> {
    const contents = puts.map((_, i) => `of ${i}`);
    const outcomes = await Promise.allSettled(puts.map((put, i) => put(Buffer.from(contents[i]!))));
    for (const outcome of outcomes) {
      if (outcome.status === "rejected" && !hasErrorCode(outcome.reason, "already-exists")) throw outcome.reason;
    }
    const stored = contents.filter((_, i) => outcomes[i]?.status === "fulfilled");
    expect(stored).to.have.length(1);
    return stored[0]!;
  }

  describe("on a file system without hard links", () => {
    const refuseLink = async (): Promise<never> => {
      throw Object.assign(new Error("operation not permitted"), { code: "EPERM" });
    };

    function newProcess(turns: NameTurns): (repository: string, content: Buffer) => Promise<void> {
      const folders = new Folders();
      const uploader = new Uploader(folders, new Uploads(folder.path, folders), turns, refuseLink);
      return async (repository, content) => {
        const path = join(folder.path, repository, "config");
        const place = { path, volumeFolder: join(folder.path, repository), makesFolders: false };
        const body = new ReceivedBody(bodyOf(content), syncWritten);
        await body.begin();
        const turn = new DiskTurn(new FairGate(1), "");
        await turn.take();
        await uploader.store(place, body, turn).finally(() => turn.end());
      };
    }

    it("store one of several configurations that arrive at once, and never replace it", async () => {
      const turns = new LocalNameTurns();
      const processes = Array.from({ length: 4 }, () => newProcess(turns));
      for (let i = 0; i < 20; i++) {
        mkdirSync(join(folder.path, `r${i}`));
        const stored = await race(processes.map((put) => (content) => put(`r${i}`, content)));
        expect(readFileSync(join(folder.path, `r${i}`, "config"), "utf8")).to.equal(stored);
      }
    });

    it("take one place for the same under all its names", async () => {
      const names = new Set<string>();
      const turns = new LocalNameTurns();
      const put = newProcess({
        run: (name, action) => {
          names.add(name);
          return turns.run(name, action);
        },
      });
      mkdirSync(join(folder.path, "repository"));
      symlinkSync("repository", join(folder.path, "link"));
      mkdirSync(join(folder.path, "Repository"));
      await race(["repository", "link"].map((name) => (content) => put(name, content)));
      // On some file systems these two would be the same.
      await put("Repository", Buffer.from("other"));
      expect(existsSync(join(folder.path, "Repository/config"))).to.equal(true);
      expect(names.size).to.equal(1);
    });
  });

  it("store one of several configurations on S3 without conditional put, and never replace it", async () => {
    const store = await FakeS3.start({ conditionalPut: "refused" });
    const turns = new LocalNameTurns();
    const settings = parseS3Settings(store.location, store.environment);
    const open = () => openS3(settings, join(folder.path, "spool"), () => undefined, { retries: promptRetries }, turns);
    const processes = await Promise.all([open(), open(), open()]);
    try {
      for (let i = 0; i < 5; i++) {
        const storages = processes.map(({ repositories }) => repositories.at([`r${i}`]));
        await storages[0]!.create();
        const stored = await race(storages.map((each) => (content) => each.put({ type: "config" }, bodyOf(content))));
        expect((await readAll(storages[0]!, { type: "config" })).toString()).to.equal(stored);
      }
    } finally {
      for (const each of processes) await each.close();
      await store.stop();
    }
  });

  it("do not ask for turns where S3 has conditional put", async () => {
    const store = await FakeS3.start();
    const turns: NameTurns = { run: () => Promise.reject(new Error("asked for a turn")) };
    const settings = parseS3Settings(store.location, store.environment);
    const opened = await openS3(settings, join(folder.path, "spool"), () => undefined, {}, turns);
    try {
      const storage = opened.repositories.at(["r"]);
      await storage.create();
      await race([1, 2].map(() => (content) => storage.put({ type: "config" }, bodyOf(content))));
    } finally {
      await opened.close();
      await store.stop();
    }
  });
});
