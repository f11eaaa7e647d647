import { expect } from "chai";
import { createPrintable, isPrintable } from "../../../shared/format/printable.ts";
import { type PrintableVectors, printableBoundaries, readVectors } from "../../support/vectors.ts";

const vectors = readVectors<PrintableVectors>("isprint");

/** The slow twin: a set of all code points in the ranges. */
function printableSet(ranges: string): Set<number> {
  const boundaries = printableBoundaries(ranges);
  const set = new Set<number>();
  for (let run = 0; run < boundaries.length; run += 2) {
    for (let codePoint = boundaries[run]!; codePoint < boundaries[run + 1]!; codePoint++) set.add(codePoint);
  }
  return set;
}

function differences(ranges: string, printable: (codePoint: number) => boolean): number[] {
  const set = printableSet(ranges);
  return Array.from({ length: 0x110000 }, (_, codePoint) => codePoint).filter(
    (codePoint) => printable(codePoint) !== set.has(codePoint),
  );
}

describe("printable characters", () => {
  it("are those of Unicode 15.0.0, for every code point", () => {
    expect(differences(vectors.unicode_15_0_0, isPrintable)).to.deep.equal([]);
  });

  it("can be those of another version", () => {
    const printable = createPrintable(printableBoundaries(vectors.unicode_13_0_0));
    expect(differences(vectors.unicode_13_0_0, printable)).to.deep.equal([]);
    expect(printable(0x1fae0)).to.equal(false);
    expect(isPrintable(0x1fae0)).to.equal(true);
  });

  it("are not made from boundaries out of order", () => {
    expect(() => createPrintable(Uint32Array.of(5, 4))).to.throw("ascending boundaries");
    expect(() => createPrintable(Uint32Array.of(5, 5))).to.throw("ascending boundaries");
  });
});
