/** What the storage on S3 does while its store is in trouble. */
import { createHash } from "node:crypto";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import type { S3Limits } from "../../../../server/storage/s3/open-s3.ts";
import { failureOf } from "../../../../server/storage/s3/store-error.ts";
import type { Storage } from "../../../../server/storage/storage.ts";
import { VerifiedStorage } from "../../../../server/storage/verified.ts";
import { bodyOf, expectError, listAll, put, readAll } from "../../../conformance/storage.ts";
import type { FakeS3Settings, SeenRequest } from "../../../support/fake-s3.ts";
import { openScene, promptRetries, type S3Scene } from "../../../support/s3-storage.ts";
import { testObject } from "../../../support/stored-files.ts";

const object = testObject("troubled", 1_000_000);
const small = testObject("small", 3_000, "locks");
const isPut = ({ method, key }: SeenRequest): boolean => method === "PUT" && !key.endsWith("/");
const isGet = ({ method }: SeenRequest): boolean => method === "GET";
const isHead = ({ method }: SeenRequest): boolean => method === "HEAD";
const isDelete = ({ method }: SeenRequest): boolean => method === "DELETE";
const shortTimes: S3Limits = { deadlineMs: 2_000, stallMs: 1_000 };
const shortTrial: S3Limits = { deadlineMs: 2_000, retries: { ...promptRetries, attempts: 2 } };

describe("a store in trouble", () => {
  let scene: S3Scene;
  let storage: Storage;

  async function open(settings: FakeS3Settings = {}, limits: S3Limits = {}): Promise<void> {
    scene = await openScene(settings, limits);
    storage = scene.opened.repositories.at(["repository"]);
  }

  afterEach(async () => {
    expect(readdirSync(scene.spoolFolder.path)).to.deep.equal([]);
    await scene.close();
  });

  describe("uploads", () => {
    for (const [fault, times] of [
      ["busy", 3],
      ["reset", 3],
      ["flipped", 3],
      ["conflict", 3],
      // The next attempt finds the object there already, and that it is this upload's own work.
      ["lost-answer", 1],
    ] as const) {
      for (const each of [object, small]) {
        it(`of ${each.content.length} bytes succeed in spite of: ${fault}`, async () => {
          await open();
          scene.store.inject(fault, times, isPut);
          await put(storage, each);
          expect(scene.store.pendingFaults).to.equal(0);
          expect((await readAll(storage, each)).equals(each.content)).to.equal(true);
        });
      }
    }

    it("succeed in spite of lost answers without conditional put, too", async () => {
      await open({ conditionalPut: "refused" });
      scene.store.inject("lost-answer", 2, isPut);
      await put(storage, object);
      expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
    });

    it("of a configuration succeed in spite of a lost answer, but never replace another one", async () => {
      await open();
      await storage.create();
      scene.store.inject("lost-answer", 1, isPut);
      await storage.put({ type: "config" }, bodyOf(Buffer.from("first")));
      scene.store.inject("reset", 1, isPut);
      await expectError(storage.put({ type: "config" }, bodyOf(Buffer.from("other"))), "already-exists");
      expect((await readAll(storage, { type: "config" })).toString()).to.equal("first");
    });

    it("fail when the store never answers, and the object can be stored later", async () => {
      await open({}, shortTrial);
      scene.store.inject("hang", 2, isPut);
      const error = await expectError(put(storage, object), "unavailable");
      expect(error.message).to.match(/deadline.*tried 2 times/);
      await put(storage, object);
    });

    it("fail when the store stays busy, after a limited number of attempts", async () => {
      await open();
      scene.store.inject("busy", 1_000, isPut);
      await expectError(put(storage, object), "unavailable");
      const attempts = scene.store.requests.filter(({ method, key }) => method === "PUT" && key.endsWith(object.id));
      expect(attempts).to.have.length(6);
      await expectError(storage.stat(object), "not-found");
    });

    it("say that there is no room, at once", async () => {
      await open();
      scene.store.inject("quota", 1, isPut);
      await expectError(put(storage, object), "out-of-space");
      await put(storage, object);
    });

    it("are refused when content does not hash to its name, even if nobody looked before", async () => {
      await open();
      await expectError(storage.put(object, bodyOf(small.content)), "hash-mismatch");
      await expectError(storage.stat(object), "not-found");
    });

    it("of one object at two servers end with one whole object and no error", async () => {
      await open();
      const verified = new VerifiedStorage(storage);
      const other = new VerifiedStorage(scene.opened.repositories.at(["repository"]));
      await Promise.all([put(verified, object), put(other, object), put(verified, object)]);
      expect(await listAll(storage, "data")).to.deep.equal([{ id: object.id, sizeBytes: object.content.length }]);
    });

    it("need room for what is not whole yet, and say so", async () => {
      await open();
      const { path } = scene.spoolFolder;
      rmSync(path, { recursive: true });
      writeFileSync(path, "in the way");
      const error = await expectError(put(storage, object), "unavailable");
      expect(error.message).to.match(/cannot keep an upload in/);
      await put(storage, small);
      rmSync(path);
      await put(storage, object);
    });
  });

  describe("downloads", () => {
    for (const fault of ["busy", "reset", "cut"] as const) {
      for (const each of [object, small]) {
        it(`of ${each.content.length} bytes are whole in spite of: ${fault}`, async () => {
          await open();
          await put(storage, each);
          scene.store.inject(fault, 3, isGet);
          expect((await readAll(storage, each)).equals(each.content)).to.equal(true);
          expect(scene.store.pendingFaults).to.equal(0);
        });
      }

      it(`of a range are exact in spite of: ${fault}`, async () => {
        await open();
        await put(storage, object);
        scene.store.inject(fault, 3, isGet);
        const part = await readAll(storage, object, { firstByte: 1_234, lastByte: 700_001 });
        expect(part.equals(object.content.subarray(1_234, 700_002))).to.equal(true);
      });
    }

    it("of a range never take a short body for the whole", async () => {
      await open();
      await put(storage, object);
      scene.store.inject("short", 2, isGet);
      const part = await readAll(storage, object, { firstByte: 10, lastByte: 900_009 });
      expect(part.equals(object.content.subarray(10, 900_010))).to.equal(true);
      expect(scene.store.pendingFaults).to.equal(0);
    });

    it("go on when nothing comes any more", async () => {
      await open({}, shortTimes);
      await put(storage, object);
      scene.store.inject("stall", 2, isGet);
      expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
      expect(scene.store.pendingFaults).to.equal(0);
    });

    it("ask only for what is missing, of the same version", async () => {
      await open();
      await put(storage, object);
      scene.store.inject("cut", 1, isGet);
      await readAll(storage, object);
      const isOfObject = ({ method, key }: SeenRequest): boolean => method === "GET" && key.endsWith(object.id);
      const [first, second] = scene.store.requests.filter(isOfObject);
      expect(first?.headers.range).to.equal(undefined);
      expect(second?.headers.range).to.match(/^bytes=[1-9]\d*-999999$/);
      const tag = createHash("md5").update(object.content).digest("hex");
      expect(second?.headers["if-match"]).to.equal(`"${tag}"`);
    });

    it("end with an error when the object was replaced meanwhile", async () => {
      await open();
      await put(storage, object);
      scene.store.inject("cut", 1, isGet);
      scene.store.inject("replaced", 1, isGet);
      await expectError(readAll(storage, object), "unavailable");
    });

    it("are not resumed without an entity tag", async () => {
      await open({ sendsEntityTags: false });
      await put(storage, object);
      expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
      scene.store.inject("cut", 1, isGet);
      await expectError(readAll(storage, object), "unavailable");
    });

    it("end with an error when the store never answers", async () => {
      await open({}, shortTrial);
      await put(storage, object);
      scene.store.inject("hang", 2, isGet);
      await expectError(storage.read(object), "unavailable");
    });

    it("keep their connection", async () => {
      await open();
      await put(storage, small);
      const before = scene.store.connections;
      for (let i = 0; i < 200; i++) await readAll(storage, small);
      for (let i = 0; i < 200; i++) await storage.stat(small);
      for (let i = 0; i < 50; i++) await expectError(storage.read(testObject(`absent ${i}`, 1)), "not-found");
      expect(scene.store.connections - before).to.be.at.most(2);
    });

    it("that wait for slow clients do not keep small files waiting", async () => {
      await open();
      await put(storage, object);
      await put(storage, small);
      const slow = await Promise.all(Array.from({ length: 64 }, () => storage.read(object)));
      expect((await readAll(storage, small)).equals(small.content)).to.equal(true);
      expect(await storage.stat(object)).to.equal(object.content.length);
      for (const content of slow) await content.close();
      expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
    });
  });

  describe("everything else", () => {
    for (const fault of ["busy", "reset"] as const) {
      it(`succeeds in spite of: ${fault}`, async () => {
        await open();
        await put(storage, small);
        for (const filter of [isHead, isDelete, isGet]) scene.store.inject(fault, 2, filter);
        expect(await storage.stat(small)).to.equal(3_000);
        expect(await listAll(storage, "locks")).to.have.length(1);
        await storage.remove(small);
        await expectError(storage.stat(small), "not-found");
        expect(scene.store.pendingFaults).to.equal(0);
      });
    }

    it("lists whole pages only", async () => {
      await open({ pageObjects: 5 });
      const objects = Array.from({ length: 23 }, (_, i) => testObject(`page ${i}`, i, "keys"));
      await Promise.all(objects.map((each) => put(storage, each)));
      scene.store.inject("cut", 3, isGet);
      expect(await listAll(storage, "keys")).to.have.length(23);
      scene.store.inject("portal", 1, isGet);
      expect(await listAll(storage, "keys")).to.have.length(23);
      expect(scene.store.pendingFaults).to.equal(0);
    });

    it("does not take a missing bucket for a missing object", async () => {
      await open();
      scene.store.inject("no-bucket", 10, ({ method }) => method !== "HEAD");
      await expectError(storage.read(object), "unavailable");
      await expectError(listAll(storage, "data"), "unavailable");
      await expectError(put(storage, object), "unavailable");
    });

    it("says what the store said, and never repeats what is refused", async () => {
      await open();
      scene.store.inject("denied", 1, isPut);
      const error = await expectError(put(storage, object), "unavailable");
      expect(error.message).to.match(
        /^cannot store <data\/[0-9a-f]{10}>: the storage answered 403 \(AccessDenied: no\)/,
      );
      expect(failureOf(error)).to.include({ status: 403, storeCode: "AccessDenied", isTransient: false });
    });

    it("is ready only while the bucket can be reached", async () => {
      await open();
      await scene.opened.readiness();
      for (const fault of ["busy", "denied", "reset", "no-bucket"] as const) {
        scene.store.inject(fault, 1, isHead);
        await expectError(scene.opened.readiness(), "unavailable");
      }
      await scene.opened.readiness();
    });

    it("knows empty places and repositories that are not in lists yet", async () => {
      await open({ listsLag: true });
      await storage.create();
      const other = scene.opened.repositories.at(["other"]);
      expect(await listAll(storage, "keys")).to.deep.equal([]);
      await storage.put({ type: "config" }, bodyOf(Buffer.from("config")));
      await expectError(listAll(other, "keys"), "not-found");
      await expectError(other.put({ type: "config" }, bodyOf(Buffer.from("config"))), "not-found");
    });
  });
});
