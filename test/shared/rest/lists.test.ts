import { expect } from "chai";
import fc from "fast-check";
import { utf8Encode } from "../../../shared/format/bytes.ts";
import { encodeList, ListEncoder, type ListEntry, parseList } from "../../../shared/rest/lists.ts";

const a = "aa".repeat(32);
const b = "bb".repeat(32);
const entries: ListEntry[] = [
  { name: a, sizeBytes: 0 },
  { name: b, sizeBytes: 2 ** 40 },
];

const anyEntries = fc.array(
  fc.record({
    name: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex")),
    sizeBytes: fc.maxSafeNat(),
  }),
);

describe("lists of the REST protocol", () => {
  it("are names in version 1, and names with sizes in version 2", () => {
    expect(encodeList(1, entries)).to.equal(`["${a}","${b}"]`);
    expect(encodeList(2, entries)).to.equal(`[{"name":"${a}","size":0},{"name":"${b}","size":1099511627776}]`);
  });

  it("are an empty array when there is nothing", () => {
    expect(encodeList(1, [])).to.equal("[]");
    expect(encodeList(2, [])).to.equal("[]");
  });

  it("can be written piece by piece", () => {
    const encoder = new ListEncoder(2);
    const pieces = [...entries.map((entry) => encoder.encodeEntry(entry)), encoder.encodeEnd()];
    expect(pieces).to.have.length(3);
    expect(pieces.join("")).to.equal(encodeList(2, entries));
  });

  it("never have a name that would need escapes", () => {
    const encoder = new ListEncoder(1);
    expect(() => encoder.encodeEntry({ name: 'a"b', sizeBytes: 1 }))
      .to.throw()
      .with.property("code", "internal");
    expect(encoder.encodeEntry({ name: a, sizeBytes: 1 }) + encoder.encodeEnd()).to.equal(`["${a}"]`);
  });

  it("survive writing and reading in both versions", () => {
    fc.assert(
      fc.property(anyEntries, (all) => {
        const withSizes = all.map(({ name, sizeBytes }) => ({ id: name, sizeBytes }));
        expect(parseList(2, utf8Encode(encodeList(2, all)))).to.deep.equal(withSizes);
        expect(parseList(1, utf8Encode(encodeList(1, all)))).to.deep.equal(all.map(({ name }) => ({ id: name })));
      }),
    );
  });

  it("are read without the names that are no ids", () => {
    const names = `["${a}.rest-server-temp1","tmp","${a.toUpperCase()}","\\u0061","${b}"]`;
    expect(parseList(1, utf8Encode(names))).to.deep.equal([{ id: b }]);
    const files = `[{"name":"..","size":1},{"x":[],"size":5,"name":"${b}"}]`;
    expect(parseList(2, utf8Encode(files))).to.deep.equal([{ id: b, sizeBytes: 5 }]);
  });

  it("are read from null, as old servers send it", () => {
    expect(parseList(1, utf8Encode("null"))).to.deep.equal([]);
    expect(parseList(2, utf8Encode(" null\n"))).to.deep.equal([]);
  });

  const malformed: readonly (readonly [1 | 2, string])[] = [
    [1, ""],
    [1, "{}"],
    [1, "[1]"],
    [1, `["${a}"`],
    [1, `["${a}",]`],
    [1, `["${a}"]x`],
    [1, "<html>"],
    [1, encodeList(2, entries)],
    [2, encodeList(1, entries)],
    [2, '[{"name":"a"}]'],
    [2, '[{"size":1}]'],
    [2, `[{"name":"${a}","size":-1}]`],
    [2, `[{"name":"${a}","size":1.5}]`],
    [2, `[{"name":"${a}","size":"1"}]`],
    [2, `[{"name":5,"size":1}]`],
    [2, "[null]"],
  ];
  for (const [version, text] of malformed) {
    it(`are not read in version ${version} from ${text.slice(0, 40)}`, () => {
      expect(() => parseList(version, utf8Encode(text)))
        .to.throw()
        .with.property("code", "malformed");
    });
  }

  it("are not read when cut at any byte", () => {
    const body = utf8Encode(encodeList(2, entries));
    for (let length = 0; length < body.length; length++) {
      expect(() => parseList(2, body.subarray(0, length)), `${length}`)
        .to.throw()
        .with.property("code", "malformed");
    }
  });
});
