/** The parts that restore and check read packs with. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import fc from "fast-check";
import { BlobList } from "../../../client/reading/blob-list.ts";
import { planRanges } from "../../../client/reading/ranges.ts";
import { SharedBuffers } from "../../../client/reading/shared-buffers.ts";
import { LocalTasks, TaskWorkers, usualWorkerCount } from "../../../client/reading/task-workers.ts";
import { workerEntry } from "../../../client/reading/worker-entry.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";

const mebibyte = 1024 * 1024;

describe("ranges of packs", () => {
  it("merge neighbours, read over small gaps, and break at large ones and at the limit", () => {
    const blobs = [
      { offsetBytes: 0, lengthBytes: 100 },
      { offsetBytes: 100, lengthBytes: 100 },
      { offsetBytes: 200 + mebibyte, lengthBytes: 50 },
      { offsetBytes: 251 + 2 * mebibyte, lengthBytes: 9 * mebibyte },
      { offsetBytes: 251 + 11 * mebibyte, lengthBytes: 1 },
    ];
    expect(planRanges(blobs, 8 * mebibyte)).to.deep.equal([
      { offsetBytes: 0, lengthBytes: 250 + mebibyte, first: 0, end: 3 },
      { offsetBytes: 251 + 2 * mebibyte, lengthBytes: 9 * mebibyte, first: 3, end: 4 },
      { offsetBytes: 251 + 11 * mebibyte, lengthBytes: 1, first: 4, end: 5 },
    ]);
    expect(planRanges([], 1)).to.deep.equal([]);
  });

  it("cover every blob exactly once, and stay below the limit unless one blob is longer", () => {
    const blob = fc.record({ gapBytes: fc.nat(2 * mebibyte), lengthBytes: fc.integer({ min: 1, max: 3 * mebibyte }) });
    fc.assert(
      fc.property(fc.array(blob, { maxLength: 40 }), fc.integer({ min: 1, max: 8 * mebibyte }), (list, limitBytes) => {
        let offset = 0;
        const blobs = list.map(({ gapBytes, lengthBytes }) => {
          const offsetBytes = offset + gapBytes;
          offset = offsetBytes + lengthBytes;
          return { offsetBytes, lengthBytes };
        });
        let next = 0;
        for (const range of planRanges(blobs, limitBytes)) {
          expect(range.first).to.equal(next);
          next = range.end;
          const inside = blobs.slice(range.first, range.end);
          const end = range.offsetBytes + range.lengthBytes;
          expect(inside[0]?.offsetBytes).to.equal(range.offsetBytes);
          expect(inside.every((one) => one.offsetBytes + one.lengthBytes <= end)).to.equal(true);
          expect(range.lengthBytes <= limitBytes || inside.length === 1).to.equal(true);
        }
        expect(next).to.equal(blobs.length);
      }),
    );
  });
});

describe("BlobList", () => {
  it("gives back what was appended, also when packed", () => {
    const list = new BlobList(1);
    for (let index = 0; index < 100; index++) {
      list.append(
        index % 3 === 0 ? "tree" : "data",
        Buffer.alloc(32, index),
        index * 0x1000_0000,
        40 + index,
        index % 2,
      );
    }
    for (const copy of [list, BlobList.unpack(list.pack()), BlobList.unpack(list.pack(0, 100))]) {
      expect(copy.count).to.equal(100);
      expect(copy.typeOf(99)).to.equal("tree");
      expect(copy.hexIdOf(17)).to.equal("11".repeat(32));
      expect(copy.offsetOf(15)).to.equal(0xf000_0000);
      expect([
        copy.lengthOf(16),
        copy.plainLengthOf(16),
        copy.uncompressedOf(17),
        copy.plainLengthOf(17),
      ]).to.deep.equal([56, 24, 1, 1]);
    }
    expect(BlobList.unpack(list.pack(98, 2)).hexIdOf(1)).to.equal("63".repeat(32));
  });

  it("sorts a part of itself by offset, and cuts its end", () => {
    const list = new BlobList();
    for (const offset of [9, 5, 3, 4, 1]) list.append("data", Buffer.alloc(32, offset), offset, 1, 0);
    list.sortByOffset(1, 3);
    expect([0, 1, 2, 3, 4].map((index) => list.offsetOf(index))).to.deep.equal([9, 3, 4, 5, 1]);
    expect(list.hexIdOf(2)).to.equal("04".repeat(32));
    list.truncate(2);
    expect(list.count).to.equal(2);
  });
});

describe("SharedBuffers", () => {
  it("hands out no more than it has, in the order of asking", async () => {
    const buffers = new SharedBuffers(2, 100);
    const first = await buffers.acquire(10);
    const second = await buffers.acquire(100);
    const order: string[] = [];
    const third = buffers.acquire(50).then((buffer) => {
      order.push("third");
      return buffer;
    });
    const fourth = buffers.acquire(50).then(() => order.push("fourth"));
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).to.deep.equal([]);
    buffers.release(first);
    expect(await third).to.equal(first);
    buffers.release(second);
    await fourth;
    expect(order).to.deep.equal(["third", "fourth"]);
  });

  it("makes one larger buffer at a time", async () => {
    const buffers = new SharedBuffers(1, 100);
    const large = await buffers.acquire(1000);
    expect(large.bytes.length).to.equal(1000);
    let isSecond = false;
    const second = buffers.acquire(2000).then((buffer) => {
      isSecond = true;
      return buffer;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isSecond).to.equal(false);
    buffers.release(large);
    expect((await second).bytes.length).to.equal(2000);
  });

  it("ends the waiting of all when it is closed", async () => {
    const buffers = new SharedBuffers(1, 100);
    await buffers.acquire(1);
    const waiting = buffers.acquire(1).catch((error) => error);
    buffers.close();
    expect(await waiting).to.include({ code: "cancelled" });
    expect(await buffers.acquire(1).catch((error) => error)).to.include({ code: "cancelled" });
  });
});

describe("worker tasks", function () {
  this.timeout(20_000);
  let temporary: TemporaryFolder;
  let entry: URL;

  before(() => {
    temporary = makeTemporaryFolder("workers");
    const path = join(temporary.path, "worker.ts");
    const messages = new URL("../../../client/reading/task-messages.ts", import.meta.url).href;
    writeFileSync(
      path,
      `import { serveTasks } from ${JSON.stringify(messages)};
       import { threadId } from "node:worker_threads";
       serveTasks((setup) => ({ handle: (task) => {
         if (task === "throw") throw new Error("no");
         if (task === "exit") process.exit(3);
         return { task, setup, threadId };
       }, end: () => {} }));`,
    );
    entry = pathToFileURL(path);
  });

  after(() => temporary.remove());

  it("are shared out to all workers, and pinned ones stay at one", async () => {
    const workers = new TaskWorkers<string, { task: string; setup: string; threadId: number }>(entry, "setup", 2);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => workers.run(`task ${index}`)));
    expect(answers.map(({ task }) => task)).to.deep.equal(Array.from({ length: 20 }, (_, index) => `task ${index}`));
    expect(new Set(answers.map(({ threadId }) => threadId)).size).to.equal(2);
    expect(answers[0]?.setup).to.equal("setup");
    const pinned = workers.pin();
    const same = await Promise.all(Array.from({ length: 5 }, () => pinned.run("x")));
    expect(new Set(same.map(({ threadId }) => threadId)).size).to.equal(1);
    await workers.close();
  });

  it("that throw fail alone; a worker that ends fails all of its tasks", async () => {
    const workers = new TaskWorkers<string, unknown>(entry, "setup", 1);
    expect(await workers.run("throw").catch((error) => error)).to.include({ code: "internal", message: "no" });
    expect(await workers.run("fine")).to.have.property("task", "fine");
    const outcomes = await Promise.allSettled([workers.run("exit"), workers.run("after")]);
    expect(outcomes.map(({ status }) => status)).to.deep.equal(["rejected", "rejected"]);
    expect(await workers.run("later").catch((error) => error)).to.include({ code: "internal" });
    await workers.close();
  });

  it("can run in the same thread", async () => {
    let isEnded = false;
    const local = new LocalTasks<number, number>({
      handle: (task) => task + 1,
      end: () => {
        isEnded = true;
      },
    });
    expect(await local.pin().run(1)).to.equal(2);
    await local.close();
    expect(isEnded).to.equal(true);
  });

  it("have entries beside the module that starts them", () => {
    expect(workerEntry("./worker", "file:///a/b.ts").href).to.equal("file:///a/worker.ts");
    expect(workerEntry("./worker", "file:///dist/b.js").href).to.equal("file:///dist/worker.js");
    expect(usualWorkerCount()).to.be.within(1, 4);
  });
});
