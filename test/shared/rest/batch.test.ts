import { expect } from "chai";
import fc from "fast-check";
import { utf8Encode } from "../../../shared/format/bytes.ts";
import { fileTypes } from "../../../shared/format/layout.ts";
import {
  encodeBatchAnswer,
  encodeBatchCapability,
  parseBatchAnswer,
  parseBatchCapability,
  parsePartName,
  partNameOf,
} from "../../../shared/rest/batch.ts";
import { expectCode } from "../../conformance/backend.ts";

const id = "0123456789abcdef".repeat(4);
const limits = { parts: 1000, partBytes: 4_194_304, totalBytes: 16_777_216 };

describe("batches", () => {
  it("name their parts after objects, and nothing else", () => {
    for (const type of fileTypes) expect(parsePartName(partNameOf({ type, id }))).to.deep.equal({ type, id });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `data/${text}`),
          fc.constant(`data/${id}/`),
        ),
        (name) => {
          expect(parsePartName(name)).to.equal(undefined);
        },
      ),
    );
    for (const name of ["", "/", "config", "data", `datax/${id}`, `/data/${id}`, `__proto__/${id}`, id, `data${id}`])
      expect(parsePartName(name), name).to.equal(undefined);
  });

  it("are announced as one of a list of capabilities", () => {
    const text = encodeBatchCapability(limits);
    expect(text).to.equal("batch;parts=1000;part-bytes=4194304;total-bytes=16777216");
    for (const header of [text, `other, ${text}`, `batches;parts=1,${text} , x;y=z`, `${text};new=1`]) {
      expect(parseBatchCapability(header), header).to.deep.equal(limits);
    }
  });

  it("are not offered by what cannot be understood", () => {
    const headers = [undefined, "", "batch", "other", "batch;parts=1;part-bytes=1", text("0"), text("-1"), text("x")];
    for (const header of [...headers, text("1e9"), text("99999999999999999999")]) {
      expect(parseBatchCapability(header), header).to.equal(undefined);
    }
    fc.assert(fc.property(fc.string(), (header) => parseBatchCapability(header) === undefined));
    function text(parts: string): string {
      return `batch;parts=${parts};part-bytes=1;total-bytes=1`;
    }
  });

  it("have an answer for each part", async () => {
    const results = [
      { name: `index/${id}`, status: 200 },
      { name: '\u2028"\\', status: 403, error: "Forbidden" },
    ];
    expect(parseBatchAnswer(utf8Encode(encodeBatchAnswer(results)))).to.deep.equal(results);
    const others = [
      "",
      "null",
      "[]",
      "{}",
      '{"results":{}}',
      '{"results":[1]}',
      '{"results":[{"name":1,"status":200}]}',
    ];
    for (const other of [...others, '{"results":[{"name":"x"}]}', "<html>", "\xff"]) {
      await expectCode("malformed", (async () => parseBatchAnswer(utf8Encode(other)))());
    }
  });
});
