import { expect } from "chai";
import { FaultyBackend, type OperationCall } from "../../../client/backends/faults.ts";
import { MemoryBackend } from "../../../client/backends/memory.ts";
import { loadLock } from "../../../client/repository/lock-files.ts";
import { acquireLock, type HeldLock, type LockOptions } from "../../../client/repository/locks.ts";
import { Repository } from "../../../client/repository/repository.ts";
import { CofferError } from "../../../shared/errors.ts";
import { utf8Encode } from "../../../shared/format/bytes.ts";
import { encodeLock } from "../../../shared/format/lock.ts";
import { parseTime, utcOffset } from "../../../shared/format/time.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { createRepository, failureOf } from "../../support/memory-repository.ts";

const minuteMs = 60_000;

/** Keys and configuration for all programs of all scenes. */
const someRepository = await createRepository();

/** Several programs that work on one storage, each through a backend of its own. */
class Scene {
  readonly clock = new FakeClock();
  readonly files = new Map<string, Uint8Array>();
  readonly warnings: string[] = [];
  /** What the storage was asked to do with locks. */
  readonly calls: OperationCall[] = [];

  /** A program. `decide` makes its storage fail. */
  program(decide: ConstructorParameters<typeof FaultyBackend>[1] = () => undefined): Repository {
    const backend = new FaultyBackend(new MemoryBackend({ files: this.files }), (call) => {
      if (call.type === "locks") this.calls.push(call);
      return decide(call);
    });
    const { provider, config, keyId, masterKey, sealer } = someRepository;
    return new Repository({ backend, provider, config, keyId, masterKey, sealer });
  }

  async acquire(
    exclusive: boolean,
    options: Partial<LockOptions> & { repository?: Repository } = {},
  ): Promise<HeldLock> {
    const { repository = this.program(), ...rest } = options;
    return acquireLock(repository, {
      exclusive,
      owner: { hostname: "machine", username: "tester", pid: 4711, uid: 0, gid: 0 },
      clock: this.clock,
      zone: utcOffset,
      onWarning: (text) => this.warnings.push(text),
      ...rest,
    });
  }

  /** Acquires and lets the 200 ms pass. */
  async hold(exclusive: boolean, options: Parameters<Scene["acquire"]>[1] = {}): Promise<HeldLock> {
    const lock = await this.acquire(exclusive, options);
    await this.clock.advance(200);
    await lock.confirmed;
    return lock;
  }

  get lockIds(): string[] {
    return [...this.files.keys()].filter((path) => path.startsWith("locks/")).map((path) => path.slice(6));
  }

  /** Saves and removals of locks so far, as text. */
  get changes(): string[] {
    return this.calls.filter(({ name }) => name === "save" || name === "remove").map(({ name }) => name);
  }

  /** Puts a lock of somebody else there. */
  async plant(exclusive: boolean, ageMs = 0): Promise<string> {
    const repository = this.program();
    const time = new Date(this.clock.wallMs() - ageMs).toISOString();
    const lock = { time, exclusive, hostname: "elsewhere", username: "other", pid: 12, uid: 1000, gid: 100 };
    return repository.saveDocument("locks", utf8Encode(encodeLock(lock)));
  }
}

describe("taking a lock", () => {
  it("writes who holds it, since when, and whether alone", async () => {
    const scene = new Scene();
    const repository = scene.program();
    const lock = await scene.hold(true, { repository });
    expect(scene.lockIds).to.deep.equal([lock.id]);
    const stored = await loadLock(repository, lock.id ?? "");
    expect(stored.lock).to.deep.equal({
      time: "2026-01-02T03:04:05Z",
      exclusive: true,
      hostname: "machine",
      username: "tester",
      pid: 4711,
      uid: 0,
      gid: 0,
    });
    await lock.release();
    expect(scene.lockIds).to.deep.equal([]);
    expect(scene.clock.pendingTimers).to.equal(0);
  });

  it("is known to others before it returns, and confirmed 200 ms later", async () => {
    const scene = new Scene();
    const lock = await scene.acquire(false);
    expect(scene.lockIds).to.have.length(1);
    let isConfirmed = false;
    void lock.confirmed.then(() => {
      isConfirmed = true;
    });
    await scene.clock.advance(199);
    expect(isConfirmed).to.equal(false);
    await scene.clock.advance(1);
    expect(isConfirmed).to.equal(true);
    // List, write, list again.
    expect(scene.calls.map(({ name }) => name)).to.deep.equal(["list", "save", "list"]);
    await lock.release();
  });

  for (const [held, wanted, isAllowed] of [
    [false, false, true],
    [false, true, false],
    [true, false, false],
    [true, true, false],
  ] as const) {
    const kind = (exclusive: boolean): string => (exclusive ? "exclusive" : "shared");
    it(`${isAllowed ? "goes" : "does not go"} beside a ${kind(held)} lock when it is ${kind(wanted)}`, async () => {
      const scene = new Scene();
      const first = await scene.hold(held);
      const second = scene.hold(wanted);
      if (isAllowed) {
        await (await second).release();
      } else {
        expect(await failureOf(second)).to.have.property("code", "locked");
        expect(scene.lockIds).to.deep.equal([first.id]);
        expect(scene.changes).to.deep.equal(["save"]);
      }
      await first.release();
    });
  }

  it("says who is in the way, and how old that lock is", async () => {
    const scene = new Scene();
    const id = await scene.plant(true, 123_100);
    const error = await failureOf(scene.acquire(false));
    expect(error.message).to.equal(
      "unable to create lock in backend: repository is already locked exclusively by PID 12 on elsewhere by other (UID 1000, GID 100)\n" +
        "lock was created at 2026-01-02 03:02:01 (2m3.1s ago)\n" +
        `storage ID ${id.slice(0, 8)}\n` +
        "the `unlock` command can be used to remove stale locks",
    );
    const shared = new Scene();
    await shared.plant(false, 26 * 60 * minuteMs);
    const other = await failureOf(shared.acquire(true));
    expect(other.message).to.contain("is already locked by PID 12").and.to.contain("(26h0m0s ago)");
  });

  it("is blocked by stale locks too: only unlock may say that they are", async () => {
    const scene = new Scene();
    await scene.plant(true, 5 * 24 * 60 * minuteMs);
    expect(await failureOf(scene.acquire(false))).to.have.property("code", "locked");
  });

  it("lets at most one of two racers have an exclusive lock", async () => {
    const scene = new Scene();
    // Both look before either has written; then each looks again.
    const racers = await Promise.all([scene.acquire(true), scene.acquire(true)]);
    expect(scene.lockIds).to.have.length(2);
    const confirmed = Promise.allSettled(racers.map((lock) => lock.confirmed));
    await scene.clock.advance(200);
    const [first, second] = await confirmed;
    expect(first).to.have.nested.property("reason.code", "locked");
    expect(racers[0]?.signal.reason).to.have.property("code", "locked");
    // The second looked only after the first had backed off.
    expect(second?.status).to.equal("fulfilled");
    expect(scene.lockIds).to.deep.equal([racers[1]?.id]);
    await racers[1]?.release();
    expect(scene.clock.pendingTimers).to.equal(0);
  });

  it("makes both racers back off when each sees the other", async () => {
    const scene = new Scene();
    // Removals take a moment, so that both are still listed when the second looks.
    const slow = (): Repository =>
      scene.program((call) => (call.name === "remove" ? { delay: scene.clock.pause(50) } : undefined));
    const racers = await Promise.all([
      scene.acquire(true, { repository: slow() }),
      scene.acquire(true, { repository: slow() }),
    ]);
    const confirmed = Promise.allSettled(racers.map((lock) => lock.confirmed));
    await scene.clock.advance(300);
    for (const outcome of await confirmed) expect(outcome).to.have.nested.property("reason.code", "locked");
    expect(scene.lockIds).to.deep.equal([]);
  });

  it("lets racers for shared locks both have them", async () => {
    const scene = new Scene();
    const locks = await Promise.all([scene.acquire(false), scene.acquire(false)]);
    await scene.clock.advance(200);
    await Promise.all(locks.map((lock) => lock.confirmed));
    await Promise.all(locks.map((lock) => lock.release()));
    expect(scene.lockIds).to.deep.equal([]);
  });

  it("admits no write before it is confirmed, and none at all when it is not", async () => {
    const scene = new Scene();
    const [winner, loser] = [scene.program(), scene.program()];
    const lock = await scene.acquire(false, { repository: winner });
    winner.guardWith(lock);
    const handle = { type: "data", id: "0".repeat(64) } as const;
    const saved = winner.backend.save(handle, new Uint8Array(1));
    await settle();
    expect(scene.files.has(`data/00/${handle.id}`)).to.equal(false);
    await scene.clock.advance(200);
    await saved;
    expect(scene.files.has(`data/00/${handle.id}`)).to.equal(true);

    const late = scene.acquire(true, { repository: loser });
    expect(await failureOf(late)).to.have.property("code", "locked");
    await lock.release();
    const exclusive = await scene.acquire(true, { repository: loser });
    loser.guardWith(exclusive);
    await scene.plant(true);
    const removed = loser.backend.remove(handle);
    const failure = failureOf(removed);
    await scene.clock.advance(200);
    expect(await failure).to.have.property("code", "locked");
    expect(scene.files.has(`data/00/${handle.id}`)).to.equal(true);
  });

  it("admits no write after its release", async () => {
    const scene = new Scene();
    const repository = scene.program();
    const lock = await scene.hold(false, { repository });
    repository.guardWith(lock);
    await lock.release();
    expect(await failureOf(repository.saveDocument("index", utf8Encode("{}")))).to.have.property("code", "internal");
  });

  it("returns only when it is confirmed if looking and writing took so long that another might have missed it", async () => {
    const scene = new Scene();
    const repository = scene.program((call) =>
      call.name === "save" && call.type === "locks" ? { delay: scene.clock.pause(160) } : undefined,
    );
    let isTaken = false;
    const taken = scene.acquire(true, { repository }).then((lock) => {
      isTaken = true;
      return lock;
    });
    await scene.clock.advance(200);
    expect(scene.lockIds).to.have.length(1);
    expect(isTaken).to.equal(false);
    await scene.clock.advance(160);
    expect(isTaken).to.equal(true);
    await (await taken).release();
  });

  it("ignores empty lock files", async () => {
    const scene = new Scene();
    scene.files.set(`locks/${"ab".repeat(32)}`, new Uint8Array(0));
    const lock = await scene.hold(true);
    await lock.release();
    expect(scene.lockIds).to.deep.equal(["ab".repeat(32)]);
  });

  it("tries locks that cannot be read again after 5, 10 and 20 s, then says what to do", async () => {
    const scene = new Scene();
    scene.files.set(`locks/${"ab".repeat(32)}`, utf8Encode("nonsense"));
    const failure = failureOf(scene.acquire(false));
    await scene.clock.advance(34_999);
    expect(scene.clock.pauses).to.deep.equal([5000, 10_000, 20_000]);
    await scene.clock.advance(1);
    const error = await failure;
    expect(error).to.have.property("code", "damaged");
    expect(error.message).to.match(/^invalid lock file: .*invalid data returned\n.*unlock --remove-all/);
    expect(scene.changes).to.deep.equal([]);
  });

  it("takes the lock when an unreadable one can be read, or is gone, after a while", async () => {
    const scene = new Scene();
    const path = `locks/${"ab".repeat(32)}`;
    scene.files.set(path, utf8Encode("nonsense"));
    const taken = scene.acquire(false);
    await scene.clock.advance(14_000);
    scene.files.delete(path);
    await scene.clock.advance(1200);
    await (await taken).release();
  });

  it("does not read a lock again that it has read before", async () => {
    const scene = new Scene();
    const other = await scene.plant(false);
    scene.files.set(`locks/${"ab".repeat(32)}`, utf8Encode("nonsense"));
    scene.calls.length = 0;
    const failure = failureOf(scene.acquire(false));
    await scene.clock.advance(35_000);
    await failure;
    const loads = scene.calls.filter(({ name, id }) => name === "load" && id === other);
    expect(loads).to.have.length(1);
  });

  it("looks again when a lock vanishes while it is read, for its successor may not have been in the list", async () => {
    const scene = new Scene();
    const old = await scene.plant(true);
    let successor = "";
    const repository = scene.program((call) => {
      if (call.name !== "load" || call.id !== old) return undefined;
      // The owner refreshes its lock between our list and our read.
      const refreshed = scene.plant(true).then((id) => {
        successor = id;
        scene.files.delete(`locks/${old}`);
      });
      return { delay: refreshed };
    });
    const error = await failureOf(scene.acquire(false, { repository }));
    expect(error).to.have.property("code", "locked");
    expect(error.message).to.contain(`storage ID ${successor.slice(0, 8)}`);
    expect(scene.clock.pauses).to.deep.equal([]);
  });

  it("waits for another lock as long as it is told: after 5 and 10 s, up to 60, and once at the very end", async () => {
    const scene = new Scene();
    await scene.plant(true);
    const conflicts: string[] = [];
    scene.calls.length = 0;
    const failure = failureOf(
      scene.acquire(false, { retryForMs: 18_000, onConflict: ({ code }) => conflicts.push(code) }),
    );
    await scene.clock.advance(17_999);
    expect(scene.calls.filter(({ name }) => name === "list")).to.have.length(3);
    await scene.clock.advance(1);
    expect(await failure).to.have.property("code", "locked");
    expect(scene.calls.filter(({ name }) => name === "list")).to.have.length(4);
    expect(scene.clock.pauses).to.deep.equal([5000, 10_000, 3000]);
    expect(conflicts).to.deep.equal(["locked"]);
  });

  it("doubles the pauses to 60 s, and begins with less if it may wait less", async () => {
    const scene = new Scene();
    await scene.plant(true);
    const failure = failureOf(scene.acquire(false, { retryForMs: 4 * minuteMs }));
    await scene.clock.advance(4 * minuteMs);
    await failure;
    expect(scene.clock.pauses).to.deep.equal([5000, 10_000, 20_000, 40_000, 60_000, 60_000, 45_000]);

    const hasty = new Scene();
    await hasty.plant(true);
    const hastyFailure = failureOf(hasty.acquire(false, { retryForMs: 2000 }));
    await hasty.clock.advance(2000);
    await hastyFailure;
    expect(hasty.clock.pauses).to.deep.equal([2000]);
  });

  it("takes the lock as soon as the other is gone, confirmed", async () => {
    const scene = new Scene();
    const other = await scene.plant(true);
    const taken = scene.acquire(true, { retryForMs: minuteMs });
    await scene.clock.advance(6000);
    scene.files.delete(`locks/${other}`);
    await scene.clock.advance(9200);
    const lock = await taken;
    await lock.confirmed;
    expect(scene.lockIds).to.deep.equal([lock.id]);
    await lock.release();
  });

  it("tries again when a racer came first, if it may wait", async () => {
    const scene = new Scene();
    const taken = scene.acquire(true, { retryForMs: minuteMs });
    await settle();
    const other = await scene.plant(true);
    await scene.clock.advance(1000);
    expect(scene.lockIds).to.deep.equal([other]);
    scene.files.delete(`locks/${other}`);
    await scene.clock.advance(5000);
    await (await taken).release();
  });

  it("says why the lock cannot be written, and leaves nothing behind when the answer was lost", async () => {
    const scene = new Scene();
    const refusing = scene.program((call) =>
      call.name === "save" ? { before: new CofferError("forbidden", "open locks/x: permission denied") } : undefined,
    );
    const refused = await failureOf(scene.acquire(false, { repository: refusing }));
    expect(refused).to.have.property("code", "forbidden");
    expect(refused.message).to.equal("unable to create lock in backend: open locks/x: permission denied");

    const forgetful = scene.program((call) =>
      call.name === "save" ? { after: new CofferError("unavailable", "the line is dead") } : undefined,
    );
    expect(await failureOf(scene.acquire(false, { repository: forgetful }))).to.have.property("code", "unavailable");
    expect(scene.lockIds).to.deep.equal([]);
    expect(scene.warnings).to.deep.equal([]);
    expect(scene.clock.pendingTimers).to.equal(0);
  });

  it("ends when it is cancelled, wherever it is, and leaves nothing behind", async () => {
    for (const delayMs of [0, 100]) {
      const scene = new Scene();
      const cancellation = new AbortController();
      const lock = await scene.acquire(false, { signal: cancellation.signal });
      await scene.clock.advance(delayMs);
      cancellation.abort();
      expect(await failureOf(lock.confirmed)).to.have.property("code", "cancelled");
      expect(scene.lockIds).to.deep.equal([]);
      expect(scene.clock.pendingTimers).to.equal(0);
    }
    const waiting = new Scene();
    await waiting.plant(true);
    const cancellation = new AbortController();
    const failure = failureOf(waiting.acquire(true, { retryForMs: minuteMs, signal: cancellation.signal }));
    await waiting.clock.advance(7000);
    cancellation.abort();
    expect(await failure).to.have.property("code", "cancelled");
    expect(waiting.clock.pendingTimers).to.equal(0);
  });
});

describe("keeping a lock", () => {
  it("refreshes it every five minutes: first the new file, then the old one away", async () => {
    const scene = new Scene();
    const repository = scene.program();
    const lock = await scene.hold(true, { repository });
    const first = lock.id ?? "";
    await scene.clock.advance(5 * minuteMs - 1200);
    expect(scene.lockIds).to.deep.equal([first]);
    scene.calls.length = 0;
    await scene.clock.advance(2000);
    expect(scene.changes).to.deep.equal(["save", "remove"]);
    const second = lock.id ?? "";
    expect(scene.lockIds).to.deep.equal([second]);
    expect(second).not.to.equal(first);
    const { lock: stored } = await loadLock(repository, second);
    const age = parseTime(stored.time).unixNs - parseTime("2026-01-02T03:04:05Z").unixNs;
    expect(Number(age / 1_000_000n)).to.be.within(5 * minuteMs, 5 * minuteMs + 1500);
    expect(stored).to.include({ exclusive: true, hostname: "machine", pid: 4711 });
    await scene.clock.advance(5 * minuteMs);
    expect(scene.lockIds).to.have.length(1).and.not.to.include(second);
    await lock.release();
    expect(scene.lockIds).to.deep.equal([]);
  });

  it("tries a failed refresh again a minute later, and removes what is left over", async () => {
    const scene = new Scene();
    let isDown = false;
    const repository = scene.program((call) =>
      isDown && call.type === "locks" ? { before: new CofferError("unavailable", "no route to host") } : undefined,
    );
    const lock = await scene.hold(false, { repository });
    isDown = true;
    await scene.clock.advance(6 * minuteMs);
    expect(scene.warnings).to.include("unable to refresh lock: no route to host");
    isDown = false;
    await scene.clock.advance(minuteMs);
    expect(lock.signal.aborted).to.equal(false);
    expect(scene.lockIds).to.deep.equal([lock.id]);
    await lock.release();
  });

  it("removes an old file that could not be removed at once with the next refresh", async () => {
    const scene = new Scene();
    let fails = true;
    const repository = scene.program((call) =>
      fails && call.name === "remove" ? { before: new CofferError("unavailable", "busy") } : undefined,
    );
    const lock = await scene.hold(false, { repository });
    await scene.clock.advance(5.1 * minuteMs);
    expect(scene.lockIds).to.have.length(2);
    fails = false;
    await scene.clock.advance(5 * minuteMs);
    expect(scene.lockIds).to.deep.equal([lock.id]);
    await lock.release();
  });

  it("is won back after a sleep if nobody removed it, while all writes wait", async () => {
    const scene = new Scene();
    const repository = scene.program();
    const lock = await scene.hold(true, { repository });
    repository.guardWith(lock);
    const old = lock.id;
    scene.clock.suspend(40 * minuteMs);
    scene.calls.length = 0;
    // The first thing after the sleep is a write, before any timer has noticed.
    const handle = { type: "data", id: "0".repeat(64) } as const;
    let isSaved = false;
    const saved = repository.backend.save(handle, new Uint8Array(1)).then(() => {
      isSaved = true;
    });
    await scene.clock.advance(199);
    expect(isSaved).to.equal(false);
    expect(scene.lockIds).to.have.length(2).and.to.include(old);
    await scene.clock.advance(1);
    await saved;
    expect(scene.calls.map(({ name }) => name)).to.deep.equal(["list", "save", "list", "remove"]);
    expect(scene.lockIds).to.deep.equal([lock.id]);
    expect(lock.signal.aborted).to.equal(false);
    await lock.release();
  });

  it("is lost when another program removed it meanwhile", async () => {
    const scene = new Scene();
    const repository = scene.program();
    const lock = await scene.hold(false, { repository });
    repository.guardWith(lock);
    scene.clock.suspend(23 * minuteMs);
    scene.files.delete(`locks/${lock.id}`);
    await scene.clock.advance(1000);
    expect(lock.signal.reason).to.have.property("code", "lock-lost");
    expect(lock.signal.reason.message).to.equal("failed to refresh lock in time");
    expect(scene.lockIds).to.deep.equal([]);
    const handle = { type: "data", id: "0".repeat(64) } as const;
    expect(await failureOf(repository.backend.save(handle, new Uint8Array(1)))).to.have.property("code", "lock-lost");
    expect(await failureOf(repository.backend.remove(handle))).to.have.property("code", "lock-lost");
    expect(scene.clock.pendingTimers).to.equal(0);
  });

  it("is lost when it is removed during the 200 ms of winning it back", async () => {
    const scene = new Scene();
    const lock = await scene.hold(false);
    scene.clock.suspend(23 * minuteMs);
    await scene.clock.advance(900);
    expect(scene.lockIds).to.have.length(2);
    scene.files.delete(`locks/${lock.id}`);
    await scene.clock.advance(200);
    expect(lock.signal.reason).to.have.property("code", "lock-lost");
    expect(scene.lockIds).to.deep.equal([]);
  });

  it("is lost when it could not be refreshed for 22.5 minutes, and not before", async () => {
    const scene = new Scene();
    let isDown = false;
    const repository = scene.program((call) =>
      isDown && call.type === "locks" ? { before: new CofferError("unavailable", "no route to host") } : undefined,
    );
    const lock = await scene.hold(false, { repository });
    isDown = true;
    await scene.clock.advance(22.5 * minuteMs - 1300);
    expect(lock.signal.aborted).to.equal(false);
    await scene.clock.advance(2000);
    expect(lock.signal.reason).to.have.property("code", "lock-lost");
    expect(lock.signal.reason).to.have.nested.property("cause.message", "no route to host");
  });

  it("is not lost by a refresh that hangs, if the storage answers again in time", async () => {
    const scene = new Scene();
    let hangs = false;
    const repository = scene.program((call) =>
      hangs && call.name === "save" ? { delay: scene.clock.pause(20 * minuteMs) } : undefined,
    );
    const lock = await scene.hold(false, { repository });
    hangs = true;
    await scene.clock.advance(6 * minuteMs);
    hangs = false;
    // The request that was sent after five minutes ends after 25; by then the lock counts as stale.
    await scene.clock.advance(22 * minuteMs);
    expect(lock.signal.aborted).to.equal(false);
    expect(scene.lockIds).to.deep.equal([lock.id]);
    await lock.release();
    expect(scene.lockIds).to.deep.equal([]);
  });

  it("does not trust a wall clock that was set back", async () => {
    const scene = new Scene();
    const lock = await scene.hold(false);
    const first = lock.id;
    scene.clock.suspend(-60 * minuteMs);
    await scene.clock.advance(5.1 * minuteMs);
    expect(lock.id).not.to.equal(first);
    await lock.release();
  });
});

describe("releasing a lock", () => {
  it("may be asked for twice, and before the lock is confirmed", async () => {
    const scene = new Scene();
    const lock = await scene.acquire(false);
    await Promise.all([lock.release(), lock.release()]);
    expect(scene.lockIds).to.deep.equal([]);
    expect(await failureOf(lock.confirmed)).to.have.property("code", "cancelled");
    expect(lock.signal.aborted).to.equal(false);
    expect(scene.clock.pendingTimers).to.equal(0);
  });

  it("waits for a refresh that is under way, so that its file is removed too", async () => {
    const scene = new Scene();
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    let isSlow = false;
    const repository = scene.program((call) => (isSlow && call.name === "save" ? { delay: gate } : undefined));
    const lock = await scene.hold(false, { repository });
    isSlow = true;
    await scene.clock.advance(5.1 * minuteMs);
    const released = lock.release();
    await settle();
    expect(scene.lockIds).to.have.length(1);
    open();
    await released;
    expect(scene.lockIds).to.deep.equal([]);
  });

  it("gives up after a minute, with a warning", async () => {
    const scene = new Scene();
    const repository = scene.program((call) =>
      call.name === "remove" ? { delay: scene.clock.pause(90_000) } : undefined,
    );
    const lock = await scene.hold(false, { repository });
    const released = lock.release();
    await scene.clock.advance(91_000);
    await released;
    expect(scene.warnings).to.have.length(1);
    expect(scene.warnings[0]).to.match(/^unable to remove lock [0-9a-f]{8}: it took longer than a minute$/);
    expect(scene.clock.pendingTimers).to.equal(0);
  });

  it("turns a failure into a warning", async () => {
    const scene = new Scene();
    const repository = scene.program((call) =>
      call.name === "remove" ? { before: new CofferError("forbidden", "permission denied") } : undefined,
    );
    const lock = await scene.hold(false, { repository });
    await lock.release();
    expect(scene.warnings[0]).to.equal(`unable to remove lock ${lock.id?.slice(0, 8)}: permission denied`);
  });
});
