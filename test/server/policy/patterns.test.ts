import { expect } from "chai";
import { fits, fitsBroadly, parsePattern } from "../../../server/policy/patterns.ts";
import { malformedMessage } from "../../support/malformed-message.ts";

describe("patterns of repositories", () => {
  const repositories = ["", "alice", "alice/laptop", "bob", "bob/alice", "shared", "shared/x", "Alice", "{user}", "*"];
  for (const [pattern, user, expected] of [
    ["/", "alice", [""]],
    ["alice", "bob", ["alice"]],
    ["/alice/", "bob", ["alice"]],
    ["{user}", "alice", ["alice"]],
    ["{user}/*", "alice", ["alice/laptop"]],
    ["{user}/**", "alice", ["alice", "alice/laptop"]],
    ["*/{user}", "alice", ["bob/alice"]],
    ["**/{user}", "alice", ["alice", "bob/alice"]],
    ["*", "alice", ["alice", "bob", "shared", "Alice", "{user}", "*"]],
    ["*/*", "alice", ["alice/laptop", "bob/alice", "shared/x"]],
    ["**", "", repositories],
    ["**/**", "", repositories],
    ["{user}/**", "", []],
    ["{user}/**", "alice/laptop", []],
    ["{user}", "*", ["*"]],
    ["shared/**/x", "alice", ["shared/x"]],
  ] as const) {
    it(`${pattern} of ${JSON.stringify(user)} fits ${JSON.stringify(expected)}`, () => {
      const parsed = parsePattern(pattern);
      const found = repositories.filter((path) => fits(parsed, path === "" ? [] : path.split("/"), user));
      expect(found).to.deep.equal(expected);
    });
  }

  it("fit other spellings of a name only where something is denied", () => {
    for (const [pattern, folder] of [
      ["secret", "SECRET"],
      ["m\u00fcller", "mu\u0308ller"],
      ["stra\u00dfe", "STRASSE"],
      ["{user}", "Alice"],
    ] as const) {
      expect(fits(parsePattern(pattern), [folder], "alice"), folder).to.equal(false);
      expect(fitsBroadly(parsePattern(pattern), [folder], "alice"), folder).to.equal(true);
    }
    expect(fitsBroadly(parsePattern("secret"), ["secrets"], "alice")).to.equal(false);
  });

  it("never take a name for a wildcard, however it is folded", () => {
    const paths = ["", "bob", "secret", "*", "\uff0a", "**", "\uff0a\uff0a", "{user}", "\uff5buser\uff5d", "bob/x"];
    for (const [pattern, expected] of [
      ["\uff0a", ["*", "\uff0a"]],
      ["\uff0a\uff0a", ["**", "\uff0a\uff0a"]],
      ["\uff5buser\uff5d", ["{user}", "\uff5buser\uff5d"]],
      ["{user}", ["bob"]],
      ["*", paths.slice(1, -1)],
      ["**", paths],
    ] as const) {
      const parsed = parsePattern(pattern);
      const found = paths.filter((path) => fitsBroadly(parsed, path === "" ? [] : path.split("/"), "bob"));
      expect(found, pattern).to.deep.equal(expected);
    }
  });

  for (const [pattern, message] of [
    ["", /expected a path/],
    ["a/b/c", /at most two folders/],
    ["{user}/*/x", /at most two folders/],
    ["a//b", /cannot be/],
    ["..", /cannot be/],
    ["a/.", /cannot be/],
    ["data", /cannot be/],
    ["alice/config", /cannot be/],
    ["a\0", /cannot be/],
    ["lap*", /whole names/],
    ["{users}", /whole names/],
    ["***", /whole names/],
  ] as const) {
    it(`refuse ${JSON.stringify(pattern)}`, () => {
      expect(malformedMessage(() => parsePattern(pattern))).to.match(message);
    });
  }
});
