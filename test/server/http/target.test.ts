import { expect } from "chai";
import { originForm, parseTarget } from "../../../server/http/target.ts";

describe("the target of a request", () => {
  for (const [target, expected] of [
    ["/a/b?c", "/a/b?c"],
    ["//a", "//a"],
    ["http://host/a?b", "/a?b"],
    ["HTTPS://user@host:1/a", "/a"],
    ["http://host", "/"],
    ["http://host?a", "/?a"],
    ["http://[::1]:80/http://x", "/http://x"],
    ["http:/a", undefined],
    ["mailto:x", undefined],
    ["a/b", undefined],
    ["*", undefined],
    ["", undefined],
  ] as const) {
    it(`${JSON.stringify(target)} means ${JSON.stringify(expected)}`, () => {
      expect(originForm(target)).to.equal(expected);
    });
  }

  it("ends where the query begins", () => {
    expect(parseTarget("/a?b?c")).to.deep.equal({ path: "/a", query: "b?c" });
    expect(parseTarget("/a")).to.deep.equal({ path: "/a", query: "" });
  });
});
