import { expect } from "chai";
import fc from "fast-check";
import { FailureCounts } from "../../../server/auth/failure-counts.ts";
import { type Admission, MemoryLoginThrottle } from "../../../server/auth/login-throttle.ts";

describe("MemoryLoginThrottle", () => {
  let nowMs: number;
  let throttle: MemoryLoginThrottle;

  beforeEach(() => {
    nowMs = 0;
    throttle = new MemoryLoginThrottle(() => nowMs);
  });

  async function fail(user: string, clientAddress: string): Promise<Admission> {
    const admission = await throttle.admit({ user, clientAddress });
    if (admission.isAdmitted) await throttle.settle({ user, clientAddress }, "wrong");
    return admission;
  }

  async function succeed(user: string, clientAddress: string): Promise<Admission> {
    const admission = await throttle.admit({ user, clientAddress });
    if (admission.isAdmitted) await throttle.settle({ user, clientAddress }, "right");
    return admission;
  }

  const atOnce = { isAdmitted: true, delayMs: 0 };

  it("lets a few wrong passwords pass, then makes each one wait longer, then refuses", async () => {
    const delays: number[] = [];
    for (let i = 0; i < 20; i++) {
      const admission = await fail("alice", "192.0.2.7");
      if (admission.isAdmitted) delays.push(admission.delayMs);
    }
    expect(delays).to.deep.equal([
      ...Array<number>(5).fill(0),
      500,
      1_000,
      2_000,
      4_000,
      ...Array<number>(11).fill(8_000),
    ]);
    expect(await fail("alice", "192.0.2.7")).to.deep.equal({ isAdmitted: false, retryAfterMs: 30_000 });
    // Asking in vain does not make it longer.
    nowMs += 10_000;
    expect(await fail("alice", "192.0.2.7")).to.deep.equal({ isAdmitted: false, retryAfterMs: 20_000 });
    nowMs += 20_000;
    expect((await fail("alice", "192.0.2.7")).isAdmitted).to.equal(true);
  });

  it("counts attempts that have no answer yet, so that many at once gain nothing", async () => {
    const admissions = await Promise.all(
      Array.from({ length: 100 }, () => throttle.admit({ user: "alice", clientAddress: "192.0.2.7" })),
    );
    expect(admissions.filter(({ isAdmitted }) => isAdmitted)).to.have.length(20);
  });

  it("forgets the failures of who knows the password, and with time those of everybody", async () => {
    for (let i = 0; i < 6; i++) await fail("alice", "192.0.2.7");
    expect(await succeed("alice", "192.0.2.7")).to.deep.equal({ isAdmitted: true, delayMs: 1_000 });
    expect(await fail("alice", "192.0.2.7")).to.deep.equal(atOnce);
    for (let i = 0; i < 20; i++) await fail("bob", "192.0.2.7");
    nowMs += 20 * 30_000;
    expect(await fail("bob", "192.0.2.7")).to.deep.equal(atOnce);
  });

  it("never locks a user out from where nobody guesses", async () => {
    await succeed("alice", "198.51.100.1");
    for (let network = 0; network < 50; network++) {
      for (let i = 0; i < 30; i++) await fail("alice", `203.0.113.${network}`);
    }
    expect(await succeed("alice", "198.51.100.1")).to.deep.equal(atOnce);
    // From a place that is new, the storm costs a second.
    expect(await succeed("alice", "198.51.100.2")).to.deep.equal({ isAdmitted: true, delayMs: 1_000 });
    expect(await succeed("alice", "198.51.100.2")).to.deep.equal(atOnce);
    expect(await fail("bob", "198.51.100.2")).to.deep.equal(atOnce);
  });

  it("stops who tries many names from one network, but not the neighbours who have logged in before", async () => {
    await succeed("alice", "192.0.2.7");
    const admissions: Admission[] = [];
    for (let i = 0; i < 200; i++) admissions.push(await fail(`user${i}`, "192.0.2.7"));
    expect(admissions.slice(0, 30).every((each) => each.isAdmitted && each.delayMs === 0)).to.equal(true);
    expect(admissions.slice(30, 150).every((each) => each.isAdmitted && each.delayMs === 1_000)).to.equal(true);
    expect(admissions.slice(150).some((each) => each.isAdmitted)).to.equal(false);
    expect(await succeed("alice", "192.0.2.7")).to.deep.equal(atOnce);
    expect(await succeed("bob", "192.0.2.8")).to.deep.equal(atOnce);
  });

  it("does not let one good password pay for guessing others", async () => {
    for (let i = 0; i < 200; i++) {
      await fail(`user${i}`, "192.0.2.7");
      await succeed("mallory", "192.0.2.7");
    }
    expect((await fail("alice", "192.0.2.7")).isAdmitted).to.equal(false);
  });

  it("takes all addresses of a /64 of IPv6 for one", async () => {
    for (let i = 0; i < 20; i++) await fail("alice", `2001:db8::${i.toString(16)}`);
    expect((await fail("alice", "2001:db8::ffff:1")).isAdmitted).to.equal(false);
    expect(await fail("alice", "2001:db8:0:1::1")).to.deep.equal(atOnce);
  });

  it("takes back what turned out to be no attempt", async () => {
    for (let i = 0; i < 500; i++) {
      expect(await throttle.admit({ user: "alice", clientAddress: "192.0.2.7" })).to.deep.equal(atOnce);
      await throttle.settle({ user: "alice", clientAddress: "192.0.2.7" }, "aborted");
    }
  });

  it("treats users that do not exist like all others: it does not know them", async () => {
    const one: Admission[] = [];
    const other: Admission[] = [];
    for (let i = 0; i < 25; i++) {
      one.push(await fail("alice", "192.0.2.1"));
      other.push(await fail("nobody at all", "192.0.2.2"));
    }
    expect(one).to.deep.equal(other);
  });

  it("keeps no more than it may, whatever names come", async () => {
    const small = new FailureCounts(1_000, 100, () => nowMs);
    for (let i = 0; i < 1_000; i++) small.add(`key${i}`);
    expect(small.size).to.equal(100);
    expect(small.msUntilBelow("key999", 1)).to.equal(1_000);
    expect(small.msUntilBelow("key0", 1)).to.equal(0);
    await fail("x".repeat(40_000), "192.0.2.7");
    for (let i = 0; i < 5; i++) await fail("x".repeat(40_000), "192.0.2.7");
    expect(await fail("x".repeat(40_001), "192.0.2.7")).to.deep.equal(atOnce);
  });

  it("admits no more in any time than the failures that were free and those forgotten meanwhile", async () => {
    const steps = fc.array(fc.nat(60_000), { minLength: 1, maxLength: 120 });
    await fc.assert(
      fc.asyncProperty(steps, async (pauses) => {
        let clockMs = 0;
        const own = new MemoryLoginThrottle(() => clockMs);
        let admitted = 0;
        for (const pause of pauses) {
          clockMs += pause;
          const attempt = { user: "alice", clientAddress: "192.0.2.7" };
          const admission = await own.admit(attempt);
          if (!admission.isAdmitted) continue;
          admitted += 1;
          await own.settle(attempt, "wrong");
          expect(admitted).to.be.at.most(20 + clockMs / 30_000 + 1e-6);
        }
      }),
    );
  });
});
