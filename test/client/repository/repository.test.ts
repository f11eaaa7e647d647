import { expect } from "chai";
import { CachedBackend, type CacheStore } from "../../../client/backends/cache.ts";
import { FaultyBackend } from "../../../client/backends/faults.ts";
import { Repository } from "../../../client/repository/repository.ts";
import { CofferError } from "../../../shared/errors.ts";
import { toHex, utf8Decode, utf8Encode } from "../../../shared/format/bytes.ts";
import { encodeIndex } from "../../../shared/format/index-file.ts";
import { readFixture } from "../../support/fixtures.ts";
import {
  blobIdOf,
  createRepository,
  failureOf,
  memoryOf,
  openFixture,
  storeIndexed,
  storePack,
  testProvider,
} from "../../support/memory-repository.ts";

const snapshotText = `{"time":"2026-01-01T00:00:00Z","tree":"${"ab".repeat(32)}","paths":["/a"]}`;
const flip = (bytes: Uint8Array): Uint8Array => bytes.map((byte, index) => (index === 20 ? byte ^ 1 : byte));

/** The same repository through a backend that fails as told. */
function withFaults(repository: Repository, decide: ConstructorParameters<typeof FaultyBackend>[1]) {
  const backend = new FaultyBackend(memoryOf(repository), decide);
  const { provider, config, keyId, masterKey, sealer } = repository;
  return { backend, repository: new Repository({ backend, provider, config, keyId, masterKey, sealer }) };
}

describe("documents", () => {
  for (const version of [1, 2]) {
    it(`are stored sealed, named by their hash, and read back: version ${version}`, async () => {
      const repository = await createRepository(version);
      const id = await repository.saveDocument("snapshots", utf8Encode(snapshotText));
      const stored = memoryOf(repository).files.get(`snapshots/${id}`) ?? new Uint8Array();
      expect(toHex(testProvider.sha256(stored))).to.equal(id);
      const plaintext = repository.sealer.open(stored);
      expect(plaintext[0]).to.equal(version === 1 ? 0x7b : 2);
      expect(utf8Decode(await repository.loadDocument("snapshots", id))).to.equal(snapshotText);
      expect(await repository.saveDocument("snapshots", utf8Encode(snapshotText))).not.to.equal(id);
    });
  }

  it("are loaded once more when they do not hash to their name, then called damaged", async () => {
    const repository = await createRepository();
    const id = await repository.saveDocument("snapshots", utf8Encode(snapshotText));
    const once = withFaults(repository, ({ name, index }) =>
      name === "load" && index === 0 ? { damage: flip } : undefined,
    );
    expect(utf8Decode(await once.repository.loadDocument("snapshots", id))).to.equal(snapshotText);
    expect(once.backend.calls).to.have.length(2);
    const always = withFaults(repository, ({ name }) => (name === "load" ? { damage: flip } : undefined));
    const failure = await failureOf(always.repository.loadDocument("snapshots", id));
    expect(failure).to.have.property("code", "damaged");
    expect(failure.message).to.equal(`load(<snapshot/${id.slice(0, 10)}>): invalid data returned`);
    expect(always.backend.calls).to.have.length(2);
  });

  it("are fetched anew when the copy in the cache is bad", async () => {
    const repository = await createRepository();
    const id = await repository.saveDocument("snapshots", utf8Encode(snapshotText));
    const cached = new Map<string, Uint8Array>([[id, new Uint8Array(50)]]);
    const store: CacheStore = {
      load: async (file) => cached.get(file.id),
      save: async (file, body) => void cached.set(file.id, body),
      remove: async (file) => cached.delete(file.id),
      list: async () => [...cached.keys()],
    };
    const { provider, config, keyId, masterKey, sealer } = repository;
    const backend = new CachedBackend(memoryOf(repository), store);
    const reading = new Repository({ backend, provider, config, keyId, masterKey, sealer });
    expect(utf8Decode(await reading.loadDocument("snapshots", id))).to.equal(snapshotText);
    expect(cached.get(id)).to.deep.equal(memoryOf(repository).files.get(`snapshots/${id}`));
  });

  it("that are authentic but not what they should be are damaged", async () => {
    const repository = await createRepository();
    const other = await createRepository();
    for (const sealed of [
      repository.seal(utf8Encode("x")),
      repository.seal(new Uint8Array()),
      other.seal(utf8Encode("{}")),
    ]) {
      const id = toHex(testProvider.sha256(sealed));
      await repository.backend.save({ type: "index", id }, sealed);
      const failure = await failureOf(repository.loadDocument("index", id));
      expect(failure).to.have.property("code", "damaged");
      expect(failure.message).to.contain(`<index/${id.slice(0, 10)}>`);
    }
  });

  it("are opened and compared before they are sent", async () => {
    const repository = await createRepository();
    const { backend, config, keyId, masterKey } = repository;
    const sealer = {
      seal: (plaintext: Uint8Array, iv: Uint8Array) =>
        repository.sealer.seal(
          plaintext.map((byte, index) => (index > 15 ? byte ^ 1 : byte)),
          iv,
        ),
      open: (sealed: Uint8Array) => repository.sealer.open(sealed),
    };
    const faulty = new Repository({ backend, provider: testProvider, config, keyId, masterKey, sealer });
    const failure = await failureOf(faulty.saveDocument("snapshots", utf8Encode(snapshotText)));
    expect(failure).to.be.instanceOf(CofferError);
    expect(await repository.listIds("snapshots")).to.deep.equal([]);
  });
});

describe("lists", () => {
  it("of snapshots are made once, before the index is loaded, and follow what is stored and removed", async () => {
    const repository = await createRepository();
    const first = await repository.saveDocument("snapshots", utf8Encode(snapshotText));
    const { backend, repository: reading } = withFaults(repository, () => undefined);
    await reading.loadIndex();
    expect(backend.calls.map(({ name, type }) => `${name} ${type}`)).to.deep.equal(["list snapshots", "list index"]);
    // Somebody else's new snapshot may need blobs that our index lacks.
    await repository.saveDocument("snapshots", utf8Encode(snapshotText));
    expect(await reading.listIds("snapshots")).to.deep.equal([first]);
    const own = await reading.saveDocument("snapshots", utf8Encode(snapshotText));
    expect(await reading.listIds("snapshots")).to.deep.equal([first, own]);
    await reading.removeFile({ type: "snapshots", id: first });
    expect(await reading.listIds("snapshots")).to.deep.equal([own]);
    expect(backend.calls.filter(({ name, type }) => name === "list" && type === "snapshots")).to.have.length(1);
    expect(await repository.listIds("snapshots")).to.have.length(2);
  });

  it("are made again after a failure", async () => {
    const repository = await createRepository();
    const { repository: reading } = withFaults(repository, ({ name, index }) =>
      name === "list" && index === 0 ? { before: new CofferError("unavailable", "try again") } : undefined,
    );
    expect(await failureOf(reading.loadIndex())).to.have.property("code", "unavailable");
    await reading.loadIndex();
    expect(reading.index.packCount).to.equal(0);
  });
});

describe("the index of a repository", () => {
  it("is the union of all index files, and is loaded once", async () => {
    const repository = await createRepository();
    const shared = { type: "data", content: "in both" } as const;
    const packs = await storeIndexed(repository, [shared], [shared, { type: "data", content: "second" }]);
    await storeIndexed(repository, [{ type: "tree", content: "third" }]);
    // The same again, and an empty one.
    await repository.saveDocument("index", encodeIndex(packs));
    await repository.saveDocument("index", encodeIndex([]));
    expect(() => repository.index)
      .to.throw()
      .with.property("code", "internal");
    const progress: string[] = [];
    await Promise.all([
      repository.loadIndex({ onProgress: (loaded, total) => progress.push(`${loaded}/${total}`) }),
      repository.loadIndex(),
    ]);
    expect(progress).to.deep.equal(["0/4", "1/4", "2/4", "3/4", "4/4"]);
    const { index } = repository;
    expect(index.lookup("data", blobIdOf("in both")).map(({ packId }) => packId)).to.have.members(
      packs.map(({ id }) => id),
    );
    expect(index.lookup("data", blobIdOf("third"))).to.deep.equal([]);
    expect(index.has("tree", blobIdOf("third"))).to.equal(true);
    expect(index.packCount).to.equal(3);
    for (const { id, sizeBytes, hasData, hasTrees } of index.packs()) {
      expect(sizeBytes).to.equal(memoryOf(repository).files.get(`data/${id.slice(0, 2)}/${id}`)?.length);
      expect(hasTrees).to.equal(!hasData);
    }
  });

  it("is not taken for whole when a file of it cannot be read", async () => {
    const repository = await createRepository();
    await storeIndexed(repository, [{ type: "data", content: "x" }]);
    const [id = ""] = await repository.listIds("index");
    const failing = withFaults(repository, ({ name }) => (name === "load" ? { damage: flip } : undefined)).repository;
    const failure = await failureOf(failing.loadIndex());
    expect(failure).to.have.property("code", "damaged");
    expect(failure.message).to.match(new RegExp(`^unable to load index ${id.slice(0, 8)}: .*invalid data returned`));
    const down = withFaults(repository, ({ name }) =>
      name === "load" ? { before: new CofferError("unavailable", "down") } : undefined,
    ).repository;
    expect(await failureOf(down.loadIndex())).to.have.property("code", "unavailable");
  });

  it("refuses compressed blobs in version 1, and the form of old versions", async () => {
    const repository = await createRepository(1);
    await storeIndexed(repository, [{ type: "data", content: "x".repeat(99), compressed: true }]);
    expect(await failureOf(repository.loadIndex())).to.have.property("code", "damaged");
    const old = await createRepository(1);
    const sealed = old.seal(utf8Encode("[]"));
    await old.backend.save({ type: "index", id: toHex(testProvider.sha256(sealed)) }, sealed);
    const failure = await failureOf(old.loadIndex());
    expect(failure).to.have.property("code", "damaged");
    expect(failure.message).to.contain("repair index");
  });
});

describe("blobs", () => {
  it("of every fixture are read as their ids say", async () => {
    for (const name of ["v1", "v2", "v2-0.19"] as const) {
      const { manifest } = readFixture(name);
      const repository = openFixture(name);
      await repository.loadIndex();
      let count = 0;
      for (const { type, id } of [...repository.index.blobs()]) {
        expect(toHex(testProvider.sha256(await repository.loadBlob(type, id)))).to.equal(id);
        count++;
      }
      expect(count).to.equal(manifest.packs.reduce((sum, { blobs }) => sum + blobs.length, 0));
      for (const { id, size } of manifest.packs) expect(repository.index.packSizeOf(id)).to.equal(size);
    }
  });

  it("that no index knows are not found", async () => {
    const repository = await createRepository();
    await repository.loadIndex();
    const id = "12".repeat(32);
    expect(await failureOf(repository.loadBlob("data", id))).to.include({
      code: "not-found",
      message: `id ${id} not found in repository`,
    });
  });

  /** A repository with one blob in two packs. */
  async function withTwoCopies() {
    const repository = await createRepository();
    const blob = { type: "data", content: "precious" } as const;
    const packs = await storeIndexed(repository, [blob], [{ type: "data", content: "before" }, blob]);
    return { repository, id: blobIdOf(blob.content), packs: packs.map(({ id }) => id) };
  }

  it("are read from any copy that is good", async () => {
    const { repository, id, packs } = await withTwoCopies();
    for (const bad of packs) {
      for (const fault of [{ damage: flip }, { before: new CofferError("not-found", "no such file") }]) {
        const { repository: reading } = withFaults(repository, (call) =>
          call.type === "data" && call.id === bad ? fault : undefined,
        );
        await reading.loadIndex();
        expect(utf8Decode(await reading.loadBlob("data", id))).to.equal("precious");
      }
    }
  });

  it("are loaded once more when all copies were bad", async () => {
    const { repository, id } = await withTwoCopies();
    let loads = 0;
    const { repository: reading } = withFaults(repository, ({ name, type }) =>
      name === "load" && type === "data" && loads++ < 2 ? { damage: flip } : undefined,
    );
    await reading.loadIndex();
    expect(utf8Decode(await reading.loadBlob("data", id))).to.equal("precious");
    expect(loads).to.equal(3);
  });

  it("are damaged when all copies stay bad; the message names blob and pack", async () => {
    const { repository, id, packs } = await withTwoCopies();
    const { backend, repository: reading } = withFaults(repository, ({ type }) =>
      type === "data" ? { damage: flip } : undefined,
    );
    await reading.loadIndex();
    const failure = await failureOf(reading.loadBlob("data", id));
    expect(failure).to.have.property("code", "damaged");
    expect(failure.message).to.match(
      new RegExp(
        `^decrypting blob <data/${id.slice(0, 8)}> from pack (${packs.join("|")}) failed: ciphertext verification failed$`,
      ),
    );
    expect(backend.calls.filter(({ type }) => type === "data")).to.have.length(4);
  });

  it("are not called damaged when a copy could not be reached", async () => {
    const { repository, id, packs } = await withTwoCopies();
    const { repository: reading } = withFaults(repository, ({ type, id: pack }) => {
      if (type !== "data") return undefined;
      return pack === packs[0] ? { damage: flip } : { before: new CofferError("unavailable", "the line is dead") };
    });
    await reading.loadIndex();
    expect(await failureOf(reading.loadBlob("data", id))).to.have.property("code", "unavailable");
  });

  it("are fetched anew when the cached pack is bad", async () => {
    const repository = await createRepository();
    const [pack] = await storeIndexed(repository, [{ type: "tree", content: '{"nodes":[]}\n' }]);
    const path = `data/${pack?.id.slice(0, 2)}/${pack?.id}`;
    const cached = new Map([[pack?.id ?? "", flip(memoryOf(repository).files.get(path) ?? new Uint8Array())]]);
    const store: CacheStore = {
      load: async (file, { range }) => {
        const bytes = cached.get(file.id);
        if (bytes === undefined || file.type !== "data") return undefined;
        return bytes.slice(range?.offsetBytes, (range?.offsetBytes ?? 0) + (range?.lengthBytes ?? 0));
      },
      save: async (file, body) => void (file.type === "data" && cached.set(file.id, body)),
      remove: async (file) => cached.delete(file.id),
      list: async (type) => (type === "data" ? [...cached.keys()] : []),
    };
    const { provider, config, keyId, masterKey, sealer } = repository;
    const backend = new CachedBackend(memoryOf(repository), store);
    const reading = new Repository({ backend, provider, config, keyId, masterKey, sealer });
    await reading.loadIndex();
    expect(await reading.loadTree(blobIdOf('{"nodes":[]}\n'))).to.deep.equal([]);
    expect(cached.get(pack?.id ?? "")).to.deep.equal(memoryOf(repository).files.get(path));
  });

  it("must hash to their id, have the length of a sealed blob, and decompress", async () => {
    const repository = await createRepository();
    const good = await storePack(repository, [{ type: "data", content: "x".repeat(500), compressed: true }]);
    const plain = await storePack(repository, [{ type: "data", content: "plain text" }]);
    const [compressedBlob] = good.blobs;
    const [plainBlob] = plain.blobs;
    if (compressedBlob === undefined || plainBlob === undefined) throw new Error("a pack without blobs");
    const ids = ["1", "2", "3", "4"].map((digit) => digit.repeat(64));
    await repository.saveDocument(
      "index",
      encodeIndex([
        {
          id: good.id,
          blobs: [
            { ...compressedBlob, id: ids[0] ?? "" },
            { ...compressedBlob, id: ids[1] ?? "", uncompressedBytes: 0 },
          ],
        },
        {
          id: plain.id,
          blobs: [
            { ...plainBlob, id: ids[2] ?? "", uncompressedBytes: 5 },
            { ...plainBlob, id: ids[3] ?? "", lengthBytes: 16 },
          ],
        },
      ]),
    );
    await repository.loadIndex();
    for (const id of ids) expect(await failureOf(repository.loadBlob("data", id))).to.have.property("code", "damaged");
  });

  it("end with the cancellation when they are cancelled", async () => {
    const { repository, id } = await withTwoCopies();
    await repository.loadIndex();
    const failure = await failureOf(repository.loadBlob("data", id, AbortSignal.abort()));
    expect(failure).to.have.property("code", "cancelled");
  });

  it("that are trees must decode", async () => {
    const repository = await createRepository();
    await storeIndexed(repository, [{ type: "tree", content: '{"nodes":3}' }]);
    await repository.loadIndex();
    const id = blobIdOf('{"nodes":3}');
    const failure = await failureOf(repository.loadTree(id));
    expect(failure).to.have.property("code", "damaged");
    expect(failure.message).to.match(new RegExp(`^tree ${id}: `));
  });
});
