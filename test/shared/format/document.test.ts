import { expect } from "chai";
import { createNodeProvider } from "../../../client/platform/node-provider.ts";
import { utf8Encode } from "../../../shared/format/bytes.ts";
import { decodeDocument, encodeDocument } from "../../../shared/format/document.ts";
import { createPortableProvider } from "../../../shared/portable/provider.ts";

const json = utf8Encode('{"a":"text text text text text text text text"}');

for (const [name, createProvider] of [
  ["node", createNodeProvider],
  ["portable", createPortableProvider],
] as const) {
  describe(`documents, ${name} provider`, () => {
    const provider = createProvider();

    it("are the text itself in version 1", () => {
      expect(encodeDocument(json, 1, provider)).to.deep.equal(json);
      expect(decodeDocument(json, 1, provider)).to.deep.equal(json);
    });

    it("are compressed in version 2, in every mode", () => {
      for (const mode of ["auto", "off", "fastest", "better", "max"] as const) {
        const plaintext = encodeDocument(json, 2, provider, mode);
        expect([...plaintext.subarray(0, 5)]).to.deep.equal([2, 0x28, 0xb5, 0x2f, 0xfd]);
        expect(decodeDocument(plaintext, 2, provider)).to.deep.equal(json);
      }
    });

    it("may be plain in version 2", () => {
      expect(decodeDocument(json, 2, provider)).to.deep.equal(json);
      expect(decodeDocument(utf8Encode("[]"), 2, provider)).to.deep.equal(utf8Encode("[]"));
    });

    it("must not be compressed in version 1", () => {
      const plaintext = encodeDocument(json, 2, provider);
      expect(() => decodeDocument(plaintext, 1, provider))
        .to.throw()
        .with.property("code", "unsupported");
    });

    it("begin with nothing else", () => {
      for (const plaintext of [new Uint8Array(), utf8Encode(" {}"), Uint8Array.of(1, 2, 3), Uint8Array.of(3)]) {
        expect(() => decodeDocument(plaintext, 2, provider))
          .to.throw()
          .with.property("code", "malformed");
      }
      expect(() => encodeDocument(utf8Encode(" {}"), 2, provider))
        .to.throw()
        .with.property("code", "internal");
    });

    it("are bounded", () => {
      const plaintext = encodeDocument(json, 2, provider);
      for (const document of [plaintext, json]) {
        expect(decodeDocument(document, 2, provider, json.length)).to.deep.equal(json);
        expect(() => decodeDocument(document, 2, provider, json.length - 1))
          .to.throw()
          .with.property("code", "limit-exceeded");
      }
    });

    it("are refused when the frame is cut or has something behind it", () => {
      const plaintext = encodeDocument(json, 2, provider);
      for (let length = 1; length < plaintext.length; length++) {
        expect(() => decodeDocument(plaintext.subarray(0, length), 2, provider), `${length}`)
          .to.throw()
          .with.property("code", "malformed");
      }
      const longer = Uint8Array.from([...plaintext, 0]);
      expect(() => decodeDocument(longer, 2, provider))
        .to.throw()
        .with.property("code", "malformed");
    });
  });
}
