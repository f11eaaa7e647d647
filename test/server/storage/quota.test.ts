/** Quotas in front of real storages, and over HTTP: what is set aside, refused and given back. */
import { request } from "node:http";
import { expect } from "chai";
import { quotaLimits } from "../../../server/quota/limits.ts";
import { LocalQuotaLedger } from "../../../server/quota/local-ledger.ts";
import { MemoryRepositories } from "../../../server/storage/memory.ts";
import { QuotaStorage } from "../../../server/storage/quota.ts";
import type { Storage, UploadBody } from "../../../server/storage/storage.ts";
import { bodyOf, expectError, put } from "../../conformance/storage.ts";
import type { RequestSettings } from "../../support/http.ts";
import { type ServedApp, serveApp } from "../../support/served-app.ts";
import { sha256, type TestObject, testBytes, testObject } from "../../support/stored-files.ts";

const limitBytes = 300_000;

describe("QuotaStorage", () => {
  let inner: Storage;
  let ledger: LocalQuotaLedger;
  let storage: Storage;

  beforeEach(async () => {
    inner = new MemoryRepositories().at(["r"]);
    await inner.create();
    ledger = new LocalQuotaLedger(quotaLimits(limitBytes, []));
    storage = new QuotaStorage(inner, ["r"], ledger);
  });

  it("sets an announced length aside before anything comes, and gives it back when nothing does", async () => {
    const failure = new Error("gone");
    const body: UploadBody = {
      announcedBytes: 200_000,
      async *[Symbol.asyncIterator]() {
        expect(ledger.usedBytes).to.equal(200_000);
        yield new Uint8Array(1000);
        throw failure;
      },
    };
    expect(await storage.put(testObject("x", 10), body).catch((error: unknown) => error)).to.equal(failure);
    expect(ledger.usedBytes).to.equal(0);
  });

  it("does not read what is too large from the start", async () => {
    let isRead = false;
    const body: UploadBody = {
      announcedBytes: limitBytes + 1,
      async *[Symbol.asyncIterator]() {
        isRead = true;
        yield new Uint8Array(1);
      },
    };
    await expectError(storage.put(testObject("x", 10), body), "out-of-space");
    expect([isRead, ledger.usedBytes]).to.deep.equal([false, 0]);
  });

  it("uses the last byte, and not one more, of what comes without a length", async () => {
    const fitting = testObject("fits", limitBytes - 1);
    await put(storage, fitting);
    await put(storage, testObject("one", 1));
    expect(ledger.usedBytes).to.equal(limitBytes);
    await expectError(put(storage, testObject("more", 1)), "out-of-space");
    await expectError(inner.stat(testObject("more", 1)), "not-found");
    await storage.remove(fitting);
    expect(ledger.usedBytes).to.equal(1);
  });

  it("says of what is stored already that it is, also when there is no room", async () => {
    const object = testObject("x", limitBytes);
    await put(storage, object);
    await expectError(put(storage, object), "already-exists");
    const body: UploadBody = Object.assign(bodyOf(object.content), { announcedBytes: limitBytes });
    await expectError(storage.put(object, body), "already-exists");
    expect(ledger.usedBytes).to.equal(limitBytes);
  });

  it("gives a size back once, however often and at once a file is removed", async () => {
    const [kept, removed] = [testObject("kept", 1000), testObject("removed", 5000)];
    await put(storage, kept);
    await put(storage, removed);
    await Promise.all(Array.from({ length: 10 }, () => storage.remove(removed)));
    await storage.remove(removed);
    expect(ledger.usedBytes).to.equal(1000);
  });

  it("counts what could not be removed, and not what is gone although its removal failed", async () => {
    const object = testObject("x", 5000);
    await put(storage, object);
    const failure = new Error("disk");
    for (const removes of [false, true]) {
      const failing = Object.create(inner) as Storage;
      failing.stat = (handle) => inner.stat(handle);
      failing.remove = async (handle) => {
        if (removes) await inner.remove(handle);
        throw failure;
      };
      const result = await new QuotaStorage(failing, ["r"], ledger).remove(object).catch((error: unknown) => error);
      expect(result).to.equal(failure);
      expect(ledger.usedBytes).to.equal(removes ? 0 : 5000);
    }
  });

  it("counts the configuration, and lets it, locks and an index in when everything is full", async () => {
    await put(storage, testObject("full", limitBytes));
    await storage.put({ type: "config" }, bodyOf(new Uint8Array(155)));
    await put(storage, testObject("lock", 200, "locks"));
    await put(storage, testObject("index", 1000, "index"));
    await expectError(put(storage, testObject("key", 200, "keys")), "out-of-space");
    await expectError(put(storage, testObject("large lock", 16_777_216, "locks")), "out-of-space");
    expect(ledger.usedBytes).to.equal(limitBytes + 1355);
  });
});

describe("--max-size over HTTP", () => {
  let ledger: LocalQuotaLedger;
  let served: ServedApp;

  beforeEach(async () => {
    ledger = new LocalQuotaLedger(quotaLimits(limitBytes, []));
    served = await serveApp({ ledger });
    expect((await served.client.send("POST", "/r/?create=true")).status).to.equal(200);
  });

  afterEach(() => served.stop());

  async function upload(object: TestObject, settings: RequestSettings = {}): Promise<number> {
    const path = `/r/${object.type}/${object.id}`;
    return (await served.client.send("POST", path, { body: object.content, ...settings })).status;
  }

  const chunked = { headers: { "Transfer-Encoding": "chunked" } };

  it("X20: refuses with 507 what does not fit, with a length and without, and frees what is deleted", async () => {
    const [small, large] = [testObject("small", 100_000), testObject("large", 250_000)];
    expect(await upload(small)).to.equal(200);
    expect(await upload(large)).to.equal(507);
    expect(await upload(large, chunked)).to.equal(507);
    expect(ledger.usedBytes).to.equal(100_000);
    expect((await served.client.send("POST", "/r/config", { body: testBytes("config", 300) })).status).to.equal(200);
    expect((await served.client.send("DELETE", `/r/data/${small.id}`)).status).to.equal(200);
    expect(await upload(large)).to.equal(200);
    expect(ledger.usedBytes).to.equal(250_300);
  });

  it("1.10.1, 1.10.2: gives everything back that was refused, and refuses in the middle with 507", async () => {
    const object = testObject("object", 100_000);
    expect(await upload({ ...object, id: sha256("other") })).to.equal(400);
    expect(await upload(object)).to.equal(200);
    expect(await upload({ ...object, content: testBytes("other", 100_000) })).to.equal(403);
    expect(await upload(object)).to.equal(200);
    expect(await upload(testObject("far too large", 2_000_000), chunked)).to.equal(507);
    expect(ledger.usedBytes).to.equal(100_000);
    expect(await upload(testObject("rest", 200_000))).to.equal(200);
  });

  it("says 200 to a retry of what is stored already when all is full", async () => {
    const object = testObject("object", limitBytes);
    expect(await upload(object)).to.equal(200);
    expect(await upload(object)).to.equal(200);
    expect(await upload(testObject("one", 1))).to.equal(507);
  });

  for (const [what, settings] of [
    ["with a length", {}],
    ["in chunks", chunked],
  ] as const) {
    it(`lets only as many of parallel uploads ${what} in as there is room for`, async () => {
      const objects = Array.from({ length: 10 }, (_, i) => testObject(`parallel ${i}`, 90_000));
      const statuses = await Promise.all(objects.map((object) => upload(object, settings)));
      const stored = statuses.filter((status) => status === 200).length;
      expect(statuses.every((status) => status === 200 || status === 507)).to.equal(true);
      expect(stored).to.be.within(1, 3);
      if (what === "with a length") expect(stored).to.equal(3);
      expect(ledger.usedBytes).to.equal(stored * 90_000);
      const list = await served.client.send("GET", "/r/data/");
      expect(JSON.parse(list.text)).to.have.length(stored);
    });
  }

  it("gives back what a client that went away had announced", async () => {
    const object = testObject("object", 200_000);
    const outgoing = request({
      host: "127.0.0.1",
      port: served.port,
      method: "POST",
      path: `/r/data/${object.id}`,
      headers: { "Content-Length": "200000" },
    });
    outgoing.on("error", () => undefined);
    const closed = new Promise((resolve) => outgoing.once("close", resolve));
    outgoing.write(object.content.subarray(0, 100_000));
    while (ledger.usedBytes === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(ledger.usedBytes).to.equal(200_000);
    expect(await upload(testObject("meanwhile", 150_000))).to.equal(507);
    outgoing.destroy();
    await closed;
    while (ledger.usedBytes > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await upload(testObject("meanwhile", 150_000))).to.equal(200);
  });

  it("counts two uploads of one object once", async () => {
    const object = testObject("twice", 100_000);
    expect(await Promise.all([upload(object), upload(object), upload(object)])).to.deep.equal([200, 200, 200]);
    expect(ledger.usedBytes).to.equal(100_000);
  });
});
