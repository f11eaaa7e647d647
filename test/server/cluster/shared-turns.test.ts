import { expect } from "chai";
import { Line } from "../../../server/cluster/line.ts";
import { RemoteNameTurns, TurnsAccount, type TurnsOffer } from "../../../server/cluster/shared-turns.ts";
import { LocalNameTurns, type NameTurns } from "../../../server/storage/name-turns.ts";
import { aWhile, describeNameTurns, hold } from "../../conformance/name-turns.ts";
import { expectError } from "../../conformance/storage.ts";
import { channelPair } from "../../support/channel-pair.ts";

interface Joined {
  readonly remote: RemoteNameTurns;
  /** The process is gone: its line has ended, and what it had is given back. */
  die(): void;
}

function join(turns: NameTurns): Joined {
  const [here, there] = channelPair();
  const account = new TurnsAccount(turns);
  new Line(here, account.offer);
  const line = new Line<TurnsOffer>(there, {});
  const die = (): void => {
    line.end();
    account.close();
  };
  return { remote: new RemoteNameTurns(line), die };
}

describeNameTurns("RemoteNameTurns", (views) => {
  const turns = new LocalNameTurns();
  return Array.from({ length: views }, () => join(turns).remote);
});

describe("turns that several processes share", () => {
  let one: Joined;
  let other: Joined;

  beforeEach(() => {
    const turns = new LocalNameTurns();
    [one, other] = [join(turns), join(turns)];
  });

  it("are never held by two processes at once", async () => {
    const first = hold(one.remote, "name");
    await first.begun;
    let hasBegun = false;
    const second = other.remote.run("name", async () => {
      hasBegun = true;
    });
    await aWhile();
    expect(hasBegun).to.equal(false);
    first.end();
    await Promise.all([first.done, second]);
    expect(hasBegun).to.equal(true);
  });

  it("are given back when a process is gone that holds them", async () => {
    const held = [hold(one.remote, "a"), hold(one.remote, "b")];
    await Promise.all(held.map(({ begun }) => begun));
    const others = ["a", "b"].map((name) => other.remote.run(name, async () => name));
    await aWhile();
    one.die();
    expect(await Promise.all(others)).to.deep.equal(["a", "b"]);
  });

  it("pass over a process that is gone while it waits", async () => {
    const first = hold(other.remote, "name");
    await first.begun;
    let hasBegun = false;
    const waiting = one.remote.run("name", async () => {
      hasBegun = true;
    });
    const refused = expectError(waiting, "unavailable");
    await aWhile();
    const last = other.remote.run("name", async () => "last");
    await aWhile();
    one.die();
    await refused;
    first.end();
    expect(await last).to.equal("last");
    expect(hasBegun).to.equal(false);
  });

  it("are not given to a process that asks for them when it is taken for gone", async () => {
    const turns = new LocalNameTurns();
    const account = new TurnsAccount(turns);
    account.close();
    await expectError(account.offer.takeTurn("name"), "unavailable");
    expect(await turns.run("name", async () => "free")).to.equal("free");
  });

  it("survive that a turn is ended twice, or was never taken", async () => {
    const account = new TurnsAccount(new LocalNameTurns());
    const { takeTurn, endTurn } = account.offer;
    const first = await takeTurn("name");
    endTurn(first);
    const second = await takeTurn("name");
    endTurn(first);
    endTurn(99);
    let hasThird = false;
    const third = takeTurn("name").then(() => {
      hasThird = true;
    });
    await aWhile();
    expect(hasThird).to.equal(false);
    endTurn(second);
    await third;
  });
});
