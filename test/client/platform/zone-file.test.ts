import { expect } from "chai";
import { ZoneFile } from "../../../client/platform/zone-file.ts";

interface SampleType {
  readonly offsetSeconds: number;
  readonly isSummerTime?: boolean;
  readonly abbreviation: string;
}

/** The block of one version: header, instants, types, abbreviations. */
function block(
  version: string,
  instantBytes: 4 | 8,
  transitions: readonly (readonly [number, number])[],
  types: readonly SampleType[],
): Buffer {
  const names = types.map(({ abbreviation }) => `${abbreviation}\0`);
  const counts = [0, 0, 0, transitions.length, types.length, names.join("").length];
  const header = Buffer.alloc(44);
  header.write("TZif", 0, "latin1");
  header.write(version, 4, "latin1");
  counts.forEach((count, index) => {
    header.writeUInt32BE(count, 20 + 4 * index);
  });
  const instants = transitions.map(([seconds]) => {
    const bytes = Buffer.alloc(instantBytes);
    if (instantBytes === 4) bytes.writeInt32BE(seconds);
    else bytes.writeBigInt64BE(BigInt(seconds));
    return bytes;
  });
  const records = types.map(({ offsetSeconds, isSummerTime = false }, index) => {
    const bytes = Buffer.alloc(6);
    bytes.writeInt32BE(offsetSeconds);
    bytes[4] = isSummerTime ? 1 : 0;
    bytes[5] = names.slice(0, index).join("").length;
    return bytes;
  });
  const indexes = Buffer.from(transitions.map(([, type]) => type));
  return Buffer.concat([header, ...instants, indexes, ...records, Buffer.from(names.join(""), "latin1")]);
}

const local = { offsetSeconds: 3208, abbreviation: "LMT" };
const winter = { offsetSeconds: 3600, abbreviation: "CET" };
const summer = { offsetSeconds: 7200, isSummerTime: true, abbreviation: "CEST" };

function file(
  transitions: readonly (readonly [number, number])[],
  types: readonly SampleType[],
  rule: string,
): ZoneFile {
  const second = block("2", 8, transitions, types);
  return new ZoneFile(Buffer.concat([block("2", 4, [], [local]), second, Buffer.from(`\n${rule}\n`)]));
}

describe("time zone files", () => {
  it("are read in the first version, without a rule", () => {
    const zone = new ZoneFile(
      block(
        "\0",
        4,
        [
          [-100, 1],
          [100, 0],
        ],
        [winter, summer],
      ),
    );
    expect(zone.periodAt(0)).to.deep.equal({
      fromSeconds: -100,
      untilSeconds: 100,
      offsetSeconds: 7200,
      abbreviation: "CEST",
    });
    expect(zone.periodAt(100).offsetSeconds).to.equal(3600);
    expect(zone.periodAt(1e12)).to.deep.equal({
      fromSeconds: 100,
      untilSeconds: Infinity,
      offsetSeconds: 3600,
      abbreviation: "CET",
    });
  });

  it("are read with instants of 64 bits", () => {
    const zone = file(
      [
        [-10_000_000_000, 1],
        [0, 2],
      ],
      [local, winter, summer],
      "",
    );
    expect(zone.periodAt(-10_000_000_001).abbreviation).to.equal("LMT");
    expect(zone.periodAt(-10_000_000_000).abbreviation).to.equal("CET");
    expect(zone.periodAt(0).abbreviation).to.equal("CEST");
  });

  it("follow their rule after the last transition", () => {
    const zone = file([[0, 1]], [local, winter], "CET-1CEST,M3.5.0,M10.5.0/3");
    expect(zone.periodAt(-1).abbreviation).to.equal("LMT");
    expect(zone.periodAt(5).abbreviation).to.equal("CET");
    expect(zone.periodAt(5).fromSeconds).to.equal(0);
    expect(zone.periodAt(Date.UTC(2050, 6, 1) / 1000).abbreviation).to.equal("CEST");
    expect(zone.periodAt(Date.UTC(2050, 11, 1) / 1000).abbreviation).to.equal("CET");
  });

  it("begin with the type that no transition leads to, or with winter time", () => {
    expect(file([[0, 1]], [local, winter], "").periodAt(-1).abbreviation).to.equal("LMT");
    expect(
      file(
        [
          [0, 1],
          [9, 0],
        ],
        [winter, summer],
        "",
      ).periodAt(-1).abbreviation,
    ).to.equal("CET");
    expect(
      file(
        [
          [0, 0],
          [9, 1],
        ],
        [summer, winter],
        "",
      ).periodAt(-1).abbreviation,
    ).to.equal("CET");
    expect(file([[0, 0]], [summer], "").periodAt(-1).abbreviation).to.equal("CEST");
    expect(file([], [winter], "").periodAt(0)).to.deep.equal({
      fromSeconds: -Infinity,
      untilSeconds: Infinity,
      offsetSeconds: 3600,
      abbreviation: "CET",
    });
  });

  it("are refused when cut at any byte of what matters, and when they are something else", () => {
    const bytes = Buffer.concat([block("2", 4, [], [local]), block("2", 8, [[0, 0]], [winter])]);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => new ZoneFile(bytes.subarray(0, length)), `${length}`)
        .to.throw()
        .with.property("code", "malformed");
    }
    expect(() => new ZoneFile(Buffer.alloc(200)))
      .to.throw()
      .with.property("code", "malformed");
    expect(() => file([[0, 1]], [winter], "")).to.throw("types that it has");
    expect(() => file([], [], "")).to.throw("types that it has");
  });

  it("do not make the reader allocate what they claim to hold", () => {
    const bytes = block("\0", 4, [], [winter]);
    bytes.writeUInt32BE(0xffff_ffff, 32);
    expect(() => new ZoneFile(bytes))
      .to.throw()
      .with.property("code", "malformed");
    const types = block("\0", 4, [], [winter]);
    types.writeUInt32BE(0xffff_ffff, 36);
    expect(() => new ZoneFile(types))
      .to.throw()
      .with.property("code", "malformed");
  });
});
