import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { type Fault, FaultyBackend, type OperationCall } from "../../../client/backends/faults.ts";
import { MemoryBackend } from "../../../client/backends/memory.ts";
import { describeRetry, RetryBackend, type RetryReport } from "../../../client/backends/retry.ts";
import { CofferError, type ErrorCode } from "../../../shared/errors.ts";
import { configHandle, pathOf } from "../../../shared/format/layout.ts";
import { expectCode, handleOf } from "../../conformance/backend.ts";

const failed = (code: ErrorCode = "unavailable", data: Record<string, unknown> = {}): CofferError =>
  new CofferError(code, "as the test wants", { data });

/** A retry backend whose time passes only when it pauses, over a memory backend with faults. */
class Scene {
  readonly memory: MemoryBackend;
  readonly faulty: FaultyBackend;
  readonly backend: RetryBackend;
  readonly pauses: number[] = [];
  readonly reports: RetryReport[] = [];
  nowMs = 0;
  random = 0.5;

  constructor(decide: (call: OperationCall, scene: Scene) => Fault | undefined, options: { replaces?: boolean } = {}) {
    this.memory = new MemoryBackend({ hasAtomicReplace: options.replaces ?? false });
    this.faulty = new FaultyBackend(this.memory, (call) => decide(call, this));
    this.backend = new RetryBackend(this.faulty, {
      nowMs: () => this.nowMs,
      random: () => this.random,
      pause: async (durationMs) => {
        this.pauses.push(durationMs);
        this.nowMs += durationMs;
      },
      onRetry: (report) => this.reports.push(report),
    });
  }

  count(name: OperationCall["name"]): number {
    return this.faulty.calls.filter((call) => call.name === name).length;
  }
}

describe("RetryBackend", () => {
  const content = randomBytes(500);
  const handle = handleOf(content);

  it("stores at the second attempt what failed at the first", async () => {
    const scene = new Scene((call) => (call.name === "save" && call.index === 0 ? { before: failed() } : undefined));
    await scene.backend.save(handle, content);
    expect(scene.memory.files.get(pathOf(handle))).to.deep.equal(Uint8Array.from(content));
    expect(scene.count("save")).to.equal(2);
    const name = `Save(<data/${handle.id.slice(0, 10)}>)`;
    expect(scene.reports.map(describeRetry)).to.deep.equal([
      `${name} returned error, retrying after 1s: as the test wants`,
      `${name} operation successful after 1 retries`,
    ]);
  });

  it("takes a file that is there and equal as stored, when the answer was lost", async () => {
    const scene = new Scene((call) => (call.name === "save" && call.index === 0 ? { after: failed() } : undefined));
    await scene.backend.save(handle, content);
    expect(scene.count("save")).to.equal(1);
    expect(scene.count("remove"), "what another client may rely on is not deleted").to.equal(0);
  });

  it("deletes a part of a file before it saves again", async () => {
    const scene = new Scene((call, { memory }) => {
      if (call.name !== "save" || call.index > 0) return undefined;
      memory.files.set(pathOf(handle), content.subarray(0, 100));
      return { before: failed() };
    });
    await scene.backend.save(handle, content);
    expect(scene.memory.files.get(pathOf(handle))).to.have.length(content.length);
    expect(scene.count("remove")).to.equal(1);
  });

  it("deletes its own part of a config, but never the config of another client", async () => {
    const withStored = (stored: Uint8Array): Scene =>
      new Scene((call, { memory }) => {
        if (call.name !== "save" || call.index > 0) return undefined;
        memory.files.set("config", stored);
        return { before: failed() };
      });
    const part = withStored(content.subarray(0, 100));
    await part.backend.save(configHandle, content);
    expect(part.memory.files.get("config")).to.deep.equal(Uint8Array.from(content));
    for (const stored of [randomBytes(100), randomBytes(500), randomBytes(600)]) {
      const other = withStored(stored);
      await expectCode("already-exists", other.backend.save(configHandle, content));
      expect(other.memory.files.get("config")).to.equal(stored);
      expect(other.count("remove")).to.equal(0);
    }
  });

  it("deletes nothing where saving replaces", async () => {
    const decide = (call: OperationCall): Fault | undefined =>
      call.name === "save" && call.index === 0 ? { after: failed() } : undefined;
    const scene = new Scene(decide, { replaces: true });
    await scene.backend.save(handle, content);
    expect([scene.count("save"), scene.count("remove"), scene.count("stat")]).to.deep.equal([2, 0, 0]);
  });

  it("says that the file exists when an append-only server keeps another one there", async () => {
    const scene = new Scene((call, { memory }) => {
      if (call.name === "remove") return { before: failed("forbidden") };
      if (call.name !== "save" || call.index > 0) return undefined;
      memory.files.set(pathOf(handle), content.subarray(0, 100));
      return { before: failed() };
    });
    await expectCode("already-exists", scene.backend.save(handle, content));
    expect(scene.memory.files.get(pathOf(handle))).to.have.length(100);
  });

  it("takes a file that another client stored as its own, but never a config", async () => {
    const scene = new Scene(() => undefined);
    await scene.memory.save(handle, content);
    await scene.backend.save(handle, content);
    await scene.memory.save(configHandle, content);
    await expectCode("already-exists", scene.backend.save(configHandle, content));
    await expectCode("already-exists", scene.backend.save(configHandle, randomBytes(500)));
  });

  it("takes a config as its own when the answer to saving it was lost", async () => {
    const scene = new Scene((call) => (call.name === "save" && call.index === 0 ? { after: failed() } : undefined));
    await scene.backend.save(configHandle, content);
    expect(scene.memory.files.get("config")).to.deep.equal(Uint8Array.from(content));
  });

  const permanent: ErrorCode[] = [
    "not-found",
    "unauthorized",
    "forbidden",
    "out-of-range",
    "out-of-space",
    "unsupported",
    "limit-exceeded",
    "usage",
  ];
  for (const code of permanent) {
    it(`does not repeat what ended with ${code}`, async () => {
      const scene = new Scene(() => ({ before: failed(code) }));
      await expectCode(code, scene.backend.load(handle));
      await expectCode(code, scene.backend.stat(handle));
      await expectCode(code, scene.backend.list("data"));
      await expectCode(code, scene.backend.remove(handle));
      expect(scene.faulty.calls).to.have.length(4);
      expect(scene.reports).to.deep.equal([]);
    });
  }

  it("repeats listings, stats, removals and creation as well", async () => {
    const scene = new Scene((call) => (call.index === 0 ? { before: failed("request-timeout") } : undefined));
    await scene.memory.save(handle, content);
    await scene.backend.create();
    expect(await scene.backend.list("data")).to.deep.equal([{ id: handle.id, sizeBytes: 500 }]);
    expect(await scene.backend.stat(handle)).to.equal(500);
    expect(await scene.backend.load(handle, { range: { offsetBytes: 10, lengthBytes: 20 } })).to.have.length(20);
    await scene.backend.remove(handle);
    const recovered = scene.reports.filter((report) => report.kind === "recovered");
    const name = `<data/${handle.id.slice(0, 10)}>`;
    expect(recovered.map((report) => report.operation)).to.deep.equal([
      "Create()",
      "List(data)",
      `Stat(${name})`,
      `Load(${name}, 20, 10)`,
      `Remove(${name})`,
    ]);
  });

  it("doubles its pauses from 1 s to 60 s and gives up after 15 minutes", async () => {
    const scene = new Scene(() => ({ before: failed() }));
    await expectCode("unavailable", scene.backend.stat(handle));
    expect(scene.pauses.slice(0, 8)).to.deep.equal([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    expect(scene.nowMs).to.be.within(14 * 60_000, 15 * 60_000);
    const last = scene.reports.at(-1);
    expect(last && describeRetry(last)).to.equal(`Stat(<data/${handle.id.slice(0, 10)}>) failed: as the test wants`);
  });

  it("makes each pause up to half longer or shorter", async () => {
    for (const [random, expected] of [
      [0, [500, 1000]],
      [1, [1500, 3000]],
    ] as const) {
      const scene = new Scene((call) => (call.index < 2 ? { before: failed() } : undefined));
      scene.random = random;
      await scene.backend.list("keys");
      expect(scene.pauses).to.deep.equal(expected);
    }
  });

  it("makes a second attempt even when the first took longer than all the time there is", async () => {
    const scene = new Scene((call, self) => {
      self.nowMs += 20 * 60_000;
      return call.index === 0 ? { before: failed() } : undefined;
    });
    expect(await scene.backend.list("data")).to.deep.equal([]);
    expect(scene.count("list")).to.equal(2);
  });

  it("waits as long as the server wants, within reason", async () => {
    const wanted = [20_000, 3_600_000];
    const scene = new Scene(({ index }) =>
      index < 2 ? { before: failed("unavailable", { retryAfterMs: wanted[index] }) } : undefined,
    );
    await scene.backend.list("data");
    expect(scene.pauses).to.deep.equal([20_000, 300_000]);
  });

  it("believes a server only a few times that the bytes were changed on their way", async () => {
    const scene = new Scene((call) => (call.name === "save" ? { before: failed("hash-mismatch") } : undefined));
    await expectCode("hash-mismatch", scene.backend.save(handle, content));
    expect(scene.count("save")).to.equal(4);
  });

  it("does not try a file again for an hour after its load failed for good", async () => {
    let works = false;
    const scene = new Scene(() => (works ? undefined : { before: failed() }));
    await scene.memory.save(handle, content);
    await expectCode("unavailable", scene.backend.load(handle));
    const attempts = scene.count("load");
    works = true;
    await expectCode("unavailable", scene.backend.load(handle));
    expect(scene.count("load")).to.equal(attempts);
    const other = randomBytes(10);
    await scene.memory.save(handleOf(other), other);
    expect(await scene.backend.load(handleOf(other)), "other files").to.have.length(10);
    scene.nowMs += 60 * 60_000;
    expect(await scene.backend.load(handle)).to.have.length(500);
  });

  it("tries a file again whose load was only cancelled", async () => {
    const stop = new AbortController();
    const scene = new Scene((call) => {
      if (call.index > 0) return undefined;
      stop.abort();
      return { before: failed() };
    });
    await scene.memory.save(handle, content);
    await expectCode("cancelled", scene.backend.load(handle, { signal: stop.signal }));
    expect(await scene.backend.load(handle)).to.have.length(500);
  });

  it("makes no call at all once its signal is raised", async () => {
    const scene = new Scene(() => undefined);
    await expectCode("cancelled", scene.backend.save(handle, content, AbortSignal.abort()));
    await expectCode("cancelled", scene.backend.list("data", AbortSignal.abort()));
    expect(scene.faulty.calls).to.deep.equal([]);
  });

  it("ends a pause at once when its signal is raised", async () => {
    const stop = new AbortController();
    const backend = new RetryBackend(new FaultyBackend(new MemoryBackend(), () => ({ before: failed() })), {
      onRetry: () => setTimeout(() => stop.abort(), 10),
      random: () => 1,
    });
    const startMs = performance.now();
    await expectCode("cancelled", backend.stat(handle, stop.signal));
    expect(performance.now() - startMs).to.be.below(1000);
  });

  it("passes errors on that it does not know", async () => {
    const mistake = new TypeError("a mistake in the program");
    const scene = new Scene(() => ({ before: mistake }));
    expect(await scene.backend.list("data").catch((error: unknown) => error)).to.equal(mistake);
    expect(scene.faulty.calls).to.have.length(1);
  });
});
