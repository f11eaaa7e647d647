import { expect } from "chai";
import type { CacheStore } from "../../../client/backends/cache.ts";
import { type Fault, FaultyBackend, type OperationCall } from "../../../client/backends/faults.ts";
import { MemoryBackend } from "../../../client/backends/memory.ts";
import { initializeRepository } from "../../../client/repository/initialization.ts";
import { openRepository, RepositoryOpening } from "../../../client/repository/opening.ts";
import { CofferError } from "../../../shared/errors.ts";
import { formatPolynomial } from "../../../shared/format/polynomial.ts";
import { createPortableProvider } from "../../../shared/portable/provider.ts";
import { fixtureNames, readFixture } from "../../support/fixtures.ts";
import {
  cheapKey,
  createRepository,
  failureOf,
  memoryOf,
  openAgain,
  storeIndexed,
  testProvider,
} from "../../support/memory-repository.ts";

describe("opening a repository", () => {
  for (const name of fixtureNames) {
    it(`opens what restic made, with each password: ${name}`, async () => {
      const { manifest, files, masterKey } = readFixture(name);
      for (const { id, password } of manifest.keys) {
        const backend = new MemoryBackend({ files: new Map(files) });
        // The hint saves the time that the other keys would take.
        const repository = await openRepository(backend, testProvider, { password, keyHint: id.slice(0, 8) });
        expect(repository.keyId).to.equal(id);
        expect(repository.masterKey).to.deep.equal(masterKey);
        expect(repository.config.id).to.equal(manifest.repository.id);
        expect(repository.config.version).to.equal(manifest.repository.version);
        expect(formatPolynomial(repository.config.chunkerPolynomial)).to.equal(manifest.repository.chunker_polynomial);
      }
    });
  }

  it("works with the portable provider, as in a browser", async () => {
    const repository = await createRepository();
    const [pack] = await storeIndexed(repository, [{ type: "data", content: "hello", compressed: true }]);
    const opened = await openRepository(memoryOf(repository), createPortableProvider(), {
      password: cheapKey.password,
    });
    await opened.loadIndex();
    const content = await opened.loadBlob("data", pack?.blobs[0]?.id ?? "");
    expect(new TextDecoder().decode(content)).to.equal("hello");
  });

  it("says that there is no repository, and asks for nothing else then", async () => {
    const backend = new FaultyBackend(new MemoryBackend(), () => undefined);
    const failure = await failureOf(openAgain(backend, { prefetch: ["snapshots", "index"] }));
    expect(failure).to.have.property("code", "repository-missing");
    expect(failure.message).to.match(
      /^repository does not exist: unable to open config file: .*\nIs there a repository at the following location\?\nmemory:$/,
    );
    expect(backend.calls.map(({ name, type }) => [name, type])).to.deep.equal([["load", "config"]]);
  });

  it("keeps the reason when the configuration cannot be reached", async () => {
    const backend = new FaultyBackend(new MemoryBackend(), () => ({ before: new CofferError("unauthorized", "401") }));
    const failure = await failureOf(openAgain(backend));
    expect(failure).to.have.property("code", "unauthorized");
    expect(failure.message).to.match(/^unable to open config file: 401\nIs there a repository/);
  });

  it("refuses a configuration that is empty, damaged, of another key or of an unknown version", async () => {
    const repository = await createRepository();
    const other = await createRepository();
    const { files } = memoryOf(repository);
    const config = files.get("config") ?? new Uint8Array();
    const openWith = (content: Uint8Array): Promise<Error> => {
      const backend = new MemoryBackend({ files: new Map(files).set("config", content) });
      return failureOf(openAgain(backend));
    };
    expect(await openWith(new Uint8Array())).to.include({
      code: "damaged",
      message: "config file has zero size, invalid repository?",
    });
    const damaged = config.map((byte, index) => (index === 20 ? byte ^ 1 : byte));
    for (const content of [
      damaged,
      config.subarray(0, 15),
      config.subarray(0, -1),
      memoryOf(other).files.get("config"),
    ]) {
      const failure = await openWith(content ?? new Uint8Array());
      expect(failure).to.have.property("code", "damaged");
      expect(failure.message).to.match(/^config cannot be loaded: /);
    }
    const future = repository.seal(
      new TextEncoder().encode(`{"version":3,"id":"${repository.config.id}","chunker_polynomial":"3da3358b4dc173"}`),
    );
    const failure = await openWith(future);
    expect(failure).to.have.property("code", "unsupported");
    expect(failure.message).to.match(/^config cannot be loaded: repository version expected 1 or 2, got 3/);
  });

  it("can be tried with one password after the other", async () => {
    const repository = await createRepository();
    const backend = new FaultyBackend(memoryOf(repository), () => undefined);
    const opening = new RepositoryOpening(backend, testProvider, {});
    await opening.exists();
    expect(await failureOf(opening.open("wrong"))).to.have.property("code", "wrong-password");
    expect((await opening.open(cheapKey.password)).keyId).to.equal(repository.keyId);
    expect(backend.calls.filter(({ type }) => type === "config")).to.have.length(1);
  });

  it("warns of key files that it passed over", async () => {
    const repository = await createRepository();
    const { files } = memoryOf(repository);
    const key = files.get(`keys/${repository.keyId}`) ?? new Uint8Array();
    // The damaged one first.
    files.delete(`keys/${repository.keyId}`);
    files.set(`keys/${"12".repeat(32)}`, new Uint8Array(10));
    files.set(`keys/${repository.keyId}`, key);
    const warnings: string[] = [];
    await openAgain(memoryOf(repository), { onWarning: (text) => warnings.push(text) });
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.match(/^key 12121212 cannot be read and is passed over: /);
  });
});

describe("requesting ahead", () => {
  /** The calls that an opening makes, and those that come after it. */
  async function callsOf(
    options: Parameters<typeof openAgain>[1],
    decide: (call: OperationCall) => Fault | undefined = () => undefined,
  ) {
    const repository = await createRepository();
    await storeIndexed(repository, [{ type: "data", content: "hello" }]);
    const snapshot = await repository.saveDocument(
      "snapshots",
      new TextEncoder().encode('{"time":"2026-01-01T00:00:00Z","tree":null}'),
    );
    const backend = new FaultyBackend(memoryOf(repository), decide);
    const opened = await openAgain(backend, options);
    const before = backend.calls.length;
    await opened.loadIndex();
    await opened.loadDocument("snapshots", snapshot);
    const text = ({ name, type }: OperationCall): string => `${name} ${type}`;
    return {
      opened,
      opening: backend.calls.slice(0, before).map(text),
      after: backend.calls.slice(before).map(text),
    };
  }

  it("lists snapshots before index files, and asks for nothing twice", async () => {
    const { opening, after } = await callsOf({ prefetch: ["snapshots", "index"] });
    expect([...opening, ...after].sort()).to.deep.equal(
      ["load config", "list keys", "load keys", "list snapshots", "load snapshots", "list index", "load index"].sort(),
    );
    expect(opening.indexOf("list snapshots")).to.be.below([...opening, ...after].indexOf("list index"));
  });

  it("asks when it is needed without", async () => {
    const { after } = await callsOf({});
    expect(after).to.deep.equal(["list snapshots", "list index", "load index", "load snapshots"]);
  });

  it("asks again for what could not be had ahead", async () => {
    const { after } = await callsOf({ prefetch: ["snapshots", "index"] }, ({ type, index, name }) =>
      (type === "snapshots" || type === "index") && index <= 1 && name !== "load"
        ? { before: new CofferError("unavailable", "try again") }
        : undefined,
    );
    expect(after).to.include("list index").and.to.include("list snapshots");
  });

  it("leaves the files to the cache if there is one, and tells it what is gone", async () => {
    const held = new Map<string, Uint8Array>([
      [`snapshots/${"00".repeat(32)}`, new Uint8Array(1)],
      [`index/${"11".repeat(32)}`, new Uint8Array(1)],
      [`data/${"22".repeat(32)}`, new Uint8Array(1)],
    ]);
    const store: CacheStore = {
      load: async ({ type, id }) => held.get(`${type}/${id}`),
      save: async ({ type, id }, body) => void held.set(`${type}/${id}`, body),
      remove: async ({ type, id }) => held.delete(`${type}/${id}`),
      list: async (type) => [...held.keys()].filter((path) => path.startsWith(type)).map((path) => path.slice(-64)),
    };
    const ids: string[] = [];
    const { opened, opening, after } = await callsOf({
      prefetch: ["snapshots", "index"],
      openCache: async (id) => {
        ids.push(id);
        return store;
      },
    });
    expect(ids).to.deep.equal([opened.config.id]);
    expect(opening).not.to.include("load index").and.not.to.include("load snapshots");
    expect(after.filter((call) => call.startsWith("load"))).to.have.members(["load index", "load snapshots"]);
    const [snapshot] = await opened.listIds("snapshots");
    const [index] = await opened.listIds("index");
    expect([...held.keys()]).to.have.members([`snapshots/${snapshot}`, `index/${index}`]);
  });
});

describe("making a repository", () => {
  const options = { ...cheapKey, version: 2 };

  it("writes the key first and the configuration last", async () => {
    for (const version of [1, 2]) {
      const backend = new FaultyBackend(new MemoryBackend(), () => undefined);
      const made = await initializeRepository(backend, testProvider, {
        ...options,
        version,
        polynomial: 0x3da3358b4dc173n,
      });
      const changes = backend.calls.filter(({ name }) => name === "save" || name === "create");
      expect(changes.map(({ name, type }) => [name, type])).to.deep.equal([
        ["create", undefined],
        ["save", "keys"],
        ["save", "config"],
      ]);
      const opened = await openAgain(backend);
      expect(opened.config).to.deep.equal({ version, id: made.config.id, chunkerPolynomial: 0x3da3358b4dc173n });
      expect(opened.masterKey).to.deep.equal(made.masterKey);
    }
  });

  it("makes up a new id, key and polynomial each time", async () => {
    const [first, second] = [await createRepository(), await createRepository()];
    expect(first.config.id).not.to.equal(second.config.id);
    expect(first.config.chunkerPolynomial).not.to.equal(second.config.chunkerPolynomial);
    expect(first.masterKey).not.to.deep.equal(second.masterKey);
  });

  it("changes nothing where there is a configuration, a key or a snapshot", async () => {
    for (const [path, message] of [
      ["config", "create repository at memory: failed: config file already exists"],
      [`keys/${"0".repeat(64)}`, "create key in repository at memory: failed: repository already contains keys"],
      [
        `snapshots/${"0".repeat(64)}`,
        "create key in repository at memory: failed: repository already contains snapshots",
      ],
    ] as const) {
      const backend = new MemoryBackend({ files: new Map([[path, new Uint8Array(1)]]) });
      const failure = await failureOf(initializeRepository(backend, testProvider, options));
      expect(failure).to.include({ code: "repository-exists", message });
      expect([...backend.files.keys()]).to.deep.equal([path]);
    }
  });

  it("refuses other versions than 1 and 2", async () => {
    for (const version of [0, 3, 1.5, Number.NaN]) {
      const backend = new MemoryBackend();
      const failure = await failureOf(initializeRepository(backend, testProvider, { ...options, version }));
      expect(failure).to.include({ code: "usage", message: "only repository versions between 1 and 2 are allowed" });
      expect(backend.files.size).to.equal(0);
    }
  });

  it("leaves the repository to whoever was faster, and takes its own key away", async () => {
    const storage = new MemoryBackend();
    const backend = new FaultyBackend(storage, ({ name, type }) => {
      if (name === "save" && type === "config") storage.files.set("config", new Uint8Array(7));
      return undefined;
    });
    const failure = await failureOf(initializeRepository(backend, testProvider, options));
    expect(failure).to.have.property("code", "repository-exists");
    expect([...storage.files.keys()]).to.deep.equal(["config"]);
  });

  it("says where it failed", async () => {
    const backend = new FaultyBackend(new MemoryBackend(), ({ name }) =>
      name === "save" ? { before: new CofferError("out-of-space", "the disk is full") } : undefined,
    );
    const failure = await failureOf(initializeRepository(backend, testProvider, options));
    expect(failure).to.include({
      code: "out-of-space",
      message: "create key in repository at memory: failed: the disk is full",
    });
  });
});
