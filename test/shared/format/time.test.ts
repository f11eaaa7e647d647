import { expect } from "chai";
import fc from "fast-check";
import { timeZoneOf } from "../../../client/platform/time-zone.ts";
import {
  calendarTimeOf,
  daysSince1970,
  formatLocal,
  formatLong,
  formatTime,
  isTimeText,
  parseTime,
  utcOffset,
  zeroTime,
} from "../../../shared/format/time.ts";
import { readVectors, type TreeVectors } from "../../support/vectors.ts";

const vectors = readVectors<TreeVectors>("tree").times;
const second = 1_000_000_000n;

describe("times", () => {
  it("are written as restic writes them, in every zone of the vectors", () => {
    for (const { zone, unix_ns, text } of vectors) {
      expect(formatTime(BigInt(unix_ns), timeZoneOf(zone).offsetAt), `${zone} ${unix_ns}`).to.equal(text);
    }
  });

  it("are read back to the nanosecond", () => {
    for (const { unix_ns, text } of vectors) expect(parseTime(text).unixNs, text).to.equal(BigInt(unix_ns));
  });

  it("survive writing and reading with any offset of whole minutes", () => {
    const minNs = parseTime("0001-01-01T00:00:00Z").unixNs;
    const maxNs = parseTime("9998-12-31T23:59:59.999999999Z").unixNs;
    fc.assert(
      fc.property(fc.bigInt({ min: minNs, max: maxNs }), fc.integer({ min: -1439, max: 1439 }), (unixNs, minutes) => {
        const text = formatTime(unixNs, () => minutes * 60);
        expect(parseTime(text)).to.deep.equal({ unixNs, offsetSeconds: minutes * 60 });
        expect(isTimeText(text)).to.equal(true);
      }),
      { numRuns: 2000 },
    );
  });

  it("have the dates of the proleptic Gregorian calendar", () => {
    fc.assert(
      fc.property(fc.integer({ min: -62_167_219_200, max: 253_402_300_799 }), (seconds) => {
        const { year, month, day, secondOfDay } = calendarTimeOf(seconds);
        const date = new Date(seconds * 1000);
        const expected = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()];
        expect([year, month, day]).to.deep.equal(expected);
        expect(daysSince1970(year, month, day) * 86_400 + secondOfDay).to.equal(seconds);
      }),
      { numRuns: 5000 },
    );
  });

  const outOfRange: readonly (readonly [string, bigint, string])[] = [
    ["the year 10000", 253_402_300_800n, "9999-01-01T00:00:00Z"],
    ["a leap day after the year 9999", 253_407_398_400n, "9999-03-01T00:00:00Z"],
    ["the year -1", -62_198_755_200n, "0000-01-01T00:00:00Z"],
    ["the last second before the year 0", -62_167_219_201n, "0000-12-31T23:59:59Z"],
  ];
  for (const [name, seconds, text] of outOfRange) {
    it(`are clamped to four digits of year: ${name}`, () => {
      expect(formatTime(seconds * second, utcOffset)).to.equal(text);
    });
  }

  const offsets: readonly (readonly [number, string])[] = [
    [0, "1970-01-02T00:00:00Z"],
    [53 * 60 + 28, "1970-01-02T00:53:28+00:53"],
    [-(44 * 60 + 30), "1970-01-01T23:15:30-00:44"],
    [28, "1970-01-02T00:00:28+00:00"],
    [-30, "1970-01-01T23:59:30+00:00"],
  ];
  for (const [offset, text] of offsets) {
    it(`cut the seconds of an offset of ${offset} s`, () => {
      expect(formatTime(86_400n * second, () => offset)).to.equal(text);
    });
  }

  it("are read with any number of digits, as nanoseconds", () => {
    expect(parseTime("1970-01-01T00:00:00.5Z").unixNs).to.equal(500_000_000n);
    expect(parseTime("1970-01-01T00:00:00,25Z").unixNs).to.equal(250_000_000n);
    expect(parseTime("1970-01-01T00:00:00.1234567899999Z").unixNs).to.equal(123_456_789n);
    expect(parseTime("1969-12-31T23:59:59.999999999Z").unixNs).to.equal(-1n);
    expect(parseTime(zeroTime).unixNs).to.equal(-62_135_596_800n * second);
    expect(parseTime("2024-02-29T12:00:00-00:00")).to.deep.equal(parseTime("2024-02-29T12:00:00Z"));
  });

  const refused = [
    "",
    "2024-01-01",
    "2024-01-01 00:00:00Z",
    "2024-01-01T00:00:00",
    "2024-01-01T00:00:00z",
    "2024-01-01T24:00:00Z",
    "2024-01-01T23:60:00Z",
    "2024-01-01T23:59:60Z",
    "2024-00-01T00:00:00Z",
    "2024-13-01T00:00:00Z",
    "2024-01-32T00:00:00Z",
    "2023-02-29T00:00:00Z",
    "2100-02-29T00:00:00Z",
    "2024-04-31T00:00:00Z",
    "2024-01-01T00:00:00.Z",
    "2024-01-01T00:00:00+1:00",
    "2024-01-01T00:00:00+24:00",
    "2024-01-01T00:00:00+01:60",
    "12024-01-01T00:00:00Z",
    "-024-01-01T00:00:00Z",
    "2024-01-01T00:00:00Z\n",
  ];
  for (const text of refused) {
    it(`are not read from ${JSON.stringify(text)}`, () => {
      expect(() => parseTime(text))
        .to.throw()
        .with.property("code", "malformed");
    });
  }

  it("are shown in local time", () => {
    const { offsetAt } = timeZoneOf("Europe/Berlin");
    expect(formatLocal(parseTime("2024-07-01T10:00:00.999999999Z").unixNs, offsetAt)).to.equal("2024-07-01 12:00:00");
    expect(formatLocal(-1n, utcOffset)).to.equal("1969-12-31 23:59:59");
  });

  const longForms: readonly (readonly [string, string, string])[] = [
    ["UTC", "2024-03-01T10:00:00Z", "2024-03-01 10:00:00 +0000 UTC"],
    ["Europe/Berlin", "2024-03-01T10:00:00.25+01:00", "2024-03-01 10:00:00.25 +0100 CET"],
    ["Europe/Berlin", "2024-07-01T10:00:00+02:00", "2024-07-01 10:00:00 +0200 CEST"],
    ["Europe/Berlin", "2024-07-01T10:00:00+01:00", "2024-07-01 10:00:00 +0100 +0100"],
    ["Europe/Berlin", "2024-07-01T10:00:00Z", "2024-07-01 10:00:00 +0000 UTC"],
    ["Asia/Kathmandu", "2024-07-01T10:00:00+05:45", "2024-07-01 10:00:00 +0545 +0545"],
    ["UTC", "2024-07-01T10:00:00-03:30", "2024-07-01 10:00:00 -0330 -0330"],
  ];
  for (const [zone, text, expected] of longForms) {
    it(`have Go's long form in ${zone}: ${expected}`, () => {
      expect(formatLong(text, timeZoneOf(zone))).to.equal(expected);
    });
  }
});
