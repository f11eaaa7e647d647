import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { DiskQueue } from "../../../server/storage/disk/disk-queue.ts";
import { DiskTurn } from "../../../server/storage/disk/disk-turn.ts";
import { FairGate } from "../../../server/storage/disk/fair-gate.ts";
import { ReceivedBody } from "../../../server/storage/disk/received-body.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";

const mebibyte = 1_048_576;

describe("received bodies", () => {
  let folder: TemporaryFolder;
  let descriptor: number;
  let turn: DiskTurn;

  beforeEach(async () => {
    folder = makeTemporaryFolder("received");
    descriptor = openSync(join(folder.path, "file"), "w");
    turn = new DiskTurn(new FairGate(1), "");
    await turn.take();
  });

  afterEach(() => {
    turn.end();
    closeSync(descriptor);
    folder.remove();
  });

  async function* chunks(count: number): AsyncIterable<Uint8Array> {
    for (let i = 0; i < count; i++) yield new Uint8Array(mebibyte).fill(i);
  }

  it("are flushed while they are received, one flush at a time, and none is under way at the end", async () => {
    let running = 0;
    let most = 0;
    let flushes = 0;
    const body = new ReceivedBody(chunks(20), async (flushed) => {
      expect(flushed).to.equal(descriptor);
      flushes += 1;
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
    });
    await body.begin();
    await body.writeTo(descriptor, turn);
    expect(running).to.equal(0);
    expect(most).to.equal(1);
    expect(flushes).to.be.within(1, 5);
    const written = readFileSync(join(folder.path, "file"));
    expect(written.length).to.equal(20 * mebibyte);
    for (let i = 0; i < 20; i++) expect(written[i * mebibyte + 7]).to.equal(i);
  });

  it("go on without a flush that has no place, and have more flushed by the next", async () => {
    const refused = 3;
    let asked = 0;
    let flushes = 0;
    const body = new ReceivedBody(chunks(8), () => {
      asked += 1;
      if (asked <= refused) return undefined;
      flushes += 1;
      return Promise.resolve();
    });
    await body.begin();
    await body.writeTo(descriptor, turn);
    // 4 MiB ask, and each later piece again.
    expect({ asked, flushes }).to.deep.equal({ asked: refused + 1, flushes: 1 });
    expect(readFileSync(join(folder.path, "file")).length).to.equal(8 * mebibyte);
  });

  it("of forty slow clients are flushed as many at once as there are places", async () => {
    const queue = new DiskQueue(5);
    const sink = openSync("/dev/null", "w");
    let release = (): void => undefined;
    /** Both the clients and the disk take that long. */
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let [stalled, running, most] = [0, 0, 0];
    async function* slowly(): AsyncIterable<Uint8Array> {
      yield* chunks(5);
      stalled += 1;
      await released;
      yield* chunks(1);
    }
    async function flush(): Promise<void> {
      running += 1;
      most = Math.max(most, running);
      await released;
      running -= 1;
    }
    const uploads = Array.from({ length: 40 }, async () => {
      const body = new ReceivedBody(slowly(), () => queue.tryFlush(flush));
      await body.begin();
      const place = queue.turnFor("", false);
      await place.take();
      await body.writeTo(sink, place);
      place.end();
    });
    await waitUntil(() => stalled === 40);
    expect(most).to.equal(5);
    release();
    await Promise.all(uploads);
    closeSync(sink);
    expect({ running, most }).to.deep.equal({ running: 0, most: 5 });
  });

  it("fail when a flush fails, in the middle or last", async () => {
    for (const count of [5, 20]) {
      const body = new ReceivedBody(chunks(count), () => Promise.reject(new Error("the disk is broken")));
      await body.begin();
      const failure = await body.writeTo(descriptor, turn).catch((error: unknown) => error);
      expect(failure).to.be.an("error").with.property("message", "the disk is broken");
    }
  });

  it("wait for a flush when the body breaks off", async () => {
    let isRunning = false;
    async function* broken(): AsyncIterable<Uint8Array> {
      yield* chunks(6);
      throw new Error("the client has gone");
    }
    const body = new ReceivedBody(broken(), async () => {
      isRunning = true;
      await new Promise((resolve) => setTimeout(resolve, 20));
      isRunning = false;
    });
    await body.begin();
    const failure = await body.writeTo(descriptor, turn).catch((error: unknown) => error);
    expect(failure).to.be.an("error").with.property("message", "the client has gone");
    expect(isRunning).to.equal(false);
  });
});
