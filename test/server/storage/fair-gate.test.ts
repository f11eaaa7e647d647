/** The queue for the disk: nobody is forgotten, nobody slips in, and whoever floods it only waits longer. */
import { expect } from "chai";
import fc from "fast-check";
import { FairGate } from "../../../server/storage/disk/fair-gate.ts";

/** Lets everything run that waits for promises only. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe("FairGate", () => {
  let entered: string[];

  beforeEach(() => {
    entered = [];
  });

  function ask(gate: FairGate, owner: string, name: string): void {
    void gate.enter(owner).then(() => entered.push(name));
  }

  it("lets in as many as there are places, and one more for each that leaves", async () => {
    const gate = new FairGate(2);
    for (const name of ["1", "2", "3", "4"]) ask(gate, "a", name);
    await settle();
    expect(entered).to.deep.equal(["1", "2"]);
    expect(gate.hasWaiting).to.equal(true);
    gate.leave();
    gate.leave();
    await settle();
    expect(entered).to.deep.equal(["1", "2", "3", "4"]);
    expect(gate.hasWaiting).to.equal(false);
  });

  it("serves owners in turn, and the requests of each in their order", async () => {
    const gate = new FairGate(1);
    await gate.enter("first");
    for (let i = 1; i <= 40; i++) ask(gate, "flood", `flood ${i}`);
    ask(gate, "b", "b 1");
    ask(gate, "b", "b 2");
    ask(gate, "c", "c 1");
    for (let i = 0; i < 8; i++) {
      gate.leave();
      await settle();
    }
    expect(entered).to.deep.equal(["flood 1", "b 1", "c 1", "flood 2", "b 2", "flood 3", "flood 4", "flood 5"]);
  });

  it("does not let somebody slip in who comes when a place is handed on", async () => {
    const gate = new FairGate(1);
    await gate.enter("a");
    ask(gate, "a", "waited");
    gate.leave();
    ask(gate, "b", "came later");
    await settle();
    expect(entered).to.deep.equal(["waited"]);
  });

  it("never has more inside than places, and forgets nobody (property)", async () => {
    const requests = fc.array(fc.record({ owner: fc.constantFrom("a", "b", "c"), leavesFirst: fc.nat(3) }));
    await fc.assert(
      fc.asyncProperty(requests, fc.integer({ min: 1, max: 4 }), async (asked, places) => {
        const gate = new FairGate(places);
        let inside = 0;
        let served = 0;
        const leave = async (): Promise<void> => {
          if (inside === 0) return;
          inside -= 1;
          gate.leave();
          await settle();
        };
        for (const { owner, leavesFirst } of asked) {
          for (let i = 0; i < leavesFirst; i++) await leave();
          void gate.enter(owner).then(() => {
            inside += 1;
            served += 1;
          });
          await settle();
          expect(inside).to.be.at.most(places);
        }
        while (inside > 0) await leave();
        expect(served).to.equal(asked.length);
        expect(gate.hasWaiting).to.equal(false);
      }),
      { numRuns: 50 },
    );
  });
});
