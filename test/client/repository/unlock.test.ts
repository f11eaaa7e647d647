import { expect } from "chai";
import { FaultyBackend } from "../../../client/backends/faults.ts";
import { Repository } from "../../../client/repository/repository.ts";
import { isStale, removeLocks, type UnlockOptions } from "../../../client/repository/unlock.ts";
import { CofferError } from "../../../shared/errors.ts";
import { utf8Encode } from "../../../shared/format/bytes.ts";
import { encodeLock, type Lock } from "../../../shared/format/lock.ts";
import { createRepository, failureOf, memoryOf } from "../../support/memory-repository.ts";

const nowMs = Date.UTC(2026, 0, 2);
const minuteMs = 60_000;

function lockOf(ageMs: number, rest: Partial<Lock> = {}): Lock {
  const time = new Date(nowMs - ageMs).toISOString();
  return { time, exclusive: false, hostname: "here", username: "me", pid: 100, uid: 0, gid: 0, ...rest };
}

const options: UnlockOptions = {
  removeAll: false,
  nowMs,
  hostname: "here",
  isProcessAlive: (pid) => pid === 100,
};

function plant(repository: Repository, lock: Lock): Promise<string> {
  return repository.saveDocument("locks", utf8Encode(encodeLock(lock)));
}

describe("stale locks", () => {
  it("are those older than 30 minutes, and those of processes of this machine that are gone", () => {
    expect(isStale(lockOf(0), options)).to.equal(false);
    expect(isStale(lockOf(30 * minuteMs), options)).to.equal(false);
    expect(isStale(lockOf(30 * minuteMs + 1), options)).to.equal(true);
    expect(isStale(lockOf(0, { pid: 101 }), options)).to.equal(true);
    expect(isStale(lockOf(0, { pid: 101, hostname: "elsewhere" }), options)).to.equal(false);
    expect(isStale(lockOf(31 * minuteMs, { hostname: "elsewhere" }), options)).to.equal(true);
    // The clock of another machine may be ahead of ours.
    expect(isStale(lockOf(-60 * minuteMs), options)).to.equal(false);
  });

  it("are removed; fresh and unreadable ones stay", async () => {
    const repository = await createRepository();
    const fresh = await plant(repository, lockOf(minuteMs));
    await plant(repository, lockOf(40 * minuteMs));
    await plant(repository, lockOf(0, { pid: 7, exclusive: true }));
    const { files } = memoryOf(repository);
    const [empty, broken] = ["0".repeat(64), "1".repeat(64)];
    files.set(`locks/${empty}`, new Uint8Array());
    files.set(`locks/${broken}`, new Uint8Array(100));
    const unreadable: string[] = [];
    const removed = await removeLocks(repository, { ...options, onUnreadable: (id) => unreadable.push(id) });
    expect(removed).to.equal(2);
    expect(await repository.listIds("locks")).to.have.members([fresh, empty, broken]);
    expect(unreadable).to.have.members([empty, broken]);
  });

  it("and all others are removed when asked", async () => {
    const repository = await createRepository();
    await plant(repository, lockOf(0));
    memoryOf(repository).files.set(`locks/${"0".repeat(64)}`, new Uint8Array());
    expect(await removeLocks(repository, { ...options, removeAll: true })).to.equal(2);
    expect(await repository.listIds("locks")).to.deep.equal([]);
    expect(await removeLocks(repository, options)).to.equal(0);
  });

  it("are not guessed at when the storage fails", async () => {
    const repository = await createRepository();
    await plant(repository, lockOf(40 * minuteMs));
    const backend = new FaultyBackend(memoryOf(repository), ({ name }) =>
      name === "load" ? { before: new CofferError("unavailable", "down") } : undefined,
    );
    const { provider, config, keyId, masterKey, sealer } = repository;
    const failing = new Repository({ backend, provider, config, keyId, masterKey, sealer });
    expect(await failureOf(removeLocks(failing, options))).to.have.property("code", "unavailable");
  });
});
