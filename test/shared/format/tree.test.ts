import { expect } from "chai";
import fc from "fast-check";
import { fromHex, toHex, utf8Decode, utf8Encode } from "../../../shared/format/bytes.ts";
import { compareNames, decodeTree, encodeTree } from "../../../shared/format/tree.ts";
import { encodeNode, type TreeNode } from "../../../shared/format/tree-node.ts";
import { readTreeReferences } from "../../../shared/format/tree-references.ts";
import { anyNode, fileNode } from "../../support/tree-nodes.ts";
import { readVectors, type TreeVectors } from "../../support/vectors.ts";

const a = "aa".repeat(32);
const b = "bb".repeat(32);

function encode(nodes: readonly TreeNode[]): Uint8Array {
  return encodeTree(nodes.map((node) => encodeNode(node)));
}

/** Nodes in a legal order: each name once, sorted. */
const anyTree = fc
  .uniqueArray(anyNode, { maxLength: 6, selector: ({ name }) => toHex(name) })
  .map((nodes) => nodes.sort((one, other) => compareNames(one.name, other.name)));

describe("trees", () => {
  it("are one line of JSON and a newline", () => {
    const text = encodeNode(fileNode("a"));
    expect(utf8Decode(encodeTree([text, text]))).to.equal(`{"nodes":[${text},${text}]}\n`);
  });

  it("survive encoding and decoding, whatever is in them", () => {
    fc.assert(
      fc.property(anyTree, (nodes) => {
        const document = encode(nodes);
        const decoded = decodeTree(document);
        expect(decoded).to.deep.equal(nodes);
        expect(utf8Decode(encode(decoded))).to.equal(utf8Decode(document));
        const { subtrees, contents } = readTreeReferences(document);
        expect(subtrees).to.deep.equal(nodes.flatMap(({ subtree }) => subtree ?? []));
        expect(toHex(contents)).to.equal(nodes.flatMap(({ content }) => content ?? []).join(""));
      }),
      { numRuns: 200 },
    );
  });

  it("keep integers of 64 bits exact, beside names that look like them", () => {
    const large = { inode: 18446744073709551615n, deviceId: 9007199254740993n, device: 9223372036854775809n };
    const nodes = [
      fileNode('","inode":12345678901234567890,"x":"'),
      fileNode('"inode":12345678901234567890', { linkTarget: utf8Encode('"device":99999999999999999999') }),
      fileNode("plain", large),
    ];
    expect(decodeTree(encode(nodes))).to.deep.equal(nodes);
  });

  it("are sorted by bytes, not by UTF-16 units", () => {
    const names = readVectors<TreeVectors>("tree").names_unicode_13.map(({ raw_hex }) => fromHex(raw_hex));
    const nodes = names.map((name) => ({ ...fileNode(""), name }));
    expect(decodeTree(encode(nodes)).map(({ name }) => name)).to.deep.equal(names);
    expect(readTreeReferences(encode(nodes)).problems).to.deep.equal([]);
    expect([...names].reverse().sort(compareNames)).to.deep.equal(names);
  });

  it("are read with unknown keys before, after and between", () => {
    const node = encodeNode(fileNode("a", { content: [a], subtree: b }));
    const extra = '"x":{"a":[1,-2.5e+3,true,false,null,"\\u00e9\\n"],"nodes":[]}';
    const document = utf8Encode(` { ${extra} , "nodes" : [ {${extra},${node.slice(1)} ] , "y" : [ ] } \n\t\r`);
    expect(decodeTree(document)).to.deep.equal([fileNode("a", { content: [a], subtree: b })]);
    const references = readTreeReferences(document);
    expect(references).to.deep.include({ problems: [], subtrees: [b] });
    expect(toHex(references.contents)).to.equal(a);
  });

  const node = encodeNode(fileNode("a"));
  const malformed: readonly (readonly [string, string])[] = [
    ["nothing", ""],
    ["an array", "[]"],
    ["a text", '"nodes"'],
    ["no nodes", "{}"],
    ["null as nodes", '{"nodes":null}'],
    ["an object as nodes", '{"nodes":{}}'],
    ["another spelling", '{"Nodes":[]}'],
    ["a node that is null", '{"nodes":[null]}'],
    ["a node that is a number", '{"nodes":[1]}'],
    ["a node without a name", '{"nodes":[{"type":"file"}]}'],
    ["a cut end", `{"nodes":[${node}]`],
    ["a cut node", `{"nodes":[${node.slice(0, -1)}`],
    ["a comma too many", `{"nodes":[${node},]}`],
    ["a comma too few", `{"nodes":[${node}${node}]}`],
    ["something behind it", `{"nodes":[]}{}`],
    ["a byte order mark", '\ufeff{"nodes":[]}'],
    ["a number with a leading zero", '{"x":01,"nodes":[]}'],
    ["a raw control character in a text", '{"x":"\u0001","nodes":[]}'],
    ["an unknown escape", '{"x":"\\q","nodes":[]}'],
  ];
  for (const [name, text] of malformed) {
    it(`are refused with ${name}`, () => {
      expect(() => decodeTree(utf8Encode(text)))
        .to.throw()
        .with.property("code", "malformed");
      expect(() => readTreeReferences(utf8Encode(text)))
        .to.throw()
        .with.property("code", "malformed");
    });
  }

  it("are refused when they are not UTF-8", () => {
    const document = encode([fileNode("a")]);
    document[document.indexOf(0x6d)] = 0xff;
    expect(() => decodeTree(document))
      .to.throw()
      .with.property("code", "malformed");
    expect(() => readTreeReferences(document))
      .to.throw()
      .with.property("code", "malformed");
  });

  it("are refused when cut at any byte", () => {
    const document = encode([fileNode("a"), fileNode("ü\n", { subtree: b })]);
    for (let length = 0; length < document.length - 1; length++) {
      const cut = document.subarray(0, length);
      expect(() => decodeTree(cut), `${length}`)
        .to.throw()
        .with.property("code", "malformed");
      expect(() => readTreeReferences(cut), `${length}`)
        .to.throw()
        .with.property("code", "malformed");
    }
  });

  it("name the node that does not decode", () => {
    const document = utf8Encode('{"nodes":[{"name":"a","type":"file","uid":-1}]}');
    expect(() => decodeTree(document)).to.throw(
      'tree node "a": "uid" expected a whole number from 0 to 4294967295, got -1',
    );
  });

  const disordered: readonly (readonly [string, readonly string[]])[] = [
    ["out of order", ["b", "a"]],
    ["twice", ["a", "a"]],
    ["in UTF-16 order", ["\u{10000}", "\uffff"]],
  ];
  for (const [name, names] of disordered) {
    it(`are refused with names ${name}`, () => {
      const document = encode(names.map((each) => fileNode(each)));
      expect(() => decodeTree(document))
        .to.throw("ascending order")
        .with.property("code", "malformed");
      expect(readTreeReferences(document).problems).to.have.length(1);
    });
  }

  it("can be nested too deep to be followed", () => {
    const document = utf8Encode(`{"x":${"[".repeat(100_000)}${"]".repeat(100_000)},"nodes":[]}`);
    expect(() => readTreeReferences(document))
      .to.throw("levels")
      .with.property("code", "malformed");
  });
});

describe("references of a tree", () => {
  const problems: readonly (readonly [string, string])[] = [
    ['{"name":"","type":"file","content":[]}', "node with an empty name"],
    ['{"name":"a","type":"file","content":null}', 'file "a" has no list of blobs'],
    ['{"name":"a","type":"file"}', 'file "a" has no list of blobs'],
    ['{"name":"a","type":"dir","content":null}', 'dir "a" has no subtree'],
    ['{"name":"a","type":"dir","subtree":null}', 'dir "a" has no subtree'],
    ['{"name":"a\\\\n","type":"portal"}', 'node "a\\n" of unknown type'],
    ['{"name":"a","type":"irregular"}', 'node "a" of unknown type'],
    ['{"name":"a"}', 'node "a" of unknown type'],
  ];
  for (const [text, problem] of problems) {
    it(`report ${problem}`, () => {
      expect(readTreeReferences(utf8Encode(`{"nodes":[${text}]}`)).problems).to.deep.equal([problem]);
    });
  }

  it("are all there for a file of many blobs", () => {
    const content = Array.from({ length: 3000 }, (_, index) => index.toString(16).padStart(64, "0"));
    const { contents } = readTreeReferences(encode([fileNode("large", { content })]));
    expect(toHex(contents)).to.equal(content.join(""));
  });
});
