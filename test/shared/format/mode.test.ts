import { expect } from "chai";
import fc from "fast-check";
import { formatMode, goModeOf, unixModeOf } from "../../../shared/format/mode.ts";
import { readVectors, type TreeVectors } from "../../support/vectors.ts";

describe("mode bits", () => {
  it("are stored as Go has them", () => {
    for (const { unix_mode_octal, stored } of readVectors<TreeVectors>("tree").modes) {
      expect(goModeOf(Number.parseInt(unix_mode_octal, 8)), unix_mode_octal).to.equal(stored);
    }
  });

  it("give every Unix mode back", () => {
    const unixTypes = [0o100000, 0o040000, 0o120000, 0o060000, 0o020000, 0o010000, 0o140000];
    fc.assert(
      fc.property(fc.constantFrom(...unixTypes), fc.integer({ min: 0, max: 0o7777 }), (type, bits) => {
        expect(unixModeOf(goModeOf(type + bits))).to.equal(type + bits);
      }),
    );
  });

  it("are irregular for a type that Unix does not have, and a plain file the other way round", () => {
    expect(goModeOf(0o644)).to.equal(0o644 + 0x80000);
    expect(unixModeOf(0o644 + 0x80000)).to.equal(0o100644);
  });

  const shown: readonly (readonly [number, string])[] = [
    [0o100755, "-rwxr-xr-x"],
    [0o100000, "----------"],
    [0o040755, "drwxr-xr-x"],
    [0o041777, "dtrwxrwxrwx"],
    [0o120777, "Lrwxrwxrwx"],
    [0o060660, "Drw-rw----"],
    [0o020666, "Dcrw-rw-rw-"],
    [0o010640, "prw-r-----"],
    [0o140755, "Srwxr-xr-x"],
    [0o104755, "urwxr-xr-x"],
    [0o106755, "ugrwxr-xr-x"],
    [0o101644, "trw-r--r--"],
  ];
  for (const [mode, text] of shown) {
    it(`are shown as ${text} for ${mode.toString(8)}`, () => {
      expect(formatMode(goModeOf(mode))).to.equal(text);
    });
  }
});
