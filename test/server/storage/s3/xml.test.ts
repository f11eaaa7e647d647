import { expect } from "chai";
import fc from "fast-check";
import { type ListPage, readListPage } from "../../../../server/storage/s3/list-page.ts";
import { readXml } from "../../../../server/storage/s3/xml.ts";
import { bodyOf, expectError } from "../../../conformance/storage.ts";

async function elementsOf(text: string, pieceBytes?: number): Promise<string[]> {
  const found: string[] = [];
  await readXml(bodyOf(Buffer.from(text), pieceBytes), 100_000, (path, content) => found.push(`${path}=${content}`));
  return found;
}

function page(content: string): Promise<ListPage> {
  return readListPage(bodyOf(Buffer.from(`<ListBucketResult>${content}</ListBucketResult>`)));
}

const entry = (key: string, size: string): string => `<Contents><Key>${key}</Key><Size>${size}</Size></Contents>`;
const goesOn = "<IsTruncated>true</IsTruncated>";
const token = "<NextContinuationToken>t</NextContinuationToken>";

describe("XML of a store", () => {
  it("gives elements as they end, whatever the pieces are", async () => {
    const text = '<?xml version="1.0"?><a x="1"> <b>1&amp;&#xfc;ü€😀</b><b/><c><![CDATA[<&]]></c></a>';
    const expected = ["a/b=1&üü€😀", "a/b=", "a/c=<&", "a= "];
    const property = fc.asyncProperty(fc.integer({ min: 1, max: 100 }), async (pieceBytes) => {
      expect(await elementsOf(text, pieceBytes)).to.deep.equal(expected);
    });
    await fc.assert(property);
  });

  for (const [name, text] of [
    ["nothing", ""],
    ["text", "hello"],
    ["an element that does not end", "<a><b></b>"],
    ["elements that cross", "<a><b></a></b>"],
    ["HTML", "<html><p>hello<br></html>"],
    ["a document type", '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'],
    ["an unknown entity", "<a>&x;</a>"],
    ["bytes that are no text", "\0\0\0"],
  ] as const) {
    it(`refuses ${name}`, async () => {
      await expectError(elementsOf(text), "malformed");
    });
  }

  it("has limits on size, depth and texts", async () => {
    await expectError(elementsOf(`<a>${"<b/>".repeat(30_000)}</a>`), "limit-exceeded");
    await expectError(elementsOf(`${"<a>".repeat(50)}${"</a>".repeat(50)}`), "limit-exceeded");
    await expectError(elementsOf(`<a>${"x".repeat(9_000)}</a>`), "limit-exceeded");
    await expectError(elementsOf(`<a>${"x&amp;".repeat(9_000)}</a>`, 100), "limit-exceeded");
  });
});

describe("pages of a list", () => {
  it("give keys, sizes and where to go on", async () => {
    const objects = [
      { key: "a", sizeBytes: 1 },
      { key: "b&c", sizeBytes: 0 },
    ];
    const entries = `${entry("a", "1")}${entry("b&amp;c", "0")}`;
    expect(await page(`${entries}${goesOn}${token}`)).to.deep.equal({ objects, continuation: "t" });
    expect(await page(`${entries}<IsTruncated>false</IsTruncated>${token}`)).to.deep.equal({ objects });
  });

  it("take escapes away only where there are some", async () => {
    expect((await page(entry("a%20b+c", "1"))).objects[0]?.key).to.equal("a%20b+c");
    const escaped = await page(`${entry("a%20b+c%2B%C3%BC", "1")}<EncodingType>url</EncodingType>`);
    expect(escaped.objects[0]?.key).to.equal("a b c+ü");
  });

  for (const [name, text] of [
    ["no size", "<Contents><Key>a</Key></Contents>"],
    ["no key", "<Contents><Size>1</Size></Contents>"],
    ["a size that is no number", entry("a", "-1")],
    ["a size only of the object before", `${entry("a", "1")}<Contents><Key>b</Key></Contents>`],
    ["a page that goes on nowhere", goesOn],
    ["escapes that mean nothing", `${entry("%ff", "1")}<EncodingType>url</EncodingType>`],
    ["more objects than were asked for", entry("a", "1").repeat(10_001)],
  ] as const) {
    it(`refuse ${name}`, async () => {
      await expectError(page(text), "malformed");
    });
  }

  it("refuse what is something else", async () => {
    await expectError(readListPage(bodyOf(Buffer.from("<Error><Code>x</Code></Error>"))), "malformed");
  });
});
