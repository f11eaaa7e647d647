import { expect } from "chai";
import fc from "fast-check";
import { utf8Decode, utf8Encode } from "../../../shared/format/bytes.ts";
import { encodeIndex, type IndexPack, parseIndex } from "../../../shared/format/index-file.ts";

const pack = "ab".repeat(32);
const blob = "cd".repeat(32);
const blobText = `{"id":"${blob}","type":"tree","offset":5,"length":40}`;
const expected: IndexPack[] = [
  { id: pack, blobs: [{ type: "tree", id: blob, offsetBytes: 5, lengthBytes: 40, uncompressedBytes: 0 }] },
];

const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const uint32 = fc.nat(0xffff_ffff);
const anyPacks = fc.array(
  fc.record({
    id,
    blobs: fc.array(
      fc.record({
        type: fc.constantFrom("data" as const, "tree" as const),
        id,
        offsetBytes: uint32,
        lengthBytes: uint32,
        uncompressedBytes: uint32,
      }),
      { maxLength: 4 },
    ),
  }),
  { maxLength: 4 },
);

function parse(text: string): IndexPack[] {
  return parseIndex(utf8Encode(text)).packs;
}

describe("index files", () => {
  it("are written as restic writes them, with a newline", () => {
    const packs: IndexPack[] = [
      {
        id: pack,
        blobs: [
          { type: "data", id: blob, offsetBytes: 0, lengthBytes: 50, uncompressedBytes: 60 },
          { type: "tree", id: blob, offsetBytes: 50, lengthBytes: 40, uncompressedBytes: 0 },
        ],
      },
    ];
    expect(utf8Decode(encodeIndex(packs))).to.equal(
      `{"packs":[{"id":"${pack}","blobs":[{"id":"${blob}","type":"data","offset":0,"length":50,"uncompressed_length":60},` +
        `{"id":"${blob}","type":"tree","offset":50,"length":40}]}]}\n`,
    );
    expect(utf8Decode(encodeIndex([]))).to.equal('{"packs":[]}\n');
  });

  it("survive encoding and decoding", () => {
    fc.assert(
      fc.property(anyPacks, (packs) => {
        expect(parseIndex(encodeIndex(packs)).packs).to.deep.equal(packs);
      }),
    );
  });

  it("survive encoding and decoding with 50,000 blobs", () => {
    const packs = Array.from({ length: 500 }, (_, packNumber) => ({
      id: packNumber.toString(16).padStart(64, "0"),
      blobs: Array.from({ length: 100 }, (_, number) => ({
        type: "data" as const,
        id: (packNumber * 100 + number).toString(16).padStart(64, "f"),
        offsetBytes: number * 1000,
        lengthBytes: 1000,
        uncompressedBytes: number,
      })),
    }));
    const document = encodeIndex(packs);
    const parsed = parseIndex(document).packs;
    expect(parsed.reduce((sum, { blobs }) => sum + blobs.length, 0)).to.equal(50_000);
    expect(parsed.at(-1)).to.deep.equal(packs.at(-1));
    expect(utf8Decode(encodeIndex(parsed)) === utf8Decode(document)).to.equal(true);
  });

  const alsoRead: readonly (readonly [string, string])[] = [
    ["what old versions wrote", `{"supersedes":["${pack}"],"packs":[{"id":"${pack}","blobs":[${blobText}]}]}\n`],
    [
      "the keys of other programs",
      `{"packs_to_delete":[{"id":"x"}],"packs":[{"time":"now","id":"${pack}","size":1.5,"blobs":[${blobText.replace("{", '{"x":{"id":"y"},')}]}]}`,
    ],
    ["white space", ` { "packs" : [ { "id" : "${pack}" , "blobs" : [ ${blobText.replaceAll(",", " , ")} ] } ] } `],
    ["blobs before the id of their pack", `{"packs":[{"blobs":[${blobText}],"id":"${pack}"}]}`],
    [
      "fields in another order",
      `{"packs":[{"id":"${pack}","blobs":[{"length":40,"offset":5,"type":"tree","id":"${blob}"}]}]}`,
    ],
    [
      "keys with escapes",
      `{"p\\u0061cks":[{"\\u0069d":"${pack}","blobs":[${blobText.replace("type", "typ\\u0065")}]}]}`,
    ],
    [
      "an uncompressed length of 0",
      `{"packs":[{"id":"${pack}","blobs":[${blobText.replace("}", ',"uncompressed_length":0}')}]}]}`,
    ],
  ];
  for (const [name, text] of alsoRead) {
    it(`are read with ${name}`, () => {
      expect(parse(text)).to.deep.equal(expected);
    });
  }

  it("are read without packs", () => {
    for (const text of ["{}", '{"packs":null}', '{"packs":[]}', `{"supersedes":[]}`])
      expect(parse(text)).to.deep.equal([]);
    expect(parse(`{"packs":[{"id":"${pack}","blobs":null}]}`)).to.deep.equal([{ id: pack, blobs: [] }]);
  });

  const refused: readonly (readonly [string, string, string])[] = [
    ["nothing", "", "malformed"],
    ["the array of versions before 0.2", "[]", "unsupported"],
    ["a pack without an id", `{"packs":[{"blobs":[${blobText}]}]}`, "malformed"],
    ["a pack id that is none", `{"packs":[{"id":"ab","blobs":[]}]}`, "malformed"],
    ["an id in upper case", `{"packs":[{"id":"${pack.toUpperCase()}","blobs":[]}]}`, "malformed"],
    ["an id that is too long", `{"packs":[{"id":"${pack}0","blobs":[]}]}`, "malformed"],
    ["a blob without an id", `{"packs":[{"id":"${pack}","blobs":[${blobText.replace('"id"', '"ix"')}]}]}`, "malformed"],
    [
      "a blob without a type",
      `{"packs":[{"id":"${pack}","blobs":[${blobText.replace('"type"', '"x"')}]}]}`,
      "malformed",
    ],
    [
      "a blob without an offset",
      `{"packs":[{"id":"${pack}","blobs":[${blobText.replace("offset", "x")}]}]}`,
      "malformed",
    ],
    [
      "a blob without a length",
      `{"packs":[{"id":"${pack}","blobs":[${blobText.replace("length", "x")}]}]}`,
      "malformed",
    ],
    ["another type", `{"packs":[{"id":"${pack}","blobs":[${blobText.replace("tree", "lake")}]}]}`, "malformed"],
    ["a negative offset", `{"packs":[{"id":"${pack}","blobs":[${blobText.replace(":5", ":-5")}]}]}`, "malformed"],
    [
      "an offset of 33 bits",
      `{"packs":[{"id":"${pack}","blobs":[${blobText.replace(":5", ":4294967296")}]}]}`,
      "malformed",
    ],
    [
      "a length of 400 digits",
      `{"packs":[{"id":"${pack}","blobs":[${blobText.replace(":40", `:${"9".repeat(400)}`)}]}]}`,
      "malformed",
    ],
    ["a fraction", `{"packs":[{"id":"${pack}","blobs":[${blobText.replace(":40", ":40.5")}]}]}`, "malformed"],
    ["an exponent", `{"packs":[{"id":"${pack}","blobs":[${blobText.replace(":40", ":4e1")}]}]}`, "malformed"],
    ["a leading zero", `{"packs":[{"id":"${pack}","blobs":[${blobText.replace(":40", ":040")}]}]}`, "malformed"],
    ["something behind it", '{"packs":[]} x', "malformed"],
    ["packs that are an object", '{"packs":{}}', "malformed"],
  ];
  for (const [name, text, code] of refused) {
    it(`are refused with ${name}`, () => {
      expect(() => parse(text))
        .to.throw()
        .with.property("code", code);
    });
  }

  it("are refused when cut at any byte", () => {
    const document = utf8Encode(`{"packs":[{"id":"${pack}","blobs":[${blobText}]}]}`);
    for (let length = 0; length < document.length; length++) {
      expect(() => parseIndex(document.subarray(0, length)), `${length}`)
        .to.throw()
        .with.property("code", "malformed");
    }
  });
});
