/** When what was never counted is counted again. The clock is the test's. */
import { expect } from "chai";
import { FirstCount } from "../../../server/quota/first-count.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const minuteMs = 60_000;

describe("a first count", () => {
  let clock: FakeClock;
  let attempts: number;
  let counted: number;
  let isNeeded: boolean;
  let succeeds: boolean;
  let hasCounted: boolean;
  let count: FirstCount;

  beforeEach(() => {
    clock = new FakeClock();
    [attempts, counted] = [0, 0];
    [isNeeded, succeeds, hasCounted] = [true, false, false];
    const recount = {
      get hasCounted() {
        return hasCounted;
      },
      run: async () => {
        attempts += 1;
        hasCounted ||= succeeds;
        return succeeds;
      },
    };
    count = new FirstCount({
      recount,
      isNeeded: () => isNeeded,
      after: (delayMs, callback) => void clock.pause(delayMs).then(callback),
      onCounted: () => {
        counted += 1;
      },
    });
  });

  it("is tried again after pauses that grow to an hour", async () => {
    await count.start();
    await clock.advance(300 * minuteMs);
    expect(clock.pauses.map((pauseMs) => pauseMs / minuteMs)).to.deep.equal([1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    expect([attempts, counted]).to.deep.equal([10, 0]);
    succeeds = true;
    await clock.advance(60 * minuteMs);
    expect([attempts, counted, clock.pendingTimers]).to.deep.equal([11, 1, 0]);
  });

  it("is not needed when the regular count has succeeded, or nothing is limited any more", async () => {
    await count.start();
    hasCounted = true;
    await clock.advance(minuteMs);
    expect([attempts, counted, clock.pendingTimers]).to.deep.equal([1, 1, 0]);
    hasCounted = false;
    await count.start();
    isNeeded = false;
    await clock.advance(minuteMs);
    expect([attempts, counted, clock.pendingTimers]).to.deep.equal([2, 1, 0]);
  });

  it("begins anew with each start, and only the last one goes on", async () => {
    await count.start();
    await clock.advance(20 * minuteMs);
    expect(attempts).to.equal(5);
    await count.start();
    await clock.advance(minuteMs);
    expect(attempts).to.equal(7);
    await clock.advance(14 * minuteMs);
    expect(attempts).to.equal(10);
  });

  it("that fails when there was one before is left to the regular count", async () => {
    hasCounted = true;
    await count.start();
    expect([attempts, counted, clock.pendingTimers]).to.deep.equal([1, 0, 0]);
  });
});
