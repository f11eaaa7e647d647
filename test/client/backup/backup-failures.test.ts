import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { type Fault, FaultyBackend, type OperationCall } from "../../../client/backends/faults.ts";
import { MemoryBackend } from "../../../client/backends/memory.ts";
import { CofferError } from "../../../shared/errors.ts";
import { parseIndex } from "../../../shared/format/index-file.ts";
import { RandomBytes } from "../../support/sample-data.ts";
import { BackupFixture } from "./backup-fixture.ts";

const mebibyte = 1024 * 1024;

describe("client/backup when something fails", function () {
  this.timeout(60_000);
  let fixture: BackupFixture;
  const unhandled: unknown[] = [];
  const remember = (reason: unknown): void => {
    unhandled.push(reason);
  };

  beforeEach(() => {
    fixture = new BackupFixture();
    unhandled.length = 0;
    process.on("unhandledRejection", remember);
  });

  afterEach(async () => {
    // Rejections that nobody handles are told a turn later.
    await delay(20);
    process.off("unhandledRejection", remember);
    fixture.remove();
    expect(unhandled).to.deep.equal([]);
  });

  function fail(decide: (call: OperationCall) => Fault | undefined): MemoryBackend {
    const inner = new MemoryBackend();
    fixture.backend = new FaultyBackend(inner, decide);
    return inner;
  }

  function writeSource(): void {
    fixture.write("large", new RandomBytes("large").next(30 * mebibyte));
    for (let number = 0; number < 500; number++) fixture.write(`many/${number}`, `file ${number}`);
  }

  async function failureOf(run: Promise<unknown>): Promise<unknown> {
    return run.then(
      () => expect.fail("the backup expected to fail, it did not"),
      (error: unknown) => error,
    );
  }

  /** Packs of which an index says that they are stored, and the packs that are. */
  async function indexedAndStored(backend: MemoryBackend): Promise<{ indexed: string[]; stored: string[] }> {
    fixture.backend = backend;
    const repository = fixture.open();
    const indexed: string[] = [];
    for (const id of await repository.listIds("index")) {
      for (const pack of parseIndex(await repository.loadDocument("index", id)).packs) indexed.push(pack.id);
    }
    return { indexed: indexed.sort(), stored: (await repository.listIds("data")).sort() };
  }

  it("ends with the upload's error, indexes what is stored, and writes no snapshot", async () => {
    const refused = new CofferError("out-of-space", "the server has no room left");
    const inner = fail(({ name, type, index }) =>
      name === "save" && type === "data" && index >= 2 ? { before: refused } : undefined,
    );
    writeSource();
    expect(await failureOf(fixture.save({ packSizeBytes: 4 * mebibyte, readConcurrency: 2 }))).to.equal(refused);
    expect(await inner.list("snapshots")).to.deep.equal([]);
    const { indexed, stored } = await indexedAndStored(inner);
    expect(stored.length).to.be.greaterThan(0);
    expect(indexed).to.deep.equal(stored);

    // What is indexed is not stored again.
    const again = await fixture.save({ packSizeBytes: 4 * mebibyte, readConcurrency: 2 });
    expect(again.result.summary.dataAdded).to.be.lessThan(30 * mebibyte - 4 * mebibyte);
    expect((await fixture.nodesOf(again.result.tree)).get("/large")?.sizeBytes).to.equal(30 * mebibyte);
  });

  it("does not index a pack whose upload lost its answer", async () => {
    const lost = new CofferError("unavailable", "the answer was lost");
    const inner = fail(({ name, type, index }) =>
      name === "save" && type === "data" && index === 1 ? { after: lost } : undefined,
    );
    writeSource();
    expect(await failureOf(fixture.save({ packSizeBytes: 4 * mebibyte, readConcurrency: 2 }))).to.equal(lost);
    const { indexed, stored } = await indexedAndStored(inner);
    expect(stored).to.include.members(indexed);
    expect(stored.length).to.be.greaterThan(indexed.length);
  });

  it("ends when the index or the snapshot cannot be stored", async () => {
    for (const type of ["index", "snapshots"]) {
      const refused = new CofferError("forbidden", `no ${type} today`);
      const inner = fail((call) => (call.name === "save" && call.type === type ? { before: refused } : undefined));
      fixture.write("f", "x");
      expect(await failureOf(fixture.save())).to.equal(refused);
      expect(await inner.list("snapshots")).to.deep.equal([]);
    }
  });

  it("stops at a raised signal, indexes what is stored, and writes no snapshot", async () => {
    const controller = new AbortController();
    const inner = fail(({ name, type, index }) => {
      if (name === "save" && type === "data" && index === 3) controller.abort();
      return undefined;
    });
    writeSource();
    const run = fixture.save({ packSizeBytes: 4 * mebibyte, readConcurrency: 2 }, { signal: controller.signal });
    expect(await failureOf(run)).to.include({ code: "cancelled" });
    expect(await inner.list("snapshots")).to.deep.equal([]);
    const { indexed, stored } = await indexedAndStored(inner);
    expect(indexed).to.deep.equal(stored);
  });

  it("does nothing when the signal is raised from the start", async () => {
    fixture.write("f", "x");
    const signal = AbortSignal.abort();
    expect(await failureOf(fixture.save({}, { signal }))).to.include({ code: "cancelled" });
    expect((fixture.backend as MemoryBackend).files.size).to.equal(0);
  });

  it("writes nothing more, not even an index, when the lock is lost", async () => {
    const controller = new AbortController();
    const lost = new CofferError("lock-lost", "the lock could not be refreshed");
    const inner = fail(({ name, type, index }) => {
      if (name === "save" && type === "data" && index === 2) controller.abort(lost);
      return undefined;
    });
    writeSource();
    const run = fixture.save({ packSizeBytes: 4 * mebibyte, readConcurrency: 2 }, { signal: controller.signal });
    expect(await failureOf(run)).to.equal(lost);
    expect(await inner.list("index")).to.deep.equal([]);
    expect(await inner.list("snapshots")).to.deep.equal([]);
  });

  it("stores nothing before the lock is confirmed", async () => {
    writeSource();
    let confirm: () => void = () => undefined;
    const confirmed = new Promise<void>((resolve) => {
      confirm = resolve;
    });
    const run = fixture.save({ lock: { confirmed } });
    await delay(1500);
    expect((fixture.backend as MemoryBackend).files.size).to.equal(0);
    confirm();
    expect((await run).result.snapshotId).to.be.a("string");
  });

  it("ends when the lock is refused", async () => {
    writeSource();
    const refused = new CofferError("locked", "somebody else has it");
    const confirmed = delay(300).then(() => Promise.reject(refused));
    expect(await failureOf(fixture.save({ lock: { confirmed } }))).to.equal(refused);
    expect((fixture.backend as MemoryBackend).files.size).to.equal(0);
  });

  it("waits for slow uploads, without reading on", async () => {
    let running = 0;
    let most = 0;
    const inner = new MemoryBackend();
    const save = inner.save.bind(inner);
    inner.save = async (handle, body, signal) => {
      running++;
      most = Math.max(most, running);
      await delay(60);
      running--;
      return save(handle, body, signal);
    };
    fixture.backend = inner;
    writeSource();
    const { result } = await fixture.save({ packSizeBytes: 4 * mebibyte, readConcurrency: 2 });
    expect(result.failedItems).to.equal(0);
    // Five buffers for data, two for trees.
    expect(most).to.be.within(2, 7);
    const node = (await fixture.nodesOf(result.tree)).get("/large");
    expect((await fixture.contentOf(node)).equals(new RandomBytes("large").next(30 * mebibyte))).to.equal(true);
  });

  it("counts a file that cannot be read, and saves the others", async () => {
    fixture.write("f", "x");
    // The memory of a process is a regular file of size 0, and reading its beginning fails.
    const { result, told } = await fixture.save({ targets: [Buffer.from("f"), Buffer.from("/proc/self/mem")] });
    expect(told.failures).to.deep.equal(["archival: read /proc/self/mem: input/output error"]);
    expect(result.failedItems).to.equal(1);
    expect((await fixture.nodesOf(result.tree)).get("/f")?.sizeBytes).to.equal(1);
  });

  it("reads files whose size the system does not tell", async () => {
    const { result } = await fixture.save({ targets: [Buffer.from("/proc/version")] });
    const node = (await fixture.nodesOf(result.tree)).get("/proc/version");
    expect((await fixture.contentOf(node)).toString()).to.match(/^Linux version /);
  });
});
