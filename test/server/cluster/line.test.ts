import { expect } from "chai";
import { type Channel, Line } from "../../../server/cluster/line.ts";
import { CofferError } from "../../../shared/errors.ts";
import { expectError } from "../../conformance/storage.ts";
import { channelPair } from "../../support/channel-pair.ts";

/** A type and not an interface: an offer has no further names. */
type Calculator = {
  divide(dividend: number, divisor: number): Promise<number>;
  remember(number: number): void;
  remembered(): number;
  hang(): Promise<void>;
};

describe("a line between processes", () => {
  let channels: [Channel, Channel];
  let line: Line<Calculator>;
  let memory: number;

  beforeEach(() => {
    memory = 0;
    channels = channelPair();
    const offer: Calculator = {
      divide: async (dividend, divisor) => {
        if (divisor === 0) throw new CofferError("malformed", "no zero", { data: { dividend } });
        return dividend / divisor;
      },
      remember: (number) => {
        memory = number;
      },
      remembered: () => memory,
      hang: () => new Promise(() => undefined),
    };
    new Line(channels[0], offer);
    line = new Line<Calculator>(channels[1], {});
  });

  it("answers each call with its own result, also what JSON cannot say", async () => {
    const calls = [line.call("divide", 6, 2), line.call("divide", 1, 4), line.call("divide", Number.NaN, 1)];
    expect(await Promise.all(calls)).to.deep.equal([3, 0.25, Number.NaN]);
  });

  it("brings errors with their codes and data", async () => {
    const error = await line.call("divide", 7, 0).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(CofferError).with.property("message", "no zero");
    expect(error).to.have.property("code", "malformed");
    expect(error).to.have.property("data").that.deep.equals({ dividend: 7 });
  });

  it("brings mistakes with their stacks, as internal errors", async () => {
    const [one, other] = channelPair();
    new Line(one, {
      fail: () => {
        throw new TypeError("nobody expected this");
      },
    });
    const failing = new Line<{ fail(): void }>(other, {});
    const error = await failing.call("fail").catch((reason: unknown) => reason);
    expect(error).to.have.property("code", "internal");
    expect((error as Error).message).to.match(/nobody expected this\n\s+at /);
  });

  it("tells without an answer, in order", async () => {
    line.tell("remember", 5);
    line.tell("remember", 6);
    expect(await line.call("remembered")).to.equal(6);
  });

  it("refuses names that are not offered", async () => {
    await expectError((line as unknown as Line<{ subtract(): void }>).call("subtract"), "internal");
    await expectError((line as unknown as Line<{ toString(): string }>).call("toString"), "internal");
  });

  it("leaves messages of others alone", async () => {
    for (const message of [undefined, null, 7, "call", {}, { kind: "other" }]) channels[0].send(message);
    expect(await line.call("divide", 4, 2)).to.equal(2);
  });

  it("ends for everybody who waits, and for those who come later", async () => {
    const waiting = line.call("hang");
    line.end();
    await expectError(waiting, "unavailable");
    await expectError(line.call("divide", 4, 2), "unavailable");
    line.tell("remember", 9);
    await new Promise((resolve) => setImmediate(resolve));
    expect(memory).to.equal(0);
  });
});
