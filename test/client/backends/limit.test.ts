import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import { FaultyBackend } from "../../../client/backends/faults.ts";
import { LimitedBackend } from "../../../client/backends/limit.ts";
import { MemoryBackend } from "../../../client/backends/memory.ts";
import { Semaphore } from "../../../client/backends/semaphore.ts";
import { CofferError } from "../../../shared/errors.ts";
import { type FileHandle, fileTypes } from "../../../shared/format/layout.ts";
import { expectCode, handleOf } from "../../conformance/backend.ts";

/** A limited backend with two slots whose operations end only when the gate opens. */
function gatedBackend(): { backend: LimitedBackend; running: () => number; open: () => void } {
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const faulty = new FaultyBackend(new MemoryBackend({ connections: 2 }), () => ({ delay: gate }));
  return { backend: new LimitedBackend(faulty), running: () => faulty.calls.length, open };
}

async function settleAll(work: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(work);
}

describe("LimitedBackend", () => {
  const content = randomBytes(10);
  const operations: Record<string, (backend: LimitedBackend, handle: FileHandle) => Promise<unknown>> = {
    save: (backend, handle) => backend.save(handle, content),
    load: (backend, handle) => backend.load(handle),
    stat: (backend, handle) => backend.stat(handle),
    remove: (backend, handle) => backend.remove(handle),
  };

  for (const [name, run] of Object.entries(operations)) {
    it(`runs no more than the backend's connections of ${name} at once`, async () => {
      const { backend, running, open } = gatedBackend();
      const work = [1, 2, 3].map(() => run(backend, handleOf(randomBytes(10))));
      await nextTurn();
      expect(running()).to.equal(2);
      open();
      await settleAll(work);
      expect(running()).to.equal(3);
    });

    it(`does not count ${name} of locks`, async () => {
      const { backend, running, open } = gatedBackend();
      const work = [1, 2].map(() => run(backend, handleOf(randomBytes(10))));
      const locks = [1, 2, 3].map(() => run(backend, handleOf(randomBytes(10), "locks")));
      await nextTurn();
      expect(running()).to.equal(5);
      open();
      await settleAll([...work, ...locks]);
    });
  }

  it("counts listings of everything but locks", async () => {
    const { backend, running, open } = gatedBackend();
    const work = fileTypes.map((type) => backend.list(type));
    await nextTurn();
    expect(running()).to.equal(3);
    open();
    await Promise.all(work);
  });

  it("frees the slot of an operation that failed", async () => {
    const error = new CofferError("forbidden", "as the test wants");
    const faulty = new FaultyBackend(new MemoryBackend({ connections: 1 }), () => ({ before: error }));
    const backend = new LimitedBackend(faulty);
    for (let round = 0; round < 3; round += 1) await expectCode("forbidden", backend.stat(handleOf(content)));
  });

  it("refuses what cannot be meant without taking a slot or asking the backend", async () => {
    const { backend, running, open } = gatedBackend();
    await expectCode("internal", backend.load({ type: "data", id: "" }));
    await expectCode("internal", backend.load(handleOf(content), { range: { offsetBytes: -1 } }));
    await expectCode("internal", backend.load(handleOf(content), { range: { offsetBytes: 0, lengthBytes: -1 } }));
    expect(running()).to.equal(0);
    open();
  });
});

describe("Semaphore", () => {
  it("serves waiters in their order and lets them give up", async () => {
    const semaphore = new Semaphore(1);
    const order: string[] = [];
    let release: () => void = () => undefined;
    const first = semaphore.run(() => new Promise<void>((resolve) => (release = resolve)));
    const stop = new AbortController();
    const second = semaphore.run(async () => order.push("second"));
    const third = semaphore.run(async () => order.push("third"), stop.signal);
    const fourth = semaphore.run(async () => order.push("fourth"));
    await nextTurn();
    stop.abort();
    await expectCode("cancelled", third);
    release();
    await Promise.all([first, second, fourth]);
    expect(order).to.deep.equal(["second", "fourth"]);
    // All slots are free again.
    await semaphore.run(async () => undefined);
  });

  it("does not begin work whose signal is raised already", async () => {
    const semaphore = new Semaphore(1);
    await expectCode(
      "cancelled",
      semaphore.run(() => Promise.reject(new Error("must not run")), AbortSignal.abort()),
    );
    await semaphore.run(async () => undefined);
  });
});
