/** The thread that lists folders: what becomes of lists when it ends, and that two lists do not mix. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect } from "chai";
import type { ListReply, ListRequest } from "../../../server/storage/disk/list-protocol.ts";
import { ListThread } from "../../../server/storage/disk/list-thread.ts";
import { sha256 } from "../../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";

const files = 2_500;

describe("the thread that lists folders", () => {
  let folder: TemporaryFolder;

  before(() => {
    folder = makeTemporaryFolder("lists");
    for (const name of ["a", "b"]) {
      mkdirSync(join(folder.path, name));
      for (let i = 0; i < files; i++) writeFileSync(join(folder.path, name, sha256(`${name} ${i}`)), "");
    }
  });

  after(() => folder.remove());

  async function idsOf(thread: ListThread, name: string): Promise<Set<string>> {
    const ids = new Set<string>();
    for await (const batch of thread.list({ folder: join(folder.path, name), isSpread: false })) {
      expect(batch.ids.length).to.equal(batch.sizes.length * 64);
      for (let i = 0; i < batch.ids.length; i += 64) ids.add(batch.ids.slice(i, i + 64));
    }
    return ids;
  }

  it("keeps lists apart that are made at the same time", async () => {
    const thread = new ListThread();
    const lists = await Promise.all(["a", "b", "a", "b"].map((name) => idsOf(thread, name)));
    for (const [i, ids] of lists.entries()) {
      expect(ids.size).to.equal(files);
      expect(ids.has(sha256(`${i % 2 === 0 ? "a" : "b"} 0`))).to.equal(true);
    }
  });

  it("passes the code of an error on, and goes on with other lists", async () => {
    const thread = new ListThread();
    const failure = await idsOf(thread, "absent").catch((error: NodeJS.ErrnoException) => error.code);
    expect(failure).to.equal("ENOENT");
    expect((await idsOf(thread, "a")).size).to.equal(files);
  });

  it("never takes the rest of a list for its end when it did not begin it", async () => {
    const worker = new Worker(new URL("../../../server/storage/disk/list-worker.ts", import.meta.url));
    try {
      const reply = await new Promise<ListReply>((resolve) => {
        worker.once("message", resolve);
        worker.postMessage({ list: 7 } satisfies ListRequest);
      });
      expect(reply).to.have.nested.property("error.message", "list 7 was not begun by this thread");
    } finally {
      await worker.terminate();
    }
  });
});
