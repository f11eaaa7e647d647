import { expect } from "chai";
import type { CheckedPack } from "../../../client/check/inventory.ts";
import { choosePacks, parseReadDataSubset } from "../../../client/check/subset.ts";

function packs(count: number): CheckedPack[] {
  return Array.from({ length: count }, (_, index) => {
    const id = (index % 256).toString(16).padStart(2, "0") + "0".repeat(62);
    return { id, first: 0, count: 1, sizeBytes: 1000, plainBytes: 1000, hasData: true, hasTrees: false };
  });
}

describe("--read-data-subset", () => {
  it("takes groups, percentages and sizes", () => {
    expect(parseReadDataSubset("3/7")).to.deep.equal({ kind: "group", group: 3, groups: 7 });
    expect(parseReadDataSubset("1/256")).to.deep.equal({ kind: "group", group: 1, groups: 256 });
    expect(parseReadDataSubset("12.5%")).to.deep.equal({ kind: "percentage", percent: 12.5 });
    expect(parseReadDataSubset("100%")).to.deep.equal({ kind: "percentage", percent: 100 });
    expect(parseReadDataSubset("500M")).to.deep.equal({ kind: "size", sizeBytes: 500 * 1024 * 1024 });
    expect(parseReadDataSubset("1t")).to.deep.equal({ kind: "size", sizeBytes: 1024 ** 4 });
    expect(parseReadDataSubset("77")).to.deep.equal({ kind: "size", sizeBytes: 77 });
  });

  const rejected: Readonly<Record<string, RegExp>> = {
    "0/5": /n <= t/,
    "6/5": /n <= t/,
    "1/257": /t must be at most 256/,
    "a/b": /has invalid value/,
    "1/2/3": /has invalid value/,
    "0%": /x must be above 0.0%/,
    "101%": /at most 100.0%/,
    "abc%": /has invalid value/,
    "0": /has invalid value/,
    "-1k": /has invalid value/,
    "": /has invalid value/,
    "5x": /has invalid value/,
  };
  for (const [text, message] of Object.entries(rejected)) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => parseReadDataSubset(text))
        .to.throw(message)
        .with.property("code", "usage");
    });
  }

  it("groups are disjoint and together everything", () => {
    const all = packs(300);
    const seen = [1, 2, 3, 4, 5].flatMap((group) => {
      return choosePacks(all, { kind: "group", group, groups: 5 }, false, Math.random).packs;
    });
    expect(seen).to.have.members(all);
    expect(seen).to.have.length(300);
  });

  it("random choices have the size that was asked for, and at least one pack", () => {
    const all = packs(200);
    const choose = (percent: number, count = 200) =>
      choosePacks(all.slice(0, count), { kind: "percentage", percent }, false, Math.random).packs;
    expect(new Set(choose(25)).size).to.equal(50);
    expect(choose(100)).to.have.members(all);
    expect(choose(0.1)).to.have.length(1);
    expect(choose(50, 0)).to.deep.equal([]);
    const bySize = choosePacks(all, { kind: "size", sizeBytes: 40_000 }, true, () => 0);
    expect(bySize.packs).to.have.length(40);
    expect(bySize.phase).to.equal("read 40000 bytes (20.0%) of filtered data packs");
  });

  it("says what is read", () => {
    const all = packs(7);
    const phase = (selection: Parameters<typeof choosePacks>[1], isFiltered = false) =>
      choosePacks(all, selection, isFiltered, Math.random).phase;
    expect(phase({ kind: "none" })).to.equal(undefined);
    expect(phase({ kind: "all" }, true)).to.equal("read all filtered data");
    expect(phase({ kind: "group", group: 1, groups: 2 })).to.equal(
      "read group #1 of 4 data packs (out of total 7 packs in 2 groups)",
    );
    expect(phase({ kind: "percentage", percent: 12.5 })).to.equal("read 12.5% of packfiles");
  });
});
