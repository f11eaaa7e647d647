import { randomBytes } from "node:crypto";
import { expect } from "chai";
import type { LoadOptions } from "../../../client/backends/backend.ts";
import { CachedBackend, type CachedFile, type CachedType, type CacheStore } from "../../../client/backends/cache.ts";
import { type Fault, FaultyBackend, type OperationCall } from "../../../client/backends/faults.ts";
import { MemoryBackend } from "../../../client/backends/memory.ts";
import { copyOfPart } from "../../../client/backends/ranges.ts";
import { configHandle, pathOf } from "../../../shared/format/layout.ts";
import { expectCode, handleOf } from "../../conformance/backend.ts";

class MemoryStore implements CacheStore {
  readonly files: Map<string, Uint8Array> = new Map();

  async load(file: CachedFile, options: LoadOptions): Promise<Uint8Array | undefined> {
    const held = this.files.get(pathOf(file));
    return held && copyOfPart(file, held, options);
  }

  async save(file: CachedFile, body: Uint8Array): Promise<void> {
    this.files.set(pathOf(file), body.slice());
  }

  async remove(file: CachedFile): Promise<boolean> {
    return this.files.delete(pathOf(file));
  }

  async list(type: CachedType): Promise<string[]> {
    return [...this.files.keys()].filter((path) => path.startsWith(`${type}/`)).map((path) => path.slice(-64));
  }
}

class Scene {
  readonly memory: MemoryBackend = new MemoryBackend();
  readonly store: MemoryStore = new MemoryStore();
  readonly faulty: FaultyBackend;
  readonly cached: CachedBackend;
  readonly failures: unknown[] = [];

  constructor(decide: (call: OperationCall) => Fault | undefined = () => undefined) {
    this.faulty = new FaultyBackend(this.memory, decide);
    this.cached = new CachedBackend(this.faulty, this.store, { onFailure: (error) => this.failures.push(error) });
  }

  count(name: OperationCall["name"]): number {
    return this.faulty.calls.filter((call) => call.name === name).length;
  }
}

describe("CachedBackend", () => {
  const content = randomBytes(1000);
  const snapshot = handleOf(content, "snapshots");
  const dataPack = handleOf(content, "data");
  const treePack = { ...dataPack, isMetadata: true };

  it("keeps snapshots, indexes and packs of trees when they are saved, and nothing else", async () => {
    const { cached, store } = new Scene();
    for (const handle of [snapshot, handleOf(content, "index"), treePack]) await cached.save(handle, content);
    expect([...store.files.keys()]).to.have.members([snapshot, handleOf(content, "index"), treePack].map(pathOf));
    store.files.clear();
    await cached.remove(dataPack);
    for (const handle of [dataPack, handleOf(content, "keys"), handleOf(content, "locks"), configHandle]) {
      await cached.save(handle, content);
      await cached.load(handle);
    }
    expect([...store.files.keys()]).to.deep.equal([]);
  });

  it("fetches a whole file once, whatever part is wanted, by however many at once", async () => {
    const scene = new Scene();
    const { cached, memory } = scene;
    await memory.save(treePack, content);
    const range = { offsetBytes: 100, lengthBytes: 50 };
    const parts = await Promise.all(Array.from({ length: 10 }, () => cached.load(treePack, { range })));
    for (const part of parts) expect(content.subarray(100, 150).equals(part)).to.equal(true);
    expect(content.equals(await cached.load(treePack))).to.equal(true);
    expect(scene.count("load")).to.equal(1);
  });

  it("uses a pack of data that somebody put into the cache, but takes in none", async () => {
    const scene = new Scene();
    const { cached, store, memory } = scene;
    await memory.save(dataPack, content);
    await cached.load(dataPack, { range: { offsetBytes: 1, lengthBytes: 2 } });
    expect(store.files.size).to.equal(0);
    await store.save(dataPack as CachedFile, content);
    await cached.load(dataPack);
    expect(scene.count("load")).to.equal(1);
  });

  it("forgets what the storage does not list any more", async () => {
    const { cached, store, memory } = new Scene();
    const other = randomBytes(10);
    await cached.save(snapshot, content);
    await cached.save(handleOf(other, "snapshots"), other);
    await cached.save(handleOf(other, "index"), other);
    await memory.remove(snapshot);
    await cached.list("snapshots");
    const kept = [handleOf(other, "snapshots"), handleOf(other, "index")].map(pathOf);
    expect([...store.files.keys()]).to.have.members(kept);
  });

  it("forgets what is removed, what a stat does not find, and packs that no index knows", async () => {
    const { cached, store, memory } = new Scene();
    await cached.save(snapshot, content);
    await cached.remove(snapshot);
    expect(store.files.size).to.equal(0);
    await cached.save(snapshot, content);
    await memory.remove(snapshot);
    await expectCode("not-found", cached.stat(snapshot));
    expect(store.files.size).to.equal(0);
    await cached.save(treePack, content);
    await cached.keepOnly("data", new Set([dataPack.id]));
    expect(store.files.size).to.equal(1);
    await cached.keepOnly("data", new Set());
    expect(store.files.size).to.equal(0);
  });

  it("drops a damaged copy once, so that the next load is from the storage", async () => {
    const scene = new Scene();
    const { cached, store } = scene;
    await cached.save(snapshot, content);
    store.files.set(pathOf(snapshot), new Uint8Array(1000));
    expect(content.equals(await cached.load(snapshot)), "the copy is damaged").to.equal(false);
    expect(await cached.dropCached(snapshot)).to.equal(true);
    expect(content.equals(await cached.load(snapshot))).to.equal(true);
    expect(await cached.dropCached(snapshot), "nobody goes round for ever").to.equal(false);
    expect(await cached.dropCached(configHandle)).to.equal(false);
  });

  it("asks the storage when a copy is too short", async () => {
    const { cached, store } = new Scene();
    await cached.save(snapshot, content);
    store.files.set(pathOf(snapshot), content.subarray(0, 100));
    const range = { offsetBytes: 90, lengthBytes: 20 };
    expect(content.subarray(90, 110).equals(await cached.load(snapshot, { range }))).to.equal(true);
    await expectCode("out-of-range", cached.load(snapshot, { range: { offsetBytes: 990, lengthBytes: 20 } }));
  });

  it("works on without a cache that fails, and says so once", async () => {
    const { cached, store, memory, failures } = new Scene();
    const broken = new Error("no space left on device");
    store.save = () => Promise.reject(broken);
    store.load = () => Promise.reject(broken);
    store.list = () => Promise.reject(broken);
    store.remove = () => Promise.reject(broken);
    await cached.save(snapshot, content);
    expect(content.equals(await cached.load(snapshot))).to.equal(true);
    expect(await cached.list("snapshots")).to.have.length(1);
    await cached.remove(snapshot);
    expect(memory.files.size).to.equal(0);
    expect(failures).to.deep.equal([broken]);
  });

  it("does not keep what was not stored, and passes errors on", async () => {
    const scene = new Scene((call) => (call.name === "save" ? { before: new Error("refused") } : undefined));
    await scene.cached.save(snapshot, content).catch(() => undefined);
    expect(scene.store.files.size).to.equal(0);
    await expectCode("not-found", scene.cached.load(snapshot));
    await expectCode("not-found", scene.cached.load(snapshot));
  });

  it("fetches anew for those who wait when the one who fetches is cancelled", async () => {
    let release: () => void = () => undefined;
    const delay = new Promise<void>((resolve) => {
      release = resolve;
    });
    const scene = new Scene((call) => (call.name === "load" && call.index === 0 ? { delay } : undefined));
    await scene.memory.save(snapshot, content);
    const stop = new AbortController();
    const first = scene.cached.load(snapshot, { signal: stop.signal });
    const second = scene.cached.load(snapshot);
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    release();
    await expectCode("cancelled", first);
    expect(content.equals(await second)).to.equal(true);
    expect(scene.count("load")).to.equal(2);
  });
});
