import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { localTimeZone, localZoneOffset, timeZoneOf } from "../../../client/platform/time-zone.ts";

/** A folder without zones, as a small container has. */
const nowhere = ["/nonexistent"];
const berlinSummer = Date.UTC(2024, 6, 1) / 1000;
const berlinWinter = Date.UTC(2024, 0, 1) / 1000;

describe("time zones", () => {
  const utcSettings = [
    "",
    "UTC",
    ":",
    ":UTC",
    "Nowhere/Land",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "../../etc/localtime",
    ".",
  ];
  for (const setting of utcSettings) {
    it(`are UTC for ${JSON.stringify(setting)}`, () => {
      const zone = timeZoneOf(setting);
      expect([zone.name, zone.offsetAt(0), zone.abbreviationAt(0)]).to.deep.equal(["UTC", 0, "UTC"]);
    });
  }

  it("change between summer and winter, back and forth", () => {
    const zone = timeZoneOf("Europe/Berlin");
    for (let round = 0; round < 3; round++) {
      expect([zone.offsetAt(berlinSummer), zone.abbreviationAt(berlinSummer)]).to.deep.equal([7200, "CEST"]);
      expect([zone.offsetAt(berlinWinter), zone.abbreviationAt(berlinWinter)]).to.deep.equal([3600, "CET"]);
    }
    // 2024-03-31 01:00 UTC is the change.
    const change = Date.UTC(2024, 2, 31, 1) / 1000;
    expect([zone.offsetAt(change - 1), zone.offsetAt(change)]).to.deep.equal([3600, 7200]);
  });

  it("may be named with a colon or by the path of a file", () => {
    expect(timeZoneOf(":Europe/Berlin").name).to.equal("Europe/Berlin");
    const path = "/usr/share/zoneinfo/Europe/Berlin";
    if (!existsSync(path)) return expect(timeZoneOf(path).name).to.equal("UTC");
    expect(timeZoneOf(path).name).to.equal(path);
    return expect(timeZoneOf(path).offsetAt(berlinSummer)).to.equal(7200);
  });

  it("come from the JavaScript engine where the system has none", () => {
    const zone = timeZoneOf("Europe/Berlin", nowhere);
    expect([zone.name, zone.offsetAt(berlinSummer), zone.offsetAt(berlinWinter)]).to.deep.equal([
      "Europe/Berlin",
      7200,
      3600,
    ]);
    expect(timeZoneOf("Asia/Kathmandu", nowhere).offsetAt(berlinSummer)).to.equal(20_700);
    expect(timeZoneOf("America/St_Johns", nowhere).offsetAt(berlinWinter)).to.equal(-12_600);
    expect(timeZoneOf("Europe/London", nowhere).offsetAt(berlinWinter)).to.equal(0);
    expect(timeZoneOf("Nowhere/Land", nowhere).name).to.equal("UTC");
    expect(timeZoneOf("Europe/Berlin", nowhere).offsetAt(1e18)).to.be.a("number");
  });

  it("agree with the JavaScript engine in our time", () => {
    const zones = [
      "Europe/Berlin",
      "America/New_York",
      "Asia/Kolkata",
      "Pacific/Apia",
      "Australia/Lord_Howe",
      "Europe/Dublin",
    ];
    const instant = fc.integer({ min: Date.UTC(1990, 0) / 1000, max: Date.UTC(2060, 0) / 1000 });
    for (const name of zones) {
      const zone = timeZoneOf(name);
      const engine = timeZoneOf(name, nowhere);
      fc.assert(
        fc.property(instant, (unixSeconds) => {
          expect(zone.offsetAt(unixSeconds), `${name} ${unixSeconds}`).to.equal(engine.offsetAt(unixSeconds));
        }),
        { numRuns: 200 },
      );
    }
  });

  it("answer 20,000 times within a moment", () => {
    const zone = timeZoneOf("Europe/Berlin");
    const started = performance.now();
    for (let count = 0; count < 20_000; count++) zone.offsetAt(berlinSummer + count);
    expect(performance.now() - started).to.be.below(1000);
  });

  it("are taken from TZ by the process", function () {
    this.timeout(20_000);
    const module = new URL("../../../client/platform/time-zone.ts", import.meta.url).href;
    const program = `const { localTimeZone, localZoneOffset } = await import("${module}");
      process.stdout.write(JSON.stringify([localTimeZone().name, localZoneOffset(${berlinSummer})]));`;
    const folder = mkdtempSync(join(tmpdir(), "coffer-zone-"));
    try {
      const run = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
        env: { TZ: "America/New_York" },
        cwd: folder,
        encoding: "utf8",
      });
      expect(run.stdout).to.equal('["America/New_York",-14400]');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("are the machine's own without TZ, and that has no name", () => {
    expect(timeZoneOf(undefined).offsetAt(berlinSummer)).to.be.a("number");
    expect(localZoneOffset(berlinSummer)).to.equal(localTimeZone().offsetAt(berlinSummer));
    expect(timeZoneOf(undefined).name).to.be.oneOf([undefined, "UTC"]);
  });
});
