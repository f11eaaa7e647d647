import { expect } from "chai";
import { forEachConcurrently } from "../../../client/repository/concurrency.ts";
import { failureOf } from "../../support/memory-repository.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("bounded concurrency", () => {
  it("runs every item once, and never more than the limit at a time", async () => {
    for (const limit of [1, 3, 100]) {
      let running = 0;
      let most = 0;
      const done: number[] = [];
      await forEachConcurrently([0, 1, 2, 3, 4, 5, 6], limit, async (item) => {
        most = Math.max(most, ++running);
        await turn();
        done.push(item);
        running--;
      });
      expect(most).to.equal(Math.min(limit, 7));
      expect(done.sort()).to.deep.equal([0, 1, 2, 3, 4, 5, 6]);
    }
    await forEachConcurrently([], 5, () => expect.fail("there is nothing to do"));
  });

  it("begins nothing after a failure, and fails when what was running has settled", async () => {
    const begun: number[] = [];
    let hasSettled = false;
    const failure = await failureOf(
      forEachConcurrently([0, 1, 2, 3], 2, async (item) => {
        begun.push(item);
        if (item === 0) throw new Error("the first");
        await turn();
        hasSettled = true;
        throw new Error("a later one");
      }),
    );
    expect(failure.message).to.equal("the first");
    expect(begun).to.deep.equal([0, 1]);
    expect(hasSettled).to.equal(true);
  });
});
