import { expect } from "chai";
import { listMediaTypes, listVersionFor, listVersionOf } from "../../../shared/rest/media-types.ts";

describe("media types of lists", () => {
  it("mean version 2 only when they are exactly its type", () => {
    for (const choose of [listVersionFor, listVersionOf]) {
      expect(choose("application/vnd.x.restic.rest.v2")).to.equal(2);
      expect(choose("application/vnd.x.restic.rest.v1")).to.equal(1);
      expect(choose(undefined)).to.equal(1);
      expect(choose("")).to.equal(1);
      expect(choose("*/*")).to.equal(1);
      expect(choose(`${listMediaTypes[2]}; charset=utf-8`)).to.equal(1);
      expect(choose(`${listMediaTypes[2]}, ${listMediaTypes[1]}`)).to.equal(1);
      expect(choose(listMediaTypes[2].toUpperCase())).to.equal(1);
    }
  });
});
