import { expect } from "chai";
import fc from "fast-check";
import { fromHex, toBase64 } from "../../../shared/format/bytes.ts";
import {
  encodeJsonBytes,
  encodeJsonString,
  encodeJsonStrings,
  encodeJsonValue,
  isValidUtf8,
} from "../../../shared/format/go-json.ts";
import { readVectors, type TreeVectors } from "../../support/vectors.ts";

const vectors = readVectors<TreeVectors>("tree");

describe("JSON strings of Go", () => {
  it("are those of Go 1.22 and later, bytes that are not UTF-8 included", () => {
    for (const { raw_hex, json_go_1_22_and_later } of vectors.plain_strings) {
      expect(encodeJsonBytes(fromHex(raw_hex)), raw_hex).to.equal(json_go_1_22_and_later);
    }
  });

  it("write link targets as restic 0.19 does", () => {
    for (const target of vectors.symlink_targets) {
      const bytes = fromHex(target.raw_hex);
      expect(encodeJsonBytes(bytes), target.raw_hex).to.equal(target.linktarget_restic_0_19);
      const raw = isValidUtf8(bytes) ? null : JSON.stringify(toBase64(bytes));
      expect(raw, target.raw_hex).to.equal(target.linktarget_raw_restic_0_19);
    }
  });

  it("mean the text that they were made from", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(JSON.parse(encodeJsonString(text))).to.equal(text);
        expect(encodeJsonBytes(new TextEncoder().encode(text))).to.equal(encodeJsonString(text));
      }),
      { numRuns: 1000 },
    );
  });

  it("take bytes for UTF-8 exactly where a strict decoder does", () => {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    const decodes = (bytes: Uint8Array): boolean => {
      try {
        decoder.decode(bytes);
        return true;
      } catch {
        return false;
      }
    };
    // Bytes at the edges of what leads and what continues a sequence.
    const edges = [
      0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff,
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...edges), { maxLength: 6 }), (values) => {
        const bytes = Uint8Array.from(values);
        expect(isValidUtf8(bytes)).to.equal(decodes(bytes));
      }),
      { numRuns: 5000 },
    );
  });

  it("replace a surrogate without its other half", () => {
    expect(encodeJsonString("a\ud800b")).to.equal('"a\\ufffdb"');
    expect(encodeJsonString("\udc00\ud83d\ude00")).to.equal('"\\ufffd😀"');
  });

  it("are part of lists and values", () => {
    expect(encodeJsonStrings(["a", "<"])).to.equal('["a","\\u003c"]');
    const value = { b: [1, true, null, "&"], a: { "<": 18446744073709551615n } };
    expect(encodeJsonValue(value)).to.equal('{"b":[1,true,null,"\\u0026"],"a":{"\\u003c":18446744073709551615}}');
  });

  it("are not made from a value nested without end", () => {
    const deep: unknown = JSON.parse("[".repeat(100_000) + "]".repeat(100_000));
    expect(() => encodeJsonValue(deep))
      .to.throw()
      .with.property("code", "limit-exceeded");
  });
});
