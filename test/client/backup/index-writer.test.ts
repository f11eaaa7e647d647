import { expect } from "chai";
import { FaultyBackend } from "../../../client/backends/faults.ts";
import { MemoryBackend } from "../../../client/backends/memory.ts";
import { IndexWriter } from "../../../client/backup/index-writer.ts";
import { type PackToStore, UploadQueue } from "../../../client/backup/upload-queue.ts";
import { parseIndex } from "../../../shared/format/index-file.ts";
import { packSizeOf, writePackEntry } from "../../../shared/format/pack.ts";
import { RandomBytes } from "../../support/sample-data.ts";
import { BackupFixture } from "./backup-fixture.ts";

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function packOf(number: number, blobs: number) {
  const header = new Uint8Array(blobs * 41);
  const entry = { type: "data", lengthBytes: 50, uncompressedBytes: 10, id: new Uint8Array(32).fill(number) } as const;
  for (let index = 0; index < blobs; index++) writePackEntry(header, index * 41, entry);
  const sizeBytes = packSizeOf(Array.from({ length: blobs }, () => entry));
  return { id: String(number).padStart(64, "0"), blobs, header, sizeBytes };
}

describe("client/backup/index-writer", () => {
  let nowMs = 0;
  let written: string[][] = [];
  const failures: unknown[] = [];
  const newWriter = (save?: () => Promise<void>): IndexWriter =>
    new IndexWriter({
      save: async (json) => {
        await save?.();
        written.push(parseIndex(json).packs.map(({ id, blobs }) => `${Number(id)}: ${blobs.length}`));
      },
      failed: (error) => failures.push(error),
      now: () => nowMs,
    });

  beforeEach(() => {
    nowMs = 0;
    written = [];
    failures.length = 0;
  });

  it("writes an index once it has 50,000 blobs, and the rest at the end", async () => {
    const writer = newWriter();
    for (const [number, blobs] of [30_000, 19_999, 5, 100].entries()) writer.add(packOf(number + 1, blobs));
    await nextTurn();
    expect(written).to.deep.equal([["1: 30000", "2: 19999", "3: 5"]]);
    await writer.finish();
    expect(written.slice(1)).to.deep.equal([["4: 100"]]);
  });

  it("writes small indexes at growing distances, at most ten minutes apart", async () => {
    const writer = newWriter();
    const writtenAfter = async (seconds: number, number: number): Promise<number> => {
      nowMs = seconds * 1000;
      writer.add(packOf(number, 3));
      await nextTurn();
      return written.length;
    };
    // A pack each second: what a kill may cost is never more than half of the time that the backup took, or ten minutes.
    const times: number[] = [];
    for (let second = 0; second < 6000; second++) {
      const before = written.length;
      if ((await writtenAfter(second, second)) > before) times.push(second);
    }
    const distances = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(times.length).to.be.within(8, 30);
    expect(distances).to.deep.equal([...distances].sort((a, b) => a - b));
    expect(Math.max(...distances)).to.be.within(590, 602);
  });

  it("writes none without packs", async () => {
    await newWriter().finish();
    expect(written).to.deep.equal([]);
  });

  it("tells of an index that could not be written on the way, and rejects at the end", async () => {
    const refused = new Error("no");
    const writer = newWriter(() => Promise.reject(refused));
    writer.add(packOf(1, 50_000));
    await nextTurn();
    expect(failures).to.deep.equal([refused]);
    writer.add(packOf(2, 1));
    expect(await writer.finish().catch((error: unknown) => error)).to.equal(refused);
  });
});

describe("client/backup/upload-queue", () => {
  const pack = (id: string, released: string[]): PackToStore => ({
    id,
    bytes: new Uint8Array(1),
    blobs: 1,
    header: new Uint8Array(41),
    isMetadata: false,
    release: () => released.push(id),
  });

  it("gives buffers back after success and failure, and uploads nothing after a failure", async () => {
    const saved: string[] = [];
    const stored: string[] = [];
    const failures: unknown[] = [];
    const released: string[] = [];
    const refused = new Error("refused");
    const queue = new UploadQueue({
      save: async ({ id }) => {
        saved.push(id);
        await nextTurn();
        if (id === "b") throw refused;
      },
      permitted: Promise.resolve(),
      stored: ({ id }) => stored.push(id),
      failed: (error) => failures.push(error),
    });
    queue.add(pack("a", released));
    await queue.settled();
    queue.add(pack("b", released));
    await queue.settled();
    queue.add(pack("c", released));
    await queue.settled();
    expect(saved).to.deep.equal(["a", "b"]);
    expect(stored).to.deep.equal(["a"]);
    expect(failures).to.deep.equal([refused]);
    expect(released).to.deep.equal(["a", "b", "c"]);
  });
});

describe("client/backup: order of what is stored", function () {
  this.timeout(30_000);

  it("names no pack in an index before it is stored, and writes the snapshot last", async () => {
    const fixture = new BackupFixture();
    const backend = new FaultyBackend(new MemoryBackend(), () => undefined);
    fixture.backend = backend;
    fixture.write("large", new RandomBytes("order").next(20 * 1024 * 1024));
    for (let number = 0; number < 200; number++) fixture.write(`d${number % 10}/${number}`, `${number}`);
    await fixture.save({ packSizeBytes: 4 * 1024 * 1024 });
    const saves = backend.calls.filter(({ name }) => name === "save").map(({ type }) => type);
    expect(saves.slice(-3)).to.deep.equal(["data", "index", "snapshots"]);
    expect(saves.filter((type) => type === "snapshots")).to.have.length(1);
    fixture.remove();
  });
});
