import { expect } from "chai";
import fc from "fast-check";
import { decodePath, encodePath } from "../../../client/filter/path-text.ts";
import { createExcludeFilter } from "../../../client/filter/select.ts";

describe("the text of paths", () => {
  it("is the path itself where it is UTF-8", () => {
    for (const path of ["/a/ü/Ä.txt", "/👍/\ufffd", "/\ufeff", ""]) {
      expect(decodePath(Buffer.from(path))).to.equal(path);
      expect(Buffer.from(encodePath(path)).toString()).to.equal(path);
    }
  });

  it("loses nothing of any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (path) => {
        expect(encodePath(decodePath(path))).to.deep.equal(path);
      }),
    );
    for (const hex of ["e282", "f09f92", "c0af", "eda080edb080", "ff80", "f4908080"]) {
      expect(Buffer.from(encodePath(decodePath(Buffer.from(hex, "hex")))).toString("hex")).to.equal(hex);
    }
  });

  it("counts each byte that belongs to no character as one", () => {
    const name = decodePath(Buffer.from("/a\xe2\x82b", "latin1"));
    const matches = (pattern: string): boolean =>
      createExcludeFilter({ caseSensitive: [pattern], caseInsensitive: [] }).excludes(name);
    expect(["a??b", "a*b", "*b", "a?b", "a???b", "[a][^x]?b"].filter(matches)).to.deep.equal([
      "a??b",
      "a*b",
      "*b",
      "[a][^x]?b",
    ]);
  });

  it("does not find a lone byte inside a character beyond the 16-bit range", () => {
    // The second half of this character is the unit that stands for the byte 0x80.
    const skull = "\ud83d\udc80";
    const filter = createExcludeFilter({ caseSensitive: ["*\udc80*"], caseInsensitive: [] });
    expect(filter.excludes(`/${skull}`)).to.equal(false);
    expect(filter.excludes("/x\udc80")).to.equal(true);
  });
});
