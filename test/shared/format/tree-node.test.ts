import { expect } from "chai";
import fc from "fast-check";
import { fromHex } from "../../../shared/format/bytes.ts";
import { encodeNode, nodesEqual, type TreeNode } from "../../../shared/format/tree-node.ts";
import { decodeNode, quoteLargeIntegers } from "../../../shared/format/tree-node-reader.ts";
import { anyNode, fileNode } from "../../support/tree-nodes.ts";
import { readVectors, type TreeVectors } from "../../support/vectors.ts";

const id = "aa".repeat(32);

/** Through the text and back, as trees are read. */
function decode(text: string): TreeNode {
  return decodeNode(JSON.parse(quoteLargeIntegers(text)));
}

describe("tree nodes", () => {
  it("are written with the fields in restic's order", () => {
    const node = fileNode("a", {
      linkTarget: Uint8Array.of(0xff),
      extendedAttributes: [
        { name: Buffer.from("user.b"), value: Uint8Array.of(1) },
        { name: Buffer.from("user.a"), value: new Uint8Array() },
        { name: Buffer.from("user.none"), value: null },
      ],
      genericAttributes: {
        "windows.file_attributes": 32,
        "windows.creation_time": { LowDateTime: 1, HighDateTime: 2 },
      },
      device: 5n,
      subtree: id,
      error: "no",
    });
    expect(encodeNode(node)).to.equal(
      `{"name":"a","type":"file","mode":420,"mtime":"2024-01-02T03:04:05.6Z","atime":"2024-01-02T03:04:05.6Z",` +
        `"ctime":"2024-01-02T03:04:06Z","uid":1000,"gid":100,"user":"me","group":"users","inode":12,"device_id":65024,` +
        `"size":3,"links":1,"linktarget":"\\ufffd","linktarget_raw":"/w==",` +
        `"extended_attributes":[{"name":"user.b","value":"AQ=="},{"name":"user.a","value":""},{"name":"user.none","value":null}],` +
        `"generic_attributes":{"windows.creation_time":{"LowDateTime":1,"HighDateTime":2},"windows.file_attributes":32},` +
        `"device":5,"content":["${id}"],"subtree":"${id}","error":"no"}`,
    );
    expect(decode(encodeNode(node))).to.deep.equal({
      ...node,
      extendedAttributes: node.extendedAttributes.map(({ name, value }) => ({ name: Uint8Array.from(name), value })),
    });
  });

  it("leave out what is zero or empty, but never user and group numbers, times and content", () => {
    const node = fileNode("a", {
      mode: 0,
      uid: 0,
      gid: 0,
      user: "",
      group: "",
      inode: 0n,
      deviceId: 0n,
      sizeBytes: 0,
      links: 0,
      content: [],
      linkTarget: new Uint8Array(),
      genericAttributes: {},
    });
    expect(encodeNode(node)).to.equal(
      `{"name":"a","type":"file","mtime":"2024-01-02T03:04:05.6Z","atime":"2024-01-02T03:04:05.6Z",` +
        `"ctime":"2024-01-02T03:04:06Z","uid":0,"gid":0,"content":[]}`,
    );
    expect(encodeNode({ ...node, content: null })).to.contain('"content":null}');
  });

  it("write link targets as restic 0.19 does", () => {
    for (const target of readVectors<TreeVectors>("tree").symlink_targets) {
      const text = encodeNode(fileNode("a", { type: "symlink", content: null, linkTarget: fromHex(target.raw_hex) }));
      const raw = target.linktarget_raw_restic_0_19;
      const expected = `"linktarget":${target.linktarget_restic_0_19}${raw === null ? "" : `,"linktarget_raw":${raw}`},`;
      expect(text).to.contain(`"links":1,${expected}"content"`);
      expect(Buffer.from(decode(text).linkTarget!).toString("hex")).to.equal(target.raw_hex);
    }
  });

  it("survive encoding and decoding, whatever is in them", () => {
    fc.assert(
      fc.property(anyNode, (node) => {
        const text = encodeNode(node);
        const decoded = decode(text);
        expect(decoded).to.deep.equal(node);
        expect(encodeNode(decoded)).to.equal(text);
        expect(nodesEqual(decoded, node)).to.equal(true);
      }),
      { numRuns: 500 },
    );
  });

  it("are read with absent and null fields as zero", () => {
    expect(decodeNode({ name: "a", type: "dir", mode: null, content: null, subtree: null })).to.deep.equal({
      name: Uint8Array.of(0x61),
      type: "dir",
      mode: 0,
      mtime: "0001-01-01T00:00:00Z",
      atime: "0001-01-01T00:00:00Z",
      ctime: "0001-01-01T00:00:00Z",
      uid: 0,
      gid: 0,
      user: "",
      group: "",
      inode: 0n,
      deviceId: 0n,
      sizeBytes: 0,
      links: 0,
      extendedAttributes: [],
      device: 0n,
      content: null,
    });
  });

  it("ignore unknown keys", () => {
    expect(decodeNode({ name: "a", type: "fifo", colour: "red" })).not.to.have.property("colour");
  });

  const refused: readonly (readonly [string, Record<string, unknown>, string])[] = [
    ["no name", { name: undefined }, "malformed"],
    ["a bad escape in the name", { name: "\\q" }, "malformed"],
    ["no type", { type: undefined }, "malformed"],
    ["an unknown type", { type: "portal" }, "unsupported"],
    ["a type named like a method", { type: "constructor" }, "unsupported"],
    ["a negative mode", { mode: -1 }, "malformed"],
    ["a mode of 33 bits", { mode: 2 ** 32 }, "malformed"],
    ["a fraction", { uid: 1.5 }, "malformed"],
    ["a user number as text", { uid: "0" }, "malformed"],
    ["a time that is none", { mtime: "yesterday" }, "malformed"],
    ["a time that would break out of its quotes", { ctime: '2024-01-01T00:00:00Z","x":"' }, "malformed"],
    ["an inode as text", { inode: "12" }, "malformed"],
    ["a negative inode", { inode: -1 }, "malformed"],
    ["an inode of 65 bits", { inode: "#18446744073709551616" }, "malformed"],
    ["a size beyond 2^53", { size: 2 ** 53 }, "malformed"],
    ["a user name that is no text", { user: 5 }, "malformed"],
    ["a raw target that is no base64", { linktarget_raw: "*" }, "malformed"],
    ["attributes that are no list", { extended_attributes: {} }, "malformed"],
    ["an attribute without a name", { extended_attributes: [{ value: "" }] }, "malformed"],
    ["an attribute that is null", { extended_attributes: [null] }, "malformed"],
    ["an attribute value that is no base64", { extended_attributes: [{ name: "a", value: "*" }] }, "malformed"],
    ["an attribute value that is a number", { extended_attributes: [{ name: "a", value: 1 }] }, "malformed"],
    ["generic attributes that are no object", { generic_attributes: [1] }, "malformed"],
    ["content that is no list", { content: id }, "malformed"],
    ["content with a short id", { content: ["aa"] }, "malformed"],
    ["content with an upper-case id", { content: [id.toUpperCase()] }, "malformed"],
    ["a subtree that is no id", { subtree: 1 }, "malformed"],
  ];
  for (const [name, fields, code] of refused) {
    it(`are refused with ${name}`, () => {
      expect(() => decodeNode({ name: "a", type: "file", ...fields }))
        .to.throw()
        .with.property("code", code);
    });
  }
});

describe("equality of nodes", () => {
  const node = fileNode("a", { extendedAttributes: [{ name: Uint8Array.of(1), value: Uint8Array.of(2) }] });

  it("compares times as instants", () => {
    expect(nodesEqual(node, { ...node, mtime: "2024-01-02T04:04:05.6+01:00" })).to.equal(true);
    expect(nodesEqual(node, { ...node, mtime: "2024-01-02T03:04:05.600000001Z" })).to.equal(false);
  });

  it("takes an empty link target for none", () => {
    expect(nodesEqual(node, { ...node, linkTarget: new Uint8Array() })).to.equal(true);
  });

  const changes: Partial<TreeNode>[] = [
    { name: Uint8Array.of(0x62) },
    { type: "dir" },
    { mode: 0o600 },
    { atime: "2024-01-02T03:04:05.7Z" },
    { ctime: "2024-01-02T03:04:05.7Z" },
    { uid: 1 },
    { gid: 1 },
    { user: "you" },
    { group: "wheel" },
    { inode: 13n },
    { deviceId: 1n },
    { sizeBytes: 4 },
    { links: 2 },
    { linkTarget: Uint8Array.of(1) },
    { extendedAttributes: [] },
    { extendedAttributes: [{ name: Uint8Array.of(1), value: null }] },
    { extendedAttributes: [{ name: Uint8Array.of(1), value: Uint8Array.of(3) }] },
    { extendedAttributes: [{ name: Uint8Array.of(2), value: Uint8Array.of(2) }] },
    { genericAttributes: { a: 1 } },
    { device: 1n },
    { content: null },
    { content: [] },
    { content: ["bb".repeat(32)] },
    { subtree: id },
    { error: "x" },
  ];
  for (const change of changes) {
    it(`sees another ${Object.keys(change)[0]}`, () => {
      expect(nodesEqual(node, { ...node, ...change })).to.equal(false);
      expect(nodesEqual({ ...node, ...change }, node)).to.equal(false);
    });
  }
});
