import { hash } from "node:crypto";
import { Worker } from "node:worker_threads";
import { expect } from "chai";
import type { SealingSettings } from "../../../client/backup/messages.ts";
import { PackBuilder, packBufferBytes } from "../../../client/backup/pack-builder.ts";
import { PackMemory } from "../../../client/backup/pack-memory.ts";
import { StageClock } from "../../../client/backup/stage-clock.ts";
import { TreeStore } from "../../../client/backup/tree-store.ts";
import type { PackToStore } from "../../../client/backup/upload-queue.ts";
import { createNodeProvider } from "../../../client/platform/node-provider.ts";
import { SealEngine } from "../../../client/platform/seal-engine.ts";
import { readUint32LE, toHex } from "../../../shared/format/bytes.ts";
import { decodePackHeader, type PackEntry } from "../../../shared/format/pack.ts";
import { compileKernels } from "../../../shared/kernels/kernels.ts";
import { RandomBytes } from "../../support/sample-data.ts";

const mebibyte = 1024 * 1024;
const provider = createNodeProvider();
const key = { encrypt: provider.randomBytes(32), mac: { k: provider.randomBytes(16), r: provider.randomBytes(16) } };
const sealer = provider.sealer(key);

function settingsWith(changes: Partial<SealingSettings> = {}): SealingSettings {
  const kernelsModule = compileKernels();
  const usual = { version: 2, compression: "auto", packSizeBytes: 4 * mebibyte, extraVerify: true } as const;
  return { kernelsModule, key, ...usual, ...changes };
}

/** What a reader makes of a pack, by the portable rules. */
function readPack(bytes: Uint8Array, version: 1 | 2 = 2): { entries: PackEntry[]; contents: Uint8Array[] } {
  const headerBytes = readUint32LE(bytes, bytes.length - 4);
  const header = sealer.open(bytes.subarray(bytes.length - 4 - headerBytes, bytes.length - 4));
  const entries = decodePackHeader(header, bytes.length, version);
  const contents = entries.map(({ offsetBytes, lengthBytes, uncompressedBytes }) => {
    const opened = sealer.open(bytes.subarray(offsetBytes, offsetBytes + lengthBytes));
    return uncompressedBytes === 0 ? opened : provider.decompress(opened, uncompressedBytes);
  });
  return { entries, contents };
}

describe("client/backup/pack-builder", () => {
  const random = new RandomBytes("packs");

  function newBuilder(settings: SealingSettings): PackBuilder {
    const engine = new SealEngine(settings.kernelsModule, 0);
    engine.open(settings.key);
    return new PackBuilder("data", settings, engine, new StageClock());
  }

  for (const [what, changes] of [
    ["compressed blobs", {}],
    ["plain blobs of version 2", { compression: "off" }],
    ["blobs of version 1", { version: 1 }],
    ["blobs that are not verified", { extraVerify: false }],
  ] as const) {
    it(`packs ${what} so that they read back`, () => {
      const builder = newBuilder(settingsWith(changes));
      const buffer = new Uint8Array(new SharedArrayBuffer(packBufferBytes(4 * mebibyte)));
      const blobs = [
        random.next(1),
        Buffer.from("text ".repeat(1000)),
        random.next(700_000),
        random.next(8 * mebibyte),
      ];
      builder.begin(buffer);
      const storedBytes = blobs.map((blob) => builder.add(hash("sha256", blob, "buffer"), blob));
      expect(builder.isFull).to.equal(true);
      const pack = builder.finish();
      const bytes = buffer.slice(0, pack.lengthBytes);
      expect(toHex(pack.id)).to.equal(hash("sha256", bytes));
      expect(bytes.length).to.equal(storedBytes.reduce((sum, length) => sum + length, 36));
      const { entries, contents } = readPack(bytes, "version" in changes ? 1 : 2);
      expect(entries.map(({ id }) => id)).to.deep.equal(blobs.map((blob) => hash("sha256", blob)));
      for (const [index, blob] of blobs.entries())
        expect(blob.equals(contents[index] ?? blob.subarray(1))).to.equal(true);
      expect(builder.isOpen).to.equal(false);
    });
  }

  it("finds out that memory changed between hashing and sealing", () => {
    const builder = newBuilder(settingsWith());
    builder.begin(new Uint8Array(packBufferBytes(4 * mebibyte)));
    const blob = random.next(10_000);
    const id = hash("sha256", blob, "buffer");
    blob[5_000] = (blob[5_000] ?? 0) ^ 1;
    expect(() => builder.add(id, blob))
      .to.throw("memory or processor may be faulty")
      .with.property("code", "hash-mismatch");
  });

  it("is full after a number of blobs, however small", () => {
    const builder = newBuilder(settingsWith({ extraVerify: false }));
    builder.begin(new Uint8Array(packBufferBytes(16 * mebibyte)));
    let count = 0;
    const id = Buffer.alloc(32);
    const blob = Buffer.from("tiny");
    for (; !builder.isFull; count++) builder.add(id, blob);
    expect(count).to.equal(50_000);
    expect(builder.finish().header).to.have.length(50_000 * 41);
  });
});

describe("client/backup/tree-store", () => {
  function newStore(packs: PackToStore[]): { store: TreeStore; known: Set<string> } {
    const known = new Set<string>();
    const claims = {
      claim: (_type: "tree", id: Uint8Array) => {
        const isNew = !known.has(toHex(id));
        known.add(toHex(id));
        return isNew;
      },
    };
    return { store: new TreeStore(settingsWith(), claims, (pack) => packs.push(pack)), known };
  }

  it("stores a tree once", async () => {
    const packs: PackToStore[] = [];
    const { store } = newStore(packs);
    const tree = Buffer.from('{"nodes":[]}\n');
    const first = await store.store(tree);
    const second = await store.store(tree);
    store.finish();
    expect(second.id).to.equal(first.id);
    expect(first.added).to.include({ blobs: 1, bytes: tree.length });
    expect(second.added).to.deep.equal({ blobs: 0, bytes: 0, storedBytes: 0 });
    expect(packs).to.have.length(1);
    expect(packs[0]?.isMetadata).to.equal(true);
  });

  it("takes trees of any size, also beyond a usual pack", async () => {
    const packs: PackToStore[] = [];
    const { store } = newStore(packs);
    const random = new RandomBytes("trees");
    const trees = [random.next(100), random.next(33 * mebibyte), random.next(200), random.next(20 * mebibyte)];
    const contents: Uint8Array[] = [];
    const takePacks = (): void => {
      for (const pack of packs.splice(0)) {
        contents.push(...readPack(pack.bytes.slice()).contents);
        pack.release();
      }
    };
    for (const tree of trees) {
      await store.store(tree);
      takePacks();
    }
    store.finish();
    takePacks();
    expect(contents.map((content) => content.length)).to.deep.equal(trees.map((tree) => tree.length));
  });

  it("waits for a buffer while all are on their way", async () => {
    const packs: PackToStore[] = [];
    const { store } = newStore(packs);
    const random = new RandomBytes("waiting");
    let stored = 0;
    const storing = (async () => {
      for (; stored < 4; stored++) await store.store(random.next(5 * mebibyte));
    })();
    await new Promise((resolve) => setImmediate(resolve));
    expect(packs).to.have.length(2);
    expect(stored).to.equal(2);
    packs[0]?.release();
    await new Promise((resolve) => setImmediate(resolve));
    expect(packs).to.have.length(3);
    packs[1]?.release();
    await storing;
    expect(packs).to.have.length(4);
  });
});

describe("client/backup/pack-memory", () => {
  /** A thread that takes a buffer and says which, or what went wrong. */
  function takeInThread(memory: PackMemory): { answer: Promise<string>; worker: Worker } {
    const module = new URL("../../../client/backup/pack-memory.ts", import.meta.url).href;
    const code = `
      const { workerData, parentPort } = require("node:worker_threads");
      import(${JSON.stringify(module)}).then(({ PackMemory }) => {
        try { parentPort.postMessage("took " + PackMemory.attach(workerData).take()); }
        catch (error) { parentPort.postMessage(error.code); }
      });`;
    const worker = new Worker(code, { eval: true, workerData: memory.shared });
    const answer = new Promise<string>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    return { answer, worker };
  }

  it("gives each buffer to one taker at a time", () => {
    const memory = PackMemory.create(3, 100);
    expect([memory.take(), memory.take(), memory.take()].sort()).to.deep.equal([0, 1, 2]);
    memory.release(1);
    expect(memory.take()).to.equal(1);
    expect(memory.view(1)).to.have.length(100);
    expect(() => memory.view(3)).to.throw("pack buffer 3");
  });

  it("has a thread wait until a buffer is free", async () => {
    const memory = PackMemory.create(1, 10);
    memory.take();
    const { answer } = takeInThread(memory);
    const early = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 300, "waiting"))]);
    expect(early).to.equal("waiting");
    memory.release(0);
    expect(await answer).to.equal("took 0");
  });

  it("ends the wait when everything stops", async () => {
    const memory = PackMemory.create(1, 10);
    memory.take();
    const { answer } = takeInThread(memory);
    memory.stop();
    expect(await answer).to.equal("cancelled");
  });
});
