import type { Socket } from "node:net";
import { expect } from "chai";
import { ConnectionSharing, type Taker } from "../../../server/cluster/connections.ts";

/** A process that takes connections, and a connection, as far as sharing needs them. */
class FakeTaker implements Taker {
  readonly got: { number: number; socket: Socket; onFailed: () => void }[] = [];

  send(number: number, socket: Socket, onFailed: () => void): void {
    this.got.push({ number, socket, onFailed });
  }
}

class FakeSocket {
  isDestroyed = false;

  on(): this {
    return this;
  }

  destroy(): this {
    this.isDestroyed = true;
    return this;
  }
}

describe("sharing of connections", () => {
  let sharing: ConnectionSharing;

  beforeEach(() => {
    sharing = new ConnectionSharing();
  });

  function give(): FakeSocket {
    const socket = new FakeSocket();
    sharing.give(socket as unknown as Socket);
    return socket;
  }

  function join(): FakeTaker {
    const taker = new FakeTaker();
    sharing.add(taker);
    return taker;
  }

  it("gives each to who has the fewest", () => {
    const [one, other] = [join(), join()];
    for (let i = 0; i < 5; i++) give();
    expect([one.got.length, other.got.length]).to.deep.equal([3, 2]);
    for (const taker of [one, other]) for (const { number } of taker.got) sharing.confirm(taker, number);
    for (let i = 0; i < 3; i++) sharing.forget(one);
    const given = give();
    sharing.confirm(one, one.got.at(-1)?.number ?? 0);
    give();
    expect([one.got.length, other.got.length]).to.deep.equal([5, 2]);
    expect(given.isDestroyed).to.equal(true);
  });

  it("gives no more to who does not confirm, while somebody else does", () => {
    const [hanging, other] = [join(), join()];
    for (let i = 0; i < 9; i++) {
      give();
      const last = other.got.at(-1);
      if (last !== undefined) sharing.confirm(other, last.number);
    }
    expect([hanging.got.length, other.got.length]).to.deep.equal([1, 8]);
  });

  it("holds a connection until it is confirmed, and lets go of it when it cannot be sent", () => {
    const taker = join();
    const [first, second] = [give(), give()];
    expect([first.isDestroyed, second.isDestroyed]).to.deep.equal([false, false]);
    sharing.confirm(taker, taker.got[0]?.number ?? 0);
    expect([first.isDestroyed, second.isDestroyed]).to.deep.equal([true, false]);
    taker.got[1]?.onFailed();
    expect(second.isDestroyed).to.equal(true);
  });

  it("ends what was under way to a process that has ended, and nothing else", () => {
    const [gone, other] = [join(), join()];
    const sockets = Array.from({ length: 4 }, give);
    sharing.confirm(other, other.got[0]?.number ?? 0);
    sharing.remove(gone);
    const toGone = gone.got.map(({ socket }) => socket as unknown as FakeSocket);
    expect(toGone.map(({ isDestroyed }) => isDestroyed)).to.deep.equal([true, true]);
    expect(sockets.filter(({ isDestroyed }) => isDestroyed)).to.have.length(3);
    // What a process says that was still on its way when it ended.
    sharing.confirm(gone, gone.got[0]?.number ?? 0);
    sharing.forget(gone);
    give();
    expect(other.got).to.have.length(3);
  });

  it("has connections wait while nobody serves, but not without end", () => {
    const waiting = Array.from({ length: 1_000 }, give);
    expect(give().isDestroyed).to.equal(true);
    const taker = join();
    expect(taker.got).to.have.length(1_000);
    expect(waiting.some(({ isDestroyed }) => isDestroyed)).to.equal(false);
  });

  it("serves nobody any more after its end", () => {
    const waiting = give();
    sharing.close();
    expect(waiting.isDestroyed).to.equal(true);
    const taker = join();
    expect(give().isDestroyed).to.equal(true);
    expect(taker.got).to.deep.equal([]);
  });
});
