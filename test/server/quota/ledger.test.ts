import { expect } from "chai";
import fc from "fast-check";
import { parsePolicy } from "../../../server/policy/parse-policy.ts";
import { type QuotaLimits, quotaLimits } from "../../../server/quota/limits.ts";
import { LocalQuotaLedger } from "../../../server/quota/local-ledger.ts";
import { expectError } from "../../conformance/storage.ts";

async function limitsOf(quotas: string, maximumBytes?: number): Promise<QuotaLimits> {
  return quotaLimits(maximumBytes, (await parsePolicy(`rules: []\nquotas:\n${quotas}`, "p")).quotas);
}

describe("limits", () => {
  async function titlesOf(quotas: string, path: string): Promise<string[]> {
    const scopes = (await limitsOf(quotas))(path === "" ? [] : path.split("/"));
    return scopes.map(({ title, limitBytes }) => `${limitBytes} ${title.replace(/ \(.*/, "")}`);
  }

  it("hold for repositories, and for users by the folder of their name", async () => {
    const quotas = '  - {repositories: "{user}/**", per-user: 100, per-repository: 60}\n';
    expect(await titlesOf(quotas, "alice/x")).to.deep.equal(['60 repository "alice/x"', '100 user "alice"']);
    expect(await titlesOf(quotas, "alice")).to.deep.equal(['60 repository "alice"', '100 user "alice"']);
    expect(await titlesOf(quotas, "")).to.deep.equal([]);
  });

  it("hold for the users that are named", async () => {
    const quotas = '  - {users: [alice, bob], repositories: [shared, "{user}/**"], per-user: 100}\n';
    expect(await titlesOf(quotas, "alice/x")).to.deep.equal(['100 user "alice"']);
    expect(await titlesOf(quotas, "carol/x")).to.deep.equal([]);
    expect(await titlesOf(quotas, "shared")).to.deep.equal(['100 user "alice"', '100 user "bob"']);
  });

  it("hold all together", async () => {
    const quotas = '  - {repositories: "**", per-repository: 50}\n  - {repositories: "*", per-repository: 20}\n';
    expect(await titlesOf(quotas, "a")).to.deep.equal(['50 repository "a"', '20 repository "a"']);
    expect(await titlesOf(quotas, "")).to.deep.equal(['50 repository ""']);
  });
});

describe("LocalQuotaLedger", () => {
  it("sets aside, counts and gives back", async () => {
    const ledger = new LocalQuotaLedger(quotaLimits(100, []));
    ledger.record(["a"], 30);
    ledger.record(undefined, 10);
    const reservation = await ledger.reserve("b", 50, "content");
    await expectError(ledger.reserve("c", 11, "content"), "out-of-space");
    await reservation.grow(10);
    await expectError(reservation.grow(1), "out-of-space");
    await reservation.settle(20);
    await reservation.settle(0);
    expect(ledger.usedBytes).to.equal(60);
    const failed = await ledger.reserve("c", 40, "content");
    await failed.settle(0);
    expect(ledger.usedBytes).to.equal(60);
    const removal = await ledger.beginRemoval("a", "data/x", "content");
    await removal.end(30);
    await removal.end(30);
    expect([ledger.usedBytes, ledger.usedBy("a"), ledger.usedBy("b")]).to.deep.equal([30, 0, 20]);
  });

  it("says whose limit was reached", async () => {
    const ledger = new LocalQuotaLedger(
      await limitsOf('  - {name: home, repositories: "{user}/**", per-user: 1KiB}\n'),
    );
    const error = await expectError(ledger.reserve("alice/x", 2000, "content"), "out-of-space");
    expect(error.message).to.equal(
      'user "alice" (quota "home" (line 3)) may hold 1 KiB: 0 bytes are used, 2000 bytes more were wanted',
    );
  });

  it("adds up the repositories of a user, and nobody else's", async () => {
    const ledger = new LocalQuotaLedger(await limitsOf('  - {repositories: "{user}/**", per-user: 100}\n'));
    ledger.record(["alice", "x"], 60);
    await expectError(ledger.reserve("alice/y", 41, "content"), "out-of-space");
    await ledger.reserve("bob/x", 100, "content");
    await ledger.reserve("alice/y", 40, "content");
    await expectError(ledger.reserve("alice", 1, "content"), "out-of-space");
  });

  it("lets a full repository have its locks, within bounds, however far it is beyond its limit", async () => {
    const ledger = new LocalQuotaLedger(quotaLimits(10, []));
    ledger.record(["a"], 50_000_000);
    await expectError(ledger.reserve("a", 0, "content"), "out-of-space");
    const lock = await ledger.reserve("a", 200, "upkeep");
    await lock.settle(150);
    const another = await ledger.reserve("b", 16_777_216 - 150, "upkeep");
    await expectError(ledger.reserve("a", 1, "upkeep"), "out-of-space");
    await another.settle(0);
    await (await ledger.beginRemoval("a", "locks/x", "upkeep")).end(150);
    // One that an earlier process has stored makes no further room.
    await (await ledger.beginRemoval("a", "locks/y", "upkeep")).end(1000);
    await ledger.reserve("a", 16_777_216, "upkeep");
    await expectError(ledger.reserve("a", 1, "upkeep"), "out-of-space");
  });

  it("takes other limits for what is there already", async () => {
    const ledger = new LocalQuotaLedger(quotaLimits(undefined, []));
    ledger.record(["alice", "x"], 60);
    const running = await ledger.reserve("alice/y", 30, "content");
    ledger.useLimits(await limitsOf('  - {repositories: "{user}/**", per-user: 100}\n'));
    await expectError(ledger.reserve("alice/x", 11, "content"), "out-of-space");
    await running.settle(20);
    await ledger.reserve("alice/x", 20, "content");
    ledger.useLimits(await limitsOf('  - {repositories: "{user}/**", per-user: 10}\n'));
    await expectError(ledger.reserve("alice/x", 1, "content"), "out-of-space");
    ledger.useLimits(quotaLimits(undefined, []));
    await ledger.reserve("alice/x", 1e12, "content");
  });

  it("lets only one removal of a file count at a time", async () => {
    const ledger = new LocalQuotaLedger(quotaLimits(100, []));
    const first = await ledger.beginRemoval("a", "data/x", "content");
    const order: string[] = [];
    const second = ledger.beginRemoval("a", "data/x", "content").then(async (removal) => {
      order.push("second");
      await removal.end(0);
    });
    await (await ledger.beginRemoval("a", "data/y", "content")).end(0);
    await (await ledger.beginRemoval("b", "data/x", "content")).end(0);
    order.push("first");
    await first.end(0);
    await second;
    expect(order).to.deep.equal(["first", "second"]);
  });

  it("never goes beyond a limit and never forgets a byte, whatever happens in which order", () => {
    const steps = fc.array(
      fc.record({ repository: fc.constantFrom("alice/x", "alice/y", "bob"), bytes: fc.nat(60), kept: fc.boolean() }),
    );
    return fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const limits = await limitsOf('  - {repositories: "{user}/**", per-user: 100, per-repository: 70}\n', 150);
        const ledger = new LocalQuotaLedger(limits);
        const stored = new Map<string, number>();
        const sumOf = (prefix: string): number =>
          [...stored].reduce((sum, [name, bytes]) => sum + (name.startsWith(prefix) ? bytes : 0), 0);
        for (const { repository, bytes, kept } of list) {
          const wouldFit =
            sumOf(repository) + bytes <= 70 &&
            sumOf(repository.split("/")[0] ?? "") + bytes <= 100 &&
            sumOf("") + bytes <= 150;
          const reservation = await ledger.reserve(repository, bytes, "content").catch(() => undefined);
          expect(reservation !== undefined).to.equal(wouldFit);
          if (kept && reservation !== undefined) stored.set(repository, (stored.get(repository) ?? 0) + bytes);
          await reservation?.settle(kept ? bytes : 0);
          expect(ledger.usedBytes).to.equal(sumOf(""));
        }
      }),
    );
  });
});
