import { setTimeout as pause } from "node:timers/promises";
import { expect } from "chai";
import type { WorkerSettings } from "../../../client/backup/messages.ts";
import { PackMemory } from "../../../client/backup/pack-memory.ts";
import { WorkerPool } from "../../../client/backup/worker-pool.ts";
import { BlobTable } from "../../../client/repository/blob-table.ts";
import { CofferError } from "../../../shared/errors.ts";
import { compileKernels } from "../../../shared/kernels/kernels.ts";

const settings: WorkerSettings = {
  kernelsModule: compileKernels(),
  key: { encrypt: new Uint8Array(32).fill(1), mac: { k: new Uint8Array(16).fill(2), r: new Uint8Array(16).fill(3) } },
  version: 2,
  compression: "auto",
  packSizeBytes: 4 * 1024 * 1024,
  extraVerify: true,
  polynomial: 0x3da3358b4dc173n,
  table: BlobTable.create(1000).shared,
  packMemory: PackMemory.create(2, 16 * 1024 * 1024).shared,
};
const emptyBatch = { kind: "batch", task: 1, paths: [], identities: new BigUint64Array(0) } as const;

describe("client/backup/worker-pool", function () {
  this.timeout(30_000);

  /** The first error that a pool with these settings tells of. */
  async function failureOf(changes: Partial<WorkerSettings>): Promise<Error> {
    let pool: WorkerPool | undefined;
    try {
      return await new Promise<Error>((resolve) => {
        const events = { replied: () => undefined, failed: resolve };
        pool = new WorkerPool({ ...settings, ...changes }, 1, events);
        pool.submit(emptyBatch);
      });
    } finally {
      await pool?.end();
    }
  }

  /** A pool, and a promise of so many answers. */
  function start(maxWorkers: number, count: number): { pool: WorkerPool; answers: Promise<number[]> } {
    let resolveAnswers: (tasks: number[]) => void;
    let rejectAnswers: (error: Error) => void;
    const answers = new Promise<number[]>((resolve, reject) => {
      resolveAnswers = resolve;
      rejectAnswers = reject;
    });
    const answered: number[] = [];
    const pool = new WorkerPool(settings, maxWorkers, {
      replied: (reply) => {
        if (reply.kind === "batch") answered.push(reply.task);
        if (answered.length === count) resolveAnswers(answered);
      },
      failed: (error) => rejectAnswers(error),
    });
    return { pool, answers };
  }

  it("answers tasks, ends its threads and sums their stages", async () => {
    const { pool, answers } = start(2, 6);
    for (let task = 0; task < 6; task++) pool.submit({ ...emptyBatch, task });
    expect((await answers).sort()).to.deep.equal([0, 1, 2, 3, 4, 5]);
    expect(pool.waitingTasks).to.equal(0);
    expect(pool.threads).to.equal(2);
    expect(await pool.finish()).to.be.an("object");
  });

  it("starts no thread without work, and no more than there is work for", async () => {
    const { pool, answers } = start(4, 1);
    expect(pool.threads).to.equal(0);
    expect(pool.hasIdleWorker).to.equal(true);
    pool.submit(emptyBatch);
    await answers;
    expect(pool.threads).to.equal(1);
    await pool.finish();
  });

  it("ends threads at any moment of their start, and tells of nothing more", async () => {
    for (let delayMs = 0; delayMs < 200; delayMs += 20) {
      const { pool, answers } = start(2, 3);
      let failure: unknown;
      answers.catch((error: unknown) => {
        failure = error;
      });
      for (let task = 0; task < 3; task++) pool.submit({ ...emptyBatch, task });
      await pause(delayMs);
      await pool.end();
      expect(failure).to.equal(undefined);
      pool.submit(emptyBatch);
      expect(pool.waitingTasks).to.equal(1);
    }
  });

  it("tells when a worker cannot start", async () => {
    const failure = await failureOf({ table: "no table" as never });
    expect(failure).to.be.instanceOf(CofferError).with.property("code", "internal");
    expect(failure.message).to.match(/^a backup worker failed: /);
  });

  it("keeps the code of our own errors", async () => {
    const key = { ...settings.key, encrypt: new Uint8Array(32) };
    expect(await failureOf({ key })).to.have.property("code", "malformed");
  });
});
