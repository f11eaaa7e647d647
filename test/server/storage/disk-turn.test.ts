/** How long a transfer keeps its place in the queue for the disk. The clock is the test's. */
import { mock } from "node:test";
import { expect } from "chai";
import { DiskTurn, patienceMs } from "../../../server/storage/disk/disk-turn.ts";
import { FairGate } from "../../../server/storage/disk/fair-gate.ts";

const pieceBytes = 262_144;

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe("DiskTurn", () => {
  let gate: FairGate;
  let turn: DiskTurn;
  let othersInside: number;

  beforeEach(async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    gate = new FairGate(1);
    turn = new DiskTurn(gate, "a");
    othersInside = 0;
    await turn.take();
  });

  afterEach(() => mock.timers.reset());

  /** Somebody else asks for the only place. */
  async function othersAsk(): Promise<void> {
    void gate.enter("b").then(() => {
      othersInside += 1;
    });
    await settle();
  }

  it("keeps its place from piece to piece while the client keeps up", async () => {
    await othersAsk();
    for (let i = 0; i < 60; i++) {
      turn.lend();
      mock.timers.tick(patienceMs - 1);
      await turn.take(pieceBytes);
    }
    expect(othersInside).to.equal(0);
    turn.end();
    await settle();
    expect(othersInside).to.equal(1);
  });

  it("gives its place away when the client takes longer, and waits in line for the next piece", async () => {
    await othersAsk();
    turn.lend();
    mock.timers.tick(patienceMs);
    await settle();
    expect(othersInside).to.equal(1);
    let hasPlace = false;
    const taken = turn.take(pieceBytes).then(() => {
      hasPlace = true;
    });
    await settle();
    expect(hasPlace).to.equal(false);
    gate.leave();
    await taken;
    expect(hasPlace).to.equal(true);
  });

  it("does not wait for a client that was slow with the piece before, until it keeps up again", async () => {
    turn.lend();
    mock.timers.tick(patienceMs);
    await turn.take(pieceBytes);
    await othersAsk();
    turn.lend();
    await settle();
    expect(othersInside).to.equal(1);
    mock.timers.tick(patienceMs - 1);
    gate.leave();
    await turn.take(pieceBytes);
    await othersAsk();
    turn.lend();
    mock.timers.tick(patienceMs - 1);
    await settle();
    expect(othersInside).to.equal(1);
    mock.timers.tick(1);
    await settle();
    expect(othersInside).to.equal(2);
  });

  it("lets others pass after 32 MiB, but only when there are any", async () => {
    for (let i = 0; i < 200; i++) await turn.take(pieceBytes);
    await othersAsk();
    void turn.take(pieceBytes);
    await settle();
    expect(othersInside).to.equal(1);
  });

  it("gives its place back once, whatever is called and in whatever order", async () => {
    turn.lend();
    turn.end();
    turn.end();
    mock.timers.tick(1_000);
    turn.lend();
    mock.timers.tick(1_000);
    await othersAsk();
    await othersAsk();
    expect(othersInside).to.equal(1);
  });
});
