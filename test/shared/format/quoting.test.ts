import { expect } from "chai";
import fc from "fast-check";
import { fromHex, toHex } from "../../../shared/format/bytes.ts";
import { encodeJsonString } from "../../../shared/format/go-json.ts";
import { createPrintable } from "../../../shared/format/printable.ts";
import { quoteName, unquoteName } from "../../../shared/format/quoting.ts";
import { type PrintableVectors, printableBoundaries, readVectors, type TreeVectors } from "../../support/vectors.ts";

const vectors = readVectors<TreeVectors>("tree");
const isPrintable13 = createPrintable(printableBoundaries(readVectors<PrintableVectors>("isprint").unicode_13_0_0));

describe("quoted names", () => {
  it("are those of restic 0.14 with its table of printable characters", () => {
    for (const { raw_hex, quoted, json } of vectors.names_unicode_13) {
      expect(quoteName(fromHex(raw_hex), isPrintable13), raw_hex).to.equal(quoted);
      expect(encodeJsonString(quoted), raw_hex).to.equal(json);
    }
    for (const { raw_hex, json_restic_0_14_unicode_13 } of vectors.names_unicode_13_against_15) {
      const quoted = quoteName(fromHex(raw_hex), isPrintable13);
      expect(encodeJsonString(quoted), raw_hex).to.equal(json_restic_0_14_unicode_13);
    }
  });

  it("are those of restic 0.19 by default", () => {
    const newer = new Map(vectors.names_unicode_13_against_15.map((name) => [name.raw_hex, name]));
    for (const { raw_hex, json } of vectors.names_unicode_13) {
      const expected = newer.get(raw_hex)?.json_restic_0_19_unicode_15 ?? json;
      expect(encodeJsonString(quoteName(fromHex(raw_hex))), raw_hex).to.equal(expected);
    }
    for (const { raw_hex, json_restic_0_19_unicode_15 } of newer.values()) {
      expect(encodeJsonString(quoteName(fromHex(raw_hex))), raw_hex).to.equal(json_restic_0_19_unicode_15);
    }
  });

  it("give the bytes back, whichever table made them", () => {
    for (const { raw_hex, quoted } of vectors.names_unicode_13) {
      expect(toHex(unquoteName(quoted))).to.equal(raw_hex);
      expect(toHex(unquoteName(quoteName(fromHex(raw_hex))))).to.equal(raw_hex);
    }
  });

  it("lose nothing of any byte string", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (name) => {
        expect(toHex(unquoteName(quoteName(name)))).to.equal(toHex(name));
      }),
      { numRuns: 1000 },
    );
  });

  it("lose nothing of any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        const name = new TextEncoder().encode(text);
        expect(toHex(unquoteName(quoteName(name)))).to.equal(toHex(name));
      }),
      { numRuns: 1000 },
    );
  });

  it("can be of any length", () => {
    const name = new Uint8Array(200_000).fill(0x61);
    expect(unquoteName(quoteName(name)).length).to.equal(200_000);
    expect(unquoteName(`\\n${"a".repeat(200_000)}`).length).to.equal(200_001);
    expect(unquoteName("\\x00".repeat(200_000)).length).to.equal(200_000);
  });

  const alsoRead: readonly (readonly [string, string])[] = [
    ["\\101\\377", "41ff"],
    ["\\u0041", "41"],
    ["\\U0001f600", "f09f9880"],
    ["\\x41\\xFF", "41ff"],
    ["'", "27"],
    ["tab\there", "7461620968657265"],
  ];
  for (const [quoted, hex] of alsoRead) {
    it(`are also read from ${JSON.stringify(quoted)}`, () => {
      expect(toHex(unquoteName(quoted))).to.equal(hex);
    });
  }

  const refused = [
    ...'\\|\\q|\\x4|\\xzz|\\u12|\\ud800|\\udfff|\\U00110000|\\U0000d800|\\U123|\\400|\\777|\\18|\\0|"|a"b|a\nb|\ud800|\\\'|\\x'.split(
      "|",
    ),
  ];
  for (const quoted of refused) {
    it(`are not read from ${JSON.stringify(quoted)}`, () => {
      expect(() => unquoteName(quoted))
        .to.throw()
        .with.property("code", "malformed");
    });
  }
});
