import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { DryRunBackend } from "../../../client/backends/dry-run.ts";
import { MemoryBackend } from "../../../client/backends/memory.ts";
import { RateLimitedBackend, RateLimiter } from "../../../client/backends/rate-limit.ts";
import { configHandle } from "../../../shared/format/layout.ts";
import { expectCode, handleOf } from "../../conformance/backend.ts";

describe("RateLimiter", () => {
  it("spreads bytes evenly over time, and saves none for later", () => {
    let nowMs = 0;
    const limiter = new RateLimiter(1000, () => nowMs);
    expect(limiter.reserve(500)).to.equal(0);
    expect(limiter.reserve(500)).to.equal(500);
    expect(limiter.reserve(1000)).to.equal(1000);
    nowMs = 1500;
    expect(limiter.reserve(100)).to.equal(500);
    nowMs = 100_000;
    expect(limiter.reserve(1000)).to.equal(0);
    expect(limiter.reserve(1)).to.equal(1000);
  });

  it("names pieces of a quarter of a second, neither tiny nor huge", () => {
    expect(new RateLimiter(400_000).pieceBytes).to.equal(100_000);
    expect(new RateLimiter(1).pieceBytes).to.equal(4096);
    expect(new RateLimiter(1e12).pieceBytes).to.equal(1024 * 1024);
  });
});

describe("RateLimitedBackend", () => {
  it("keeps to the rates of uploads and downloads", async () => {
    const rate = 1_000_000;
    const limits = { upload: new RateLimiter(rate), download: new RateLimiter(rate) };
    const backend = new RateLimitedBackend(new MemoryBackend(), limits);
    const contents = [1, 2, 3].map(() => randomBytes(100_000));
    let startMs = performance.now();
    await Promise.all(contents.map((content) => backend.save(handleOf(content), content)));
    expect(performance.now() - startMs).to.be.above(190);
    startMs = performance.now();
    await Promise.all(contents.map((content) => backend.load(handleOf(content))));
    expect(performance.now() - startMs).to.be.above(190);
  });

  it("ends a wait when it is cancelled, and saves nothing then", async () => {
    const memory = new MemoryBackend();
    const backend = new RateLimitedBackend(memory, { upload: new RateLimiter(1) });
    const content = randomBytes(100);
    await backend.save(handleOf(content), content);
    const other = randomBytes(100);
    await expectCode("cancelled", backend.save(handleOf(other), other, AbortSignal.timeout(20)));
    expect(memory.files.size).to.equal(1);
  });
});

describe("DryRunBackend", () => {
  it("reads, and only pretends to write", async () => {
    const memory = new MemoryBackend();
    const content = randomBytes(100);
    await memory.save(handleOf(content), content);
    const backend = new DryRunBackend(memory);
    await backend.create();
    await backend.save(configHandle, content);
    await backend.remove(handleOf(content));
    expect(memory.files.size).to.equal(1);
    expect(content.equals(await backend.load(handleOf(content)))).to.equal(true);
    expect(await backend.list("data")).to.have.length(1);
    expect(await backend.stat(handleOf(content))).to.equal(100);
    await expectCode("internal", backend.save({ type: "data", id: "x" }, content));
    await expectCode("cancelled", backend.save(configHandle, content, AbortSignal.abort()));
    await expectCode("cancelled", backend.remove(configHandle, AbortSignal.abort()));
    await expectCode("cancelled", backend.create(AbortSignal.abort()));
  });
});
