import { createHash } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { IdList } from "../../../client/repository/id-list.ts";

function idOf(number: number): Buffer {
  return createHash("sha256").update(String(number)).digest();
}

describe("the list of ids", () => {
  it("numbers ids from 0 and finds them again, as a map does", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 400 }), { maxLength: 1500 }), (numbers) => {
        const list = new IdList();
        const twin = new Map<string, number>();
        for (const [step, number] of numbers.entries()) {
          const hex = idOf(number).toString("hex");
          if (!twin.has(hex)) twin.set(hex, twin.size);
          expect(list.add(idOf(number))).to.equal(twin.get(hex));
          if (step === 700) list.fit();
        }
        expect(list.count).to.equal(twin.size);
        for (const [hex, number] of twin) {
          expect(list.find(Buffer.from(hex, "hex"))).to.equal(number);
          expect(list.idOf(number)).to.equal(hex);
        }
        expect(list.find(idOf(1000))).to.equal(-1);
      }),
      { numRuns: 20 },
    );
  });

  it("tells ids apart that begin alike", () => {
    const list = new IdList();
    const ids = Array.from({ length: 300 }, (_, number) => {
      const id = Buffer.alloc(32, 1);
      id.writeUInt16LE(number, 30);
      return id;
    });
    expect(ids.map((id) => list.add(id))).to.deep.equal(ids.map((_, number) => number));
    expect(ids.map((id) => list.find(id))).to.deep.equal(ids.map((_, number) => number));
  });
});
