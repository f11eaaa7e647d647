import { expect } from "chai";
import { type RetryPolicy, withRetries } from "../../../../server/storage/s3/retry.ts";
import { CofferError } from "../../../../shared/errors.ts";
import { expectError } from "../../../conformance/storage.ts";

const transient = { isTransient: true, isDoubtful: false };

function failure(store: object = transient): CofferError {
  return new CofferError("unavailable", "busy", { data: { store } });
}

describe("repeating requests", () => {
  let pauses: number[];
  let policy: RetryPolicy;

  beforeEach(() => {
    pauses = [];
    let nowMs = 0;
    policy = {
      attempts: 6,
      firstPauseMs: 100,
      longestPauseMs: 1_000,
      totalMs: 10_000,
      random: () => 0.5,
      now: () => nowMs,
      pause: async (ms) => {
        pauses.push(ms);
        nowMs += ms;
      },
    };
  });

  function failing(times: number, error: Error): () => Promise<string> {
    let rest = times;
    return async () => {
      rest -= 1;
      if (rest >= 0) throw error;
      return "done";
    };
  }

  it("goes on until it succeeds, with pauses that grow to a limit and are drawn from zero", async () => {
    expect(await withRetries(policy, failing(5, failure()))).to.equal("done");
    expect(pauses).to.deep.equal([50, 100, 200, 400, 500]);
  });

  it("gives up after its attempts, with the last error", async () => {
    const error = await expectError(withRetries(policy, failing(6, failure())), "unavailable");
    expect(error.message).to.equal("busy (tried 6 times)");
    expect(error.data["store"]).to.deep.equal(transient);
  });

  it("waits as long as the store asks, within limits", async () => {
    await withRetries(policy, failing(1, failure({ ...transient, retryAfterMs: 700 })));
    await withRetries(policy, failing(1, failure({ ...transient, retryAfterMs: 3_600_000 })));
    expect(pauses).to.deep.equal([700, 1_000]);
  });

  it("begins no attempt when the time is over", async () => {
    policy = { ...policy, attempts: 1_000, totalMs: 1_500 };
    await expectError(withRetries(policy, failing(1_000, failure())), "unavailable");
    expect(pauses.reduce((sum, ms) => sum + ms, 0)).to.be.within(1_500, 2_000);
  });

  it("repeats nothing else", async () => {
    const refused = failure({ isTransient: false, isDoubtful: false });
    for (const error of [refused, new CofferError("not-found", "x"), new Error("x")]) {
      expect(await withRetries(policy, failing(1, error)).catch((reason: unknown) => reason)).to.equal(error);
    }
    expect(pauses).to.deep.equal([]);
  });
});
