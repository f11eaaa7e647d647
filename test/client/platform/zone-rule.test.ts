import { expect } from "chai";
import { parseZoneRule } from "../../../client/platform/zone-rule.ts";

function seconds(year: number, month: number, day: number, hour = 0, minute = 0): number {
  return Date.UTC(year, month - 1, day, hour, minute) / 1000;
}

describe("time zone rules", () => {
  const changes: readonly (readonly [string, number, number, number])[] = [
    // Rule, instant of a change, offset before it, offset from it on.
    ["CET-1CEST,M3.5.0,M10.5.0/3", seconds(2040, 3, 25, 1), 3600, 7200],
    ["CET-1CEST,M3.5.0,M10.5.0/3", seconds(2040, 10, 28, 1), 7200, 3600],
    ["EST5EDT,M3.2.0,M11.1.0", seconds(2041, 3, 10, 7), -18_000, -14_400],
    ["EST5EDT,M3.2.0,M11.1.0", seconds(2041, 11, 3, 6), -14_400, -18_000],
    ["AEST-10AEDT,M10.1.0,M4.1.0/3", seconds(2040, 4, 1) - 8 * 3600, 39_600, 36_000],
    ["AEST-10AEDT,M10.1.0,M4.1.0/3", seconds(2040, 10, 7) - 8 * 3600, 36_000, 39_600],
    ["<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", seconds(2040, 10, 6, 15, 30), 37_800, 39_600],
    ["IST-1GMT0,M10.5.0,M3.5.0/1", seconds(2040, 3, 25, 1), 0, 3600],
    ["<-02>2<-01>,M3.5.0/-1,M10.5.0/0", seconds(2040, 3, 25, 1), -7200, -3600],
    ["AAA3BBB,J60/0,J61/0", seconds(2040, 3, 1, 3), -10_800, -7200],
    ["AAA3BBB,59/0,61/0", seconds(2040, 2, 29, 3), -10_800, -7200],
  ];
  for (const [rule, instant, before, after] of changes) {
    it(`change at ${new Date(instant * 1000).toISOString()}: ${rule}`, () => {
      const zone = parseZoneRule(rule)!;
      expect([zone.periodAt(instant - 1).offsetSeconds, zone.periodAt(instant).offsetSeconds]).to.deep.equal([
        before,
        after,
      ]);
      expect(zone.periodAt(instant).fromSeconds).to.equal(instant);
      expect(zone.periodAt(instant - 1).untilSeconds).to.equal(instant);
    });
  }

  it("may have one offset only", () => {
    expect(parseZoneRule("<+0545>-5:45")?.periodAt(0)).to.deep.equal({
      fromSeconds: -Infinity,
      untilSeconds: Infinity,
      offsetSeconds: 20_700,
      abbreviation: "+0545",
    });
  });

  for (const text of ["", "CET", "CET-1CEST", "1", "CET-1CEST,M3.5.0", "CET-1CEST,M3.5.0,M10.5.0/3,x", "<+05-5"]) {
    it(`are not made from ${JSON.stringify(text)}`, () => {
      expect(parseZoneRule(text)).to.equal(undefined);
    });
  }
});
