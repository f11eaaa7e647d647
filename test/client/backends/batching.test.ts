import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import fc from "fast-check";
import type { BatchingBackend } from "../../../client/backends/batching.ts";
import { RetryBackend } from "../../../client/backends/retry.ts";
import { CofferError, type ErrorCode } from "../../../shared/errors.ts";
import { configHandle, type FileHandle, type FileType, pathOf } from "../../../shared/format/layout.ts";
import { expectCode, handleOf } from "../../conformance/backend.ts";
import { batching, MemoryBatchBackend } from "./memory-batches.ts";

/** A sender whose requests end only when the test says so. */
class GatedSender extends MemoryBatchBackend {
  /** What is under way: the paths of each request. */
  readonly running: {
    readonly paths: string[];
    readonly end: (error?: Error) => void;
    readonly signal?: AbortSignal;
  }[] = [];

  override async save(handle: FileHandle, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#gate([pathOf(handle)], signal);
    await super.save(handle, body, signal);
  }

  override async saveBatch(
    objects: Parameters<MemoryBatchBackend["saveBatch"]>[0],
    signal: AbortSignal,
  ): Promise<readonly boolean[]> {
    const paths = objects.map(({ handle }) => pathOf(handle));
    await this.#gate(paths, signal);
    this.batches.push(paths);
    return Promise.all(objects.map(({ handle, body }) => super.save(handle, body).then(() => true)));
  }

  /** Ends the oldest request that is under way, and returns what it brought. */
  async endNext(error?: Error): Promise<string[]> {
    await settle();
    const next = this.running.shift();
    if (next === undefined) throw new Error("nothing is under way");
    next.end(error);
    await settle();
    return next.paths;
  }

  #gate(paths: string[], signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error?: Error): void => (error === undefined ? resolve() : reject(error));
      this.running.push({ paths, end, ...(signal === undefined ? {} : { signal }) });
      signal?.addEventListener("abort", () => reject(new CofferError("cancelled", "as the test wants")));
    });
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await nextTurn();
}

interface Saves {
  readonly paths: string[];
  readonly work: Promise<void>[];
}

function saveMany(backend: BatchingBackend, count: number, sizeBytes = 100, type: FileType = "index"): Saves {
  const contents = Array.from({ length: count }, () => randomBytes(sizeBytes));
  const handles = contents.map((content) => handleOf(content, type));
  return { paths: handles.map(pathOf), work: handles.map((handle, i) => backend.save(handle, contents[i]!)) };
}

describe("BatchingBackend", () => {
  it("sends what finds a free slot alone and at once, and together what waited for one", async () => {
    const sender = new GatedSender({ connections: 2 });
    const { paths, work } = saveMany(batching(sender), 9);
    await settle();
    expect(sender.running.map((request) => request.paths)).to.deep.equal([[paths[0]], [paths[1]]]);
    expect(await sender.endNext()).to.deep.equal([paths[0]]);
    expect(sender.running.map((request) => request.paths)).to.deep.equal([[paths[1]], paths.slice(2)]);
    await sender.endNext();
    await sender.endNext();
    await Promise.all(work);
    expect(sender.batches).to.deep.equal([paths.slice(2)]);
    expect([...sender.files.keys()]).to.have.members(paths);
  });

  it("never has more under way than there are slots, whatever comes in which order", async () => {
    const sizes = fc.array(fc.constantFrom(100, 500_000, 1_048_576, 1_048_577, 3_000_000), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 4 }), async (list, connections) => {
        const sender = new GatedSender({ connections });
        const backend = batching(sender);
        const many = list.map((size) => saveMany(backend, 1, size, "data"));
        let isDone = false;
        const all = Promise.all(many.flatMap(({ work }) => work)).then(() => {
          isDone = true;
        });
        for (await settle(); !isDone; ) {
          expect(sender.running).to.have.length.within(1, connections);
          await sender.endNext();
        }
        await all;
        expect([...sender.files.keys()]).to.have.members(many.flatMap(({ paths }) => paths));
      }),
      { numRuns: 30 },
    );
  });

  it("sends no more in one request than the server takes, nor than is good", async () => {
    const limits = { parts: 4, partBytes: 10_000, totalBytes: 20_000 };
    const cases = [
      { limits, count: 6, sizeBytes: 100, expected: [1, 4, 1] },
      { limits, count: 5, sizeBytes: 9000, expected: [1, 2, 2] },
      { limits, count: 3, sizeBytes: 10_001, expected: [1, 1, 1] },
      { limits: { ...limits, totalBytes: 5000 }, count: 3, sizeBytes: 9000, expected: [1, 1, 1] },
      {
        limits: { parts: 1e6, partBytes: 1e9, totalBytes: 1e9 },
        count: 202,
        sizeBytes: 20,
        expected: [1, 100, 100, 1],
      },
      { limits: { parts: 1e6, partBytes: 1e9, totalBytes: 1e9 }, count: 6, sizeBytes: 1e6, expected: [1, 4, 1] },
      { limits: { parts: 1e6, partBytes: 1e9, totalBytes: 1e9 }, count: 2, sizeBytes: 1_048_577, expected: [1, 1] },
      { limits: undefined, count: 3, sizeBytes: 20, expected: [1, 1, 1] },
    ];
    for (const { limits: batchLimits, count, sizeBytes, expected } of cases) {
      const sender = new GatedSender({ connections: 1 });
      sender.batchLimits = batchLimits;
      // Sizes that differ, so that contents do too.
      const { work } = saveMany(batching(sender), count, sizeBytes, "data");
      const requests: number[] = [];
      while (requests.length < expected.length) requests.push((await sender.endNext()).length);
      await Promise.allSettled(work);
      expect(requests, JSON.stringify({ batchLimits, count, sizeBytes })).to.deep.equal(expected);
    }
  });

  it("gathers neither locks, which wait for nothing, nor the configuration", async () => {
    const sender = new GatedSender({ connections: 1 });
    const backend = batching(sender);
    const { work } = saveMany(backend, 1);
    const locks = saveMany(backend, 3, 100, "locks");
    const config = backend.save(configHandle, randomBytes(10));
    await settle();
    expect(sender.running).to.have.length(4);
    while (sender.running.length > 0) await sender.endNext();
    await Promise.all([...work, ...locks.work, config]);
    expect(sender.batches).to.deep.equal([]);
  });

  it("saves a part singly that was not stored, so that its error is the usual one", async () => {
    const sender = new GatedSender({ connections: 1 });
    const backend = batching(sender);
    const [one, two, three] = [1, 2, 3].map(() => randomBytes(100)) as [Buffer, Buffer, Buffer];
    sender.saveBatch = async (objects) => {
      sender.batches.push(objects.map(({ handle }) => pathOf(handle)));
      return [true, false];
    };
    const work = [one, two, three].map((content) => backend.save(handleOf(content), content));
    const refused = expectCode("out-of-space", work[2]!);
    await sender.endNext();
    await work[0];
    await work[1];
    expect(await sender.endNext(new CofferError("out-of-space", "full"))).to.deep.equal([pathOf(handleOf(three))]);
    await refused;
    expect(sender.batches).to.have.length(1);
  });

  const reasons: Record<string, { code: ErrorCode; batches: number }> = {
    "that has no such path": { code: "not-found", batches: 1 },
    "that cannot do it": { code: "unsupported", batches: 1 },
    "behind a proxy that takes no such bodies": { code: "forbidden", batches: 1 },
    "whose answer is none": { code: "malformed", batches: 1 },
    "that cuts the line each time": { code: "unavailable", batches: 3 },
    "that never answers": { code: "request-timeout", batches: 3 },
  };
  for (const [name, { code, batches }] of Object.entries(reasons)) {
    it(`saves everything singly on a server ${name}, and soon does not try batches`, async () => {
      const sender = new GatedSender({ connections: 1 });
      const backend = batching(sender);
      let tried = 0;
      sender.saveBatch = async () => {
        tried += 1;
        throw new CofferError(code, "as the test wants");
      };
      for (let round = 0; round < 5; round++) {
        const { paths, work } = saveMany(backend, 4);
        for (const path of paths) expect(await sender.endNext()).to.deep.equal([path]);
        await Promise.all(work);
      }
      expect(tried).to.equal(batches);
    });
  }

  it("goes on with batches when only some failed", async () => {
    const sender = new GatedSender({ connections: 1 });
    const backend = batching(sender);
    let isBroken = false;
    const saveBatch = sender.saveBatch.bind(sender);
    sender.saveBatch = async (objects, signal) => {
      isBroken = !isBroken;
      if (isBroken) throw new CofferError("unavailable", "as the test wants");
      return saveBatch(objects, signal);
    };
    for (let round = 0; round < 10; round++) {
      const { work } = saveMany(backend, 3);
      await sender.endNext();
      while (sender.running.length > 0) await sender.endNext();
      await Promise.all(work);
    }
    expect(sender.batches).to.have.length(5);
  });

  it("lets each give up: while it waits, in a batch, and all of a batch", async () => {
    const sender = new GatedSender({ connections: 1 });
    const backend = batching(sender);
    const { work } = saveMany(backend, 1);
    const others = Array.from({ length: 3 }, () => {
      const stop = new AbortController();
      const content = randomBytes(50);
      return { stop, path: pathOf(handleOf(content)), work: backend.save(handleOf(content), content, stop.signal) };
    });
    await settle();
    others[0]?.stop.abort();
    await expectCode("cancelled", others[0]!.work);
    await sender.endNext();
    const [batch] = sender.running;
    expect(batch?.paths).to.deep.equal([others[1]?.path, others[2]?.path]);
    others[1]?.stop.abort();
    await expectCode("cancelled", others[1]!.work);
    expect(batch?.signal?.aborted).to.equal(false);
    others[2]?.stop.abort(new CofferError("lock-lost", "as the test wants"));
    await expectCode("lock-lost", others[2]!.work);
    expect(batch?.signal?.aborted).to.equal(true);
    await settle();
    sender.running.length = 0;
    // The slot is free again, and a batch that was given up is no failure.
    const later = saveMany(backend, 3);
    await sender.endNext();
    expect(await sender.endNext()).to.deep.equal(later.paths.slice(1));
    await Promise.all([...work, ...later.work]);
  });

  it("is repeated object by object, by the wrapper outside of it", async () => {
    const sender = new MemoryBatchBackend({ connections: 1 });
    let failures = 2;
    const save = sender.save.bind(sender);
    sender.save = async (handle, body, signal) => {
      if (failures-- > 0) throw new CofferError("unavailable", "as the test wants");
      await save(handle, body, signal);
    };
    const backend = new RetryBackend(batching(sender), { pause: nextTurn as () => Promise<never> });
    const contents = Array.from({ length: 20 }, () => randomBytes(20));
    await Promise.all(contents.map((content) => backend.save(handleOf(content), content)));
    expect([...sender.files.keys()]).to.have.members(contents.map((content) => pathOf(handleOf(content))));
  });
});
