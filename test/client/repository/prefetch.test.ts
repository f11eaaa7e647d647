import { expect } from "chai";
import { FaultyBackend } from "../../../client/backends/faults.ts";
import { MemoryBackend } from "../../../client/backends/memory.ts";
import { Prefetch } from "../../../client/repository/prefetch.ts";
import { CofferError } from "../../../shared/errors.ts";
import { settle } from "../../support/fake-clock.ts";

const idOf = (number: number): string => number.toString(16).padStart(64, "0");

function storageWith(count: number, sizeBytes: number): MemoryBackend {
  const files = new Map<string, Uint8Array>();
  for (let number = 0; number < count; number++) files.set(`index/${idOf(number)}`, new Uint8Array(sizeBytes));
  return new MemoryBackend({ files, connections: 3 });
}

describe("files that are requested ahead", () => {
  it("are handed out once each, and one connection is left for the keys", async () => {
    let running = 0;
    let most = 0;
    const backend = new FaultyBackend(storageWith(10, 5), ({ name }) => {
      if (name !== "load") return undefined;
      most = Math.max(most, ++running);
      const delay = new Promise<void>((resolve) => setImmediate(resolve)).then(() => void running--);
      return { delay };
    });
    const prefetch = new Prefetch(backend, { withContent: true });
    prefetch.start(["index"]);
    expect(await prefetch.takeList("index")).to.have.length(10);
    expect(await prefetch.takeList("index")).to.equal(undefined);
    for (let turn = 0; turn < 10; turn++) await settle();
    expect(most).to.equal(2);
    expect(await prefetch.takeFile("index", idOf(3))).to.have.length(5);
    expect(await prefetch.takeFile("index", idOf(3))).to.equal(undefined);
    expect(await prefetch.takeFile("snapshots", idOf(3))).to.equal(undefined);
  });

  it("are not requested any more when somebody has loaded them meanwhile", async () => {
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const backend = new FaultyBackend(storageWith(10, 5), ({ name }) =>
      name === "load" ? { delay: gate } : undefined,
    );
    const prefetch = new Prefetch(backend, { withContent: true });
    prefetch.start(["index"]);
    await settle();
    // Two are on their way; the others are not, and whoever asks for them loads them.
    for (let number = 2; number < 10; number++) {
      expect(await prefetch.takeFile("index", idOf(number))).to.equal(undefined);
    }
    open();
    await settle();
    const loads = backend.calls.filter(({ name }) => name === "load").map(({ id }) => id);
    expect(loads).to.deep.equal([idOf(0), idOf(1)]);
  });

  it("take a bounded amount of memory", async () => {
    const mebibytes = 20 * 1024 * 1024;
    const backend = new FaultyBackend(storageWith(4, mebibytes), () => undefined);
    const prefetch = new Prefetch(backend, { withContent: true });
    prefetch.start(["index"]);
    for (let turn = 0; turn < 5; turn++) await settle();
    expect(backend.calls.filter(({ name }) => name === "load")).to.have.length(2);
  });

  it("are asked for again by those who want them when they could not be had", async () => {
    const failing = new FaultyBackend(storageWith(2, 5), ({ name }) =>
      name === "load" ? { before: new CofferError("unavailable", "down") } : undefined,
    );
    const prefetch = new Prefetch(failing, { withContent: true });
    prefetch.start(["index"]);
    await settle();
    expect(await prefetch.takeFile("index", idOf(0))).to.equal(undefined);
    const deaf = new FaultyBackend(storageWith(2, 5), () => ({ before: new CofferError("unavailable", "down") }));
    const nothing = new Prefetch(deaf, { withContent: true });
    nothing.start(["snapshots", "index"]);
    await settle();
    expect(await nothing.takeList("snapshots")).to.equal(undefined);
    expect(await nothing.takeList("index")).to.equal(undefined);
  });
});
