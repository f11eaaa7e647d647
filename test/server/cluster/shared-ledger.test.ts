import { expect } from "chai";
import { Line } from "../../../server/cluster/line.ts";
import { LedgerAccount, type LedgerOffer, RemoteQuotaLedger } from "../../../server/cluster/shared-ledger.ts";
import { quotaLimits } from "../../../server/quota/limits.ts";
import { LocalQuotaLedger } from "../../../server/quota/local-ledger.ts";
import { expectError } from "../../conformance/storage.ts";
import { channelPair } from "../../support/channel-pair.ts";

describe("a ledger that several processes share", () => {
  let ledger: LocalQuotaLedger;

  beforeEach(() => {
    ledger = new LocalQuotaLedger(quotaLimits(100, []));
  });

  function join(): { remote: RemoteQuotaLedger; account: LedgerAccount } {
    const [here, there] = channelPair();
    const account = new LedgerAccount(ledger);
    new Line(here, account.offer);
    return { remote: new RemoteQuotaLedger(new Line<LedgerOffer>(there, {})), account };
  }

  it("sets aside, counts and gives back, as if there was one process", async () => {
    const { remote } = join();
    const reservation = await remote.reserve("a", 50, "content");
    await reservation.grow(30);
    expect(ledger.usedBytes).to.equal(80);
    await expectError(reservation.grow(21), "out-of-space");
    await reservation.settle(60);
    await reservation.settle(0);
    expect(ledger.usedBy("a")).to.equal(60);
    const removal = await remote.beginRemoval("a", "data/x", "content");
    await removal.end(10);
    await removal.end(10);
    expect(ledger.usedBy("a")).to.equal(50);
  });

  it("never gives more than there is to processes that ask at once", async () => {
    const processes = [join(), join(), join()];
    const asked = processes.flatMap(({ remote }) => {
      return Array.from({ length: 10 }, (_, i) => remote.reserve(`r${i}`, 9, "content").catch(() => undefined));
    });
    const granted = (await Promise.all(asked)).filter((reservation) => reservation !== undefined);
    expect(granted).to.have.length(11);
    expect(ledger.usedBytes).to.equal(99);
    for (const reservation of granted) await reservation.settle(0);
    expect(ledger.usedBytes).to.equal(0);
  });

  it("has removals of one file wait for each other, whatever process they are in", async () => {
    const [one, other] = [join(), join()];
    const first = await one.remote.beginRemoval("a", "data/x", "content");
    let hasBegun = false;
    const second = other.remote.beginRemoval("a", "data/x", "content").then((removal) => {
      hasBegun = true;
      return removal;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(hasBegun).to.equal(false);
    await first.end(0);
    await (await second).end(0);
    expect(hasBegun).to.equal(true);
  });

  it("counts what a process that is gone was about to store as stored, and wants it counted anew", async () => {
    const [gone, other] = [join(), join()];
    const reservation = await gone.remote.reserve("a", 50, "content");
    await reservation.grow(30);
    await gone.remote.beginRemoval("a", "data/x", "content");
    expect(await gone.account.close()).to.equal(false);
    expect(ledger.usedBytes).to.equal(80);
    await expectError(other.remote.reserve("b", 30, "content"), "out-of-space");
    // Nobody waits for its removals any more.
    await (await other.remote.beginRemoval("a", "data/x", "content")).end(0);
  });

  it("is sure of a process that has ended everything, and sets nothing aside for one that is gone", async () => {
    const { remote, account } = join();
    await (await remote.reserve("a", 50, "content")).settle(40);
    expect(await account.close()).to.equal(true);
    await remote.reserve("a", 60, "content");
    expect(ledger.usedBytes).to.equal(40);
  });
});
