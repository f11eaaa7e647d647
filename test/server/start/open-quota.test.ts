/** Quotas on a bucket: counted at the start, kept while the server stores, counted again for what other servers do. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { PolicyFile } from "../../../server/policy/policy-file.ts";
import type { LocalQuotaLedger } from "../../../server/quota/local-ledger.ts";
import { recountIntervalMs } from "../../../server/quota/regular-recount.ts";
import { openQuota } from "../../../server/start/open-quota.ts";
import { assembleStorage } from "../../../server/storage/assemble.ts";
import { type OpenedStorage, openStorage } from "../../../server/storage/open-storage.ts";
import { expectError } from "../../conformance/storage.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { FakeS3, type SeenRequest } from "../../support/fake-s3.ts";
import { type ServedApp, serveApp } from "../../support/served-app.ts";
import { type TestObject, testObject } from "../../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";

const maximumBytes = 100_000;

interface CountingServer {
  readonly ledger: LocalQuotaLedger;
  readonly served: ServedApp;
  readonly log: readonly string[];
}

describe("quotas on a bucket", () => {
  let store: FakeS3;
  let folder: TemporaryFolder;
  let clock: FakeClock;
  const closers: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    store = await FakeS3.start({ pageObjects: 2 });
    folder = makeTemporaryFolder("open-quota");
    clock = new FakeClock();
  });

  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
    await store.stop();
    folder.remove();
  });

  function place(key: string, sizeBytes: number): void {
    store.objects.set(key, { content: Buffer.alloc(sizeBytes), entityTag: '"x"', version: "v" });
  }

  async function open(): Promise<OpenedStorage> {
    const choice = { dataFolder: folder.path, location: `${store.location}/team` };
    const storage = await openStorage(choice, store.environment, () => undefined);
    closers.unshift(() => storage.close());
    return storage;
  }

  async function start(
    limits: { maximumBytes?: number } = { maximumBytes },
    policy?: PolicyFile,
  ): Promise<CountingServer> {
    const storage = await open();
    const log: string[] = [];
    const report = (line: string): void => void log.push(line);
    const every = (intervalMs: number, callback: () => void): void => void clock.every(intervalMs, callback);
    const after = (delayMs: number, callback: () => void): void => void clock.pause(delayMs).then(callback);
    const ledger = await openQuota(limits, policy, storage, { announce: report, log: report, every, after });
    if (ledger === undefined) throw new Error("nothing is counted");
    const served = await serveApp({ repositories: assembleStorage(storage.repositories, { ledger }) });
    closers.unshift(() => served.stop());
    return { ledger, served, log };
  }

  async function upload({ served }: CountingServer, object: TestObject): Promise<number> {
    return (await served.client.send("POST", `/r/data/${object.id}`, { body: object.content })).status;
  }

  async function remove({ served }: CountingServer, object: TestObject): Promise<number> {
    return (await served.client.send("DELETE", `/r/data/${object.id}`)).status;
  }

  /** The first page of a list of everything. */
  function isCount({ query }: SeenRequest): boolean {
    return query.get("prefix") === "team/" && !query.has("continuation-token");
  }

  function countsSeen(): number {
    return store.requests.filter(isCount).length;
  }

  /** A recount goes over the network: it has ended when the condition holds. */
  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  it("begin with what several repositories hold, and with what belongs to none", async () => {
    place("team/a/data/00/x", 10_000);
    place("team/a/config", 155);
    place("team/b/c/keys/k", 20_000);
    place("team/notes", 5_000);
    place("elsewhere/data/00/x", 99_000);
    const server = await start();
    expect(server.ledger.usedBytes).to.equal(35_155);
    expect([server.ledger.usedBy("a"), server.ledger.usedBy("b/c")]).to.deep.equal([10_155, 20_000]);
    expect(server.log[0]).to.equal("Initializing quota (can take a while)...");
    expect(server.log[1]).to.match(/^Quota initialized, currently using 0\.00 GiB$/);
  });

  it("refuse with 507 what does not fit, and give back what is deleted", async () => {
    place("team/a/data/00/x", 40_000);
    const server = await start();
    const [first, second] = [testObject("first", 50_000), testObject("second", 20_000)];
    expect(await upload(server, first)).to.equal(200);
    expect(await upload(server, second)).to.equal(507);
    expect(await remove(server, first)).to.equal(200);
    expect(await upload(server, second)).to.equal(200);
    expect(server.ledger.usedBytes).to.equal(60_000);
  });

  it("of a policy hold by repository", async () => {
    place("team/r/data/00/x", 40_000);
    const path = join(folder.path, "policy.yaml");
    writeFileSync(path, 'rules: []\nquotas: [{repositories: "**", per-repository: 50000}]\n');
    const server = await start({}, await PolicyFile.open(path, () => undefined));
    expect(await upload(server, testObject("large", 10_001))).to.equal(507);
    expect(await upload(server, testObject("fits", 10_000))).to.equal(200);
  });

  it("see what another server has stored and removed after an hour", async () => {
    const [one, two] = [await start(), await start()];
    const [first, second] = [testObject("first", 60_000), testObject("second", 50_000)];
    expect(await upload(one, first)).to.equal(200);
    expect(two.ledger.usedBytes).to.equal(0);
    await clock.advance(recountIntervalMs);
    await until(() => two.ledger.usedBytes === 60_000);
    expect(await upload(two, second)).to.equal(507);
    await remove(two, first);
    expect(await upload(two, second)).to.equal(200);
    expect(one.ledger.usedBytes).to.equal(60_000);
    await clock.advance(recountIntervalMs);
    await until(() => one.ledger.usedBytes === 50_000);
    expect([...one.log, ...two.log].filter((line) => line.startsWith("error"))).to.deep.equal([]);
  });

  it("that cannot be counted at the start are an error that says what to do", async () => {
    const storage = await open();
    store.inject("denied", 1, isCount);
    const opening = openQuota({ maximumBytes }, undefined, storage, {
      announce: () => undefined,
      log: () => undefined,
    });
    const error = await expectError(opening, "unavailable");
    expect(error.message).to.match(
      /^quotas expected to count what is stored, and it cannot be listed: cannot list "team\/"/,
    );
    expect(error.message).to.match(
      /AccessDenied.*; let the key list everything below the prefix, or leave out --max-size/,
    );
  });

  it("go on with the old counts when they cannot be counted again, and say so", async () => {
    place("team/a/data/00/x", 40_000);
    place("team/a/data/00/y", 10_000);
    place("team/a/data/00/z", 10_000);
    const server = await start();
    place("team/a/data/00/foreign", 20_000);
    store.inject("denied", 1, ({ query }) => query.has("continuation-token"));
    await clock.advance(recountIntervalMs);
    await until(() => server.log.length === 3);
    expect(server.log[2]).to.match(/^error: cannot count again what is stored: .*AccessDenied.*; quotas go on with/);
    expect(server.ledger.usedBytes).to.equal(60_000);
    await clock.advance(recountIntervalMs);
    await until(() => server.ledger.usedBytes === 80_000);
  });

  it("are never counted twice at the same time", async () => {
    const server = await start();
    place("team/a/data/00/x", 1);
    store.inject("hang", 1, isCount);
    const before = countsSeen();
    await clock.advance(recountIntervalMs);
    await until(() => countsSeen() === before + 1);
    await clock.advance(3 * recountIntervalMs);
    expect(countsSeen()).to.equal(before + 1);
    expect(server.ledger.usedBytes).to.equal(0);
  });

  it("that a policy gets later are counted then, and not before", async () => {
    place("team/r/data/00/x", 40_000);
    const path = join(folder.path, "policy.yaml");
    writeFileSync(path, "rules: []\n");
    const policy = await PolicyFile.open(path, () => undefined);
    const server = await start({}, policy);
    await clock.advance(recountIntervalMs);
    expect(countsSeen()).to.equal(0);
    writeFileSync(path, "rules: []\nquotas: [{repositories: r, per-repository: 50000}]\n");
    await policy.reload();
    await until(() => server.ledger.usedBy("r") === 40_000);
    await policy.reload();
    expect(countsSeen()).to.equal(1);
    expect(await upload(server, testObject("large", 10_001))).to.equal(507);
    expect(server.log).to.deep.equal([
      "The policy has quotas now: counting what is stored (can take a while)...",
      "Counted what is stored, currently using 0.00 GiB",
    ]);
  });

  it("that a policy gets later and that cannot be counted are counted again soon, and said not to hold", async () => {
    place("team/r/data/00/x", 40_000);
    const path = join(folder.path, "policy.yaml");
    writeFileSync(path, "rules: []\n");
    const policy = await PolicyFile.open(path, () => undefined);
    const server = await start({}, policy);
    store.inject("denied", 3, isCount);
    writeFileSync(path, "rules: []\nquotas: [{repositories: r, per-repository: 50000}]\n");
    await policy.reload();
    for (const [failures, pauseMs] of [60_000, 120_000, 240_000].entries()) {
      await until(() => server.log.length === failures + 2);
      expect(server.log[failures + 1]).to.match(
        /^error: cannot count what is stored: .*AccessDenied.*; limits do not hold yet, as what was stored before counts as nothing/,
      );
      await clock.advance(pauseMs - 1);
      expect(countsSeen()).to.equal(failures + 1);
      await clock.advance(1);
    }
    await until(() => server.ledger.usedBy("r") === 40_000);
    await until(() => server.log.length === 5);
    expect(server.log[4]).to.match(/^Counted what is stored/);
    expect(await upload(server, testObject("large", 10_001))).to.equal(507);
    await clock.advance(recountIntervalMs - 480_000);
    expect(countsSeen()).to.equal(4);
    store.inject("denied", 1, isCount);
    await clock.advance(60_000);
    await until(() => server.log.length === 6);
    expect(server.log[5]).to.match(/^error: cannot count again .*; quotas go on with what was counted before/);
  });

  it("are not counted where nothing limits anything", async () => {
    const storage = await open();
    expect(await openQuota({}, undefined, storage, { announce: () => undefined, log: () => undefined })).to.equal(
      undefined,
    );
    expect(countsSeen()).to.equal(0);
  });
});
