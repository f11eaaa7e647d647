import { expect } from "chai";
import { keyOf, markOf, repositoryPrefix } from "../../../../server/storage/s3/keys.ts";
import { hasErrorCode } from "../../../../shared/errors.ts";

const id = "ab".repeat(32);

describe("keys on S3", () => {
  it("have restic's layout", () => {
    const repository = repositoryPrefix("x/", ["user", "a b+ü"]);
    expect(keyOf(repository, { type: "config" })).to.equal("x/user/a b+ü/config");
    expect(keyOf(repository, { type: "data", id })).to.equal(`x/user/a b+ü/data/ab/${id}`);
    expect(keyOf(repositoryPrefix("", []), { type: "locks", id })).to.equal(`locks/${id}`);
    expect(markOf(repository, "keys")).to.equal("x/user/a b+ü/keys/");
  });

  for (const folders of [
    [".coffer"],
    [".coffer", "x"],
    ["a\nb"],
    ["\x7f"],
    ["\ud800"],
    ["\uffff"],
    ["x".repeat(600), "y".repeat(400)],
    ["ü".repeat(500)],
  ]) {
    it(`have no place for ${JSON.stringify(folders).slice(0, 40)}`, () => {
      expect(() => repositoryPrefix("", folders))
        .to.throw()
        .and.satisfy((error: unknown) => hasErrorCode(error, "not-found"));
    });
  }

  it("are never longer than a store takes", () => {
    const longest = repositoryPrefix("p/", ["x".repeat(471), "y".repeat(469)]);
    expect(Buffer.byteLength(keyOf(longest, { type: "snapshots", id }))).to.be.at.most(1_024);
  });
});
