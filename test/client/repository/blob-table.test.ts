import { randomBytes } from "node:crypto";
import { Worker } from "node:worker_threads";
import { expect } from "chai";
import fc from "fast-check";
import { BlobTable, unplaced } from "../../../client/repository/blob-table.ts";

const place = (packIndex: number, offsetBytes = 0) => ({
  packIndex,
  offsetBytes,
  lengthBytes: 100,
  uncompressedBytes: 0,
});

/** Different ids that begin alike, so that they collide in every table. */
function similarId(number: number): Uint8Array {
  const id = new Uint8Array(32).fill(7);
  new DataView(id.buffer).setUint32(28, number);
  return id;
}

function placesOf(table: BlobTable, type: "data" | "tree", id: Uint8Array): number[] {
  const places: number[] = [];
  for (let entry = table.find(type, id); entry !== -1; entry = table.findNext(entry)) {
    places.push(table.placeOf(entry).packIndex);
  }
  return places;
}

describe("the blob table", () => {
  it("finds what was inserted, with all 32 bits of every number", () => {
    const table = BlobTable.create();
    const id = randomBytes(32);
    const far = {
      packIndex: 2 ** 31 - 3,
      offsetBytes: 2 ** 32 - 1,
      lengthBytes: 2 ** 32 - 2,
      uncompressedBytes: 2 ** 31,
    };
    expect(table.find("tree", id)).to.equal(-1);
    expect(table.insert("tree", id, 0, far)).to.equal(true);
    const entry = table.find("tree", id);
    expect(table.placeOf(entry)).to.deep.equal(far);
    expect(table.typeOf(entry)).to.equal("tree");
    expect(table.idOf(entry)).to.equal(id.toString("hex"));
    expect(table.find("data", id)).to.equal(-1);
    expect(table.count).to.equal(1);
  });

  it("reads ids at an offset, and refuses to read beyond the end", () => {
    const table = BlobTable.create();
    const ids = randomBytes(101);
    expect(table.claim("data", ids, 3)).to.equal(true);
    expect(table.claim("data", ids.subarray(3, 35))).to.equal(false);
    expect(table.find("data", ids, 69)).to.equal(-1);
    for (const offset of [70, 101, -1]) {
      expect(() => table.find("data", ids, offset))
        .to.throw()
        .with.property("code", "internal");
    }
  });

  it("keeps several places of a blob, each once", () => {
    const table = BlobTable.create();
    const id = similarId(1);
    for (const number of [5, 6, 5, 7, 6]) table.insert("data", id, 0, place(number));
    table.insert("tree", id, 0, place(8));
    table.insert("data", similarId(2), 0, place(9));
    expect(placesOf(table, "data", id)).to.deep.equal([5, 6, 7]);
    expect(placesOf(table, "tree", id)).to.deep.equal([8]);
    expect(table.insert("data", id, 0, place(5, 1))).to.equal(true);
    expect(table.insert("data", id, 0, place(5, 1))).to.equal(false);
    expect(table.count).to.equal(6);
  });

  it("gives a claimed blob its place when it is stored", () => {
    const table = BlobTable.create();
    const id = randomBytes(32);
    expect(table.claim("data", id)).to.equal(true);
    expect(table.claim("data", id)).to.equal(false);
    expect(table.claim("tree", id)).to.equal(true);
    expect(table.placeOf(table.find("data", id)).packIndex).to.equal(unplaced);
    expect(table.insert("data", id, 0, place(3))).to.equal(true);
    expect(placesOf(table, "data", id)).to.deep.equal([3]);
    expect(table.count).to.equal(2);
  });

  it("agrees with a map, whatever happens to it", () => {
    const step = fc.record({
      action: fc.constantFrom("claim", "insert", "fit", "share"),
      type: fc.constantFrom("data" as const, "tree" as const),
      id: fc.nat({ max: 30 }).map(similarId),
      pack: fc.nat({ max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const table = BlobTable.create();
        const twin = new Map<string, number[]>();
        let isShared = false;
        for (const { action, type, id, pack } of steps) {
          const key = `${type} ${Buffer.from(id).toString("hex")}`;
          const places = twin.get(key);
          if (action === "claim") {
            expect(table.claim(type, id)).to.equal(places === undefined);
            if (places === undefined) twin.set(key, []);
          } else if (action === "insert") {
            expect(table.insert(type, id, 0, place(pack))).to.equal(!places?.includes(pack));
            if (!places?.includes(pack)) twin.set(key, [...(places ?? []), pack]);
          } else if (action === "fit" && !isShared) {
            table.fit();
          } else if (action === "share") {
            isShared = table.shared !== undefined;
          }
        }
        for (const [key, places] of twin) {
          const [type, hex = ""] = key.split(" ") as ["data" | "tree", string];
          expect(placesOf(table, type, Buffer.from(hex, "hex"))).to.deep.equal(
            places.length === 0 ? [unplaced] : places,
          );
        }
      }),
      { numRuns: 50 },
    );
  });

  it("grows from nothing to 300,000 blobs, alone and shared, and loses none", () => {
    const count = 300_000;
    const ids = randomBytes(32 * count);
    const table = BlobTable.create();
    for (let number = 0; number < count; number++) {
      // The second half goes into segments, because the table is shared from there on.
      if (number === count / 2) void table.shared;
      table.insert("data", ids, number * 32, place(number, number));
    }
    const other = BlobTable.attach(table.shared);
    for (const view of [table, other]) {
      expect(view.count).to.equal(count);
      for (let number = 0; number < count; number++) {
        const found = view.placeOf(view.find("data", ids, number * 32));
        if (found.packIndex !== number || found.offsetBytes !== number) expect.fail(`blob ${number} is lost`);
      }
      expect(view.find("data", randomBytes(32))).to.equal(-1);
    }
    expect([...table.entries()].length).to.equal(count);
    expect(table.usedBytes / count).to.be.below(56);
  });

  it("follows what another thread's view inserts, without a message", () => {
    const table = BlobTable.create();
    const other = BlobTable.attach(table.shared);
    const ids = randomBytes(32 * 200_000);
    for (let number = 0; number < 200_000; number++) {
      const view = number % 2 === 0 ? table : other;
      const opposite = number % 2 === 0 ? other : table;
      if (!view.claim("data", ids, number * 32) || opposite.claim("data", ids, number * 32)) {
        expect.fail(`claim ${number} is not exact`);
      }
    }
  });

  it("lets exactly one of several threads claim each blob, while the table grows under them", async () => {
    const count = 150_000;
    const threads = 4;
    const ids = randomBytes(32 * count);
    const table = BlobTable.create();
    const gate = new Int32Array(new SharedArrayBuffer(8));
    const claims = Array.from({ length: threads }, (_, thread) => {
      // Each thread begins elsewhere in the list, two of them at the same place.
      const start = Math.floor(thread / 2) * 32 * (count / 2);
      const rotated = Buffer.concat([ids.subarray(start), ids.subarray(0, start)]);
      const worker = new Worker(new URL("../../support/claim-worker.ts", import.meta.url), {
        workerData: { shared: table.shared, ids: rotated, gate },
      });
      return new Promise<Uint32Array>((resolve, reject) => {
        worker.once("message", (won: Uint32Array) => resolve(won.map((number) => (number + start / 32) % count)));
        worker.once("error", reject);
      });
    });
    await untilReady(gate, threads);
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
    const won = (await Promise.all(claims)).map((numbers) => [...numbers]);
    expect(won.reduce((sum, numbers) => sum + numbers.length, 0)).to.equal(count);
    expect(new Set(won.flat()).size).to.equal(count);
    expect(table.count).to.equal(count);
  });

  it("works in memory of its own where none can be shared", () => {
    const original = globalThis.SharedArrayBuffer;
    try {
      Object.defineProperty(globalThis, "SharedArrayBuffer", { value: undefined, configurable: true, writable: true });
      const table = BlobTable.create();
      const ids = randomBytes(32 * 5000);
      for (let number = 0; number < 5000; number++) table.insert("tree", ids, number * 32, place(number));
      for (let number = 0; number < 5000; number++) {
        expect(table.placeOf(table.find("tree", ids, number * 32)).packIndex).to.equal(number);
      }
      expect(() => table.shared)
        .to.throw()
        .with.property("code", "unsupported");
    } finally {
      Object.defineProperty(globalThis, "SharedArrayBuffer", { value: original, configurable: true, writable: true });
    }
  });
});

async function untilReady(gate: Int32Array, threads: number): Promise<void> {
  while (Atomics.load(gate, 1) < threads) await new Promise((resolve) => setTimeout(resolve, 2));
}
