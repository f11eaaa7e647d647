/** The wrappers, over memory and over the disk: the suite of the port, and what each of them adds. */
import { expect } from "chai";
import { policyOfFlags } from "../../../server/policy/flags-policy.ts";
import { accessTo } from "../../../server/policy/policy.ts";
import { quotaLimits } from "../../../server/quota/limits.ts";
import { LocalQuotaLedger } from "../../../server/quota/local-ledger.ts";
import { assembleStorage } from "../../../server/storage/assemble.ts";
import { DiskRepositories } from "../../../server/storage/disk/disk-storage.ts";
import { GuardedStorage } from "../../../server/storage/guarded.ts";
import { MemoryRepositories } from "../../../server/storage/memory.ts";
import { QuotaStorage } from "../../../server/storage/quota.ts";
import type { Repositories, Storage } from "../../../server/storage/storage.ts";
import { UnverifiedStorage } from "../../../server/storage/unverified.ts";
import { VerifiedStorage } from "../../../server/storage/verified.ts";
import { StorageWrapper } from "../../../server/storage/wrapper.ts";
import { type FileHandle, fileTypes } from "../../../shared/format/layout.ts";
import { bodyOf, describeStorage, expectError, listAll, put, readAll } from "../../conformance/storage.ts";
import { testBytes, testObject } from "../../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";

function wrapping(repositories: Repositories, wrap: (storage: Storage) => Storage): Repositories {
  return { at: (folders) => wrap(repositories.at(folders)) };
}

function guarded(repositories: Repositories, appendOnly: boolean): Repositories {
  const policy = policyOfFlags({ appendOnly, privateRepositories: false });
  return { at: (folders) => new GuardedStorage(repositories.at(folders), accessTo(policy, { user: "", folders })) };
}

describeStorage("GuardedStorage with all rights over memory", {
  open: async () => guarded(new MemoryRepositories(), false),
});

describeStorage("GuardedStorage without deletion over memory", {
  open: async () => guarded(new MemoryRepositories(), true),
  removesOnlyLocks: true,
});

describeStorage("QuotaStorage over memory", {
  open: async () => {
    const repositories = new MemoryRepositories();
    const ledger = new LocalQuotaLedger(quotaLimits(1e9, []));
    return { at: (folders) => new QuotaStorage(repositories.at(folders), folders, ledger) };
  },
});

describeStorage("VerifiedStorage over memory", {
  open: async () => wrapping(new MemoryRepositories(), (storage) => new VerifiedStorage(storage)),
  acceptsSameContent: true,
});

describeStorage("UnverifiedStorage over memory", {
  open: async () => wrapping(new MemoryRepositories(), (storage) => new UnverifiedStorage(storage)),
  acceptsSameContent: true,
  repeatsOvertaken: true,
});

let folder: TemporaryFolder;

describeStorage("all wrappers over the disk", {
  open: async () => {
    folder = makeTemporaryFolder("wrappers");
    const ledger = new LocalQuotaLedger(quotaLimits(1e9, []));
    return guarded(assembleStorage(new DiskRepositories(folder.path), { ledger }), true);
  },
  close: async () => folder.remove(),
  acceptsSameContent: true,
  removesOnlyLocks: true,
});

describeStorage("all wrappers over the disk, without verification", {
  open: async () => {
    folder = makeTemporaryFolder("wrappers");
    return guarded(assembleStorage(new DiskRepositories(folder.path), { verifyUploads: false }), true);
  },
  close: async () => folder.remove(),
  repeatsOvertaken: true,
  acceptsSameContent: true,
  removesOnlyLocks: true,
});

describe("UnverifiedStorage", () => {
  const object = testObject("name", 300_000);
  const junk = testBytes("junk", 300_000);
  let inner: Storage;
  let storage: Storage;

  beforeEach(async () => {
    inner = new MemoryRepositories().at([]);
    storage = new UnverifiedStorage(inner);
    await storage.create();
  });

  it("stores what does not hash to its name, and accepts exactly that again, however it is cut", async () => {
    await storage.put(object, bodyOf(junk));
    for (const pieceBytes of [1_000_000, 65_536, 70_001]) await storage.put(object, bodyOf(junk, pieceBytes));
    const oneBitOff = junk.slice();
    oneBitOff[299_999]! ^= 1;
    for (const content of [object.content, oneBitOff, junk.subarray(1), junk.subarray(0, 299_999), new Uint8Array()])
      await expectError(storage.put(object, bodyOf(content)), "already-exists");
    await expectError(storage.put(object, bodyOf(Buffer.concat([junk, junk]))), "already-exists");
    expect((await readAll(storage, object)).equals(junk)).to.equal(true);
  });

  it("asks for another try when another upload of the name is faster", async () => {
    async function* overtaken(): AsyncIterable<Uint8Array> {
      yield junk.slice(0, 1000);
      await inner.put(object, bodyOf(object.content));
      yield junk.slice(1000);
    }
    await expectError(storage.put(object, overtaken()), "unavailable");
    expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
    await storage.put(object, bodyOf(object.content));
    await expectError(storage.put(object, bodyOf(junk)), "already-exists");
  });

  it("compares also over a storage that reads before it refuses", async () => {
    await inner.put(object, bodyOf(junk));
    class ReadsFirst extends StorageWrapper {
      override async put(handle: FileHandle, body: AsyncIterable<Uint8Array>): Promise<void> {
        const chunks: Uint8Array[] = [];
        for await (const chunk of body) chunks.push(chunk);
        await this.inner.put(handle, bodyOf(Buffer.concat(chunks)));
      }
    }
    const wrapped = new UnverifiedStorage(new ReadsFirst(inner));
    await wrapped.put(object, bodyOf(junk));
    await expectError(wrapped.put(object, bodyOf(object.content)), "already-exists");
  });
});

describe("VerifiedStorage", () => {
  let inner: Storage;
  let storage: Storage;

  beforeEach(async () => {
    inner = new MemoryRepositories().at([]);
    storage = new VerifiedStorage(inner);
    await storage.create();
  });

  for (const type of fileTypes) {
    it(`refuses ${type} whose content is not what the name says`, async () => {
      const object = testObject("right", 100_000, type);
      for (const content of [testBytes("wrong", 100_000), object.content.subarray(1), new Uint8Array()]) {
        await expectError(storage.put(object, bodyOf(content)), "hash-mismatch");
      }
      const oneBitOff = object.content.slice();
      oneBitOff[99_999]! ^= 1;
      await expectError(storage.put(object, bodyOf(oneBitOff)), "hash-mismatch");
      expect(await listAll(storage, type)).to.deep.equal([]);
    });
  }

  it("does not say that an upload is stored when what is stored is damaged", async () => {
    const object = testObject("damaged", 50_000);
    await inner.put(object, bodyOf(testBytes("bit rot", 50_000)));
    await expectError(put(storage, object), "already-exists");
    expect((await readAll(storage, object)).equals(object.content)).to.equal(false);
  });

  it("passes on why the same content could not be received again", async () => {
    const object = testObject("gone", 500_000);
    await put(storage, object);
    const failure = new Error("line cut");
    async function* failingBody(): AsyncIterable<Uint8Array> {
      yield object.content.slice(0, 1000);
      throw failure;
    }
    const result = await storage.put(object, failingBody()).catch((error: unknown) => error);
    expect(result).to.equal(failure);
  });

  it("asks for another try when the stored file goes away meanwhile", async () => {
    const object = testObject("vanishing", 50_000);
    await put(storage, object);
    async function* removingBody(): AsyncIterable<Uint8Array> {
      yield object.content.slice();
    }
    const vanishing: Storage = new VerifiedStorage({
      create: () => inner.create(),
      list: (type) => inner.list(type),
      stat: (handle) => inner.stat(handle),
      read: (handle, selection) => inner.read(handle, selection),
      remove: (handle) => inner.remove(handle),
      put: async (handle, body) => {
        try {
          await inner.put(handle, body);
        } finally {
          await inner.remove(handle);
        }
      },
    });
    await expectError(vanishing.put(object, removingBody()), "unavailable");
  });
});
