import { expect } from "chai";
import fc from "fast-check";
import { fileTypes } from "../../../shared/format/layout.ts";
import { canonicalPath, listPathOf, parseRequestPath, requestPathOf } from "../../../shared/rest/paths.ts";

const id = "ab".repeat(32);

describe("request paths", () => {
  const meanings: readonly (readonly [string, unknown])[] = [
    ["/", { kind: "repository", folders: [] }],
    ["/r/", { kind: "repository", folders: ["r"] }],
    ["/a/b/", { kind: "repository", folders: ["a", "b"] }],
    ["/a%2Fb/", { kind: "repository", folders: ["a", "b"] }],
    ["/r%20x/", { kind: "repository", folders: ["r x"] }],
    ["/r/packs/", { kind: "repository", folders: ["r", "packs"] }],
    ["/r/DATA/", { kind: "repository", folders: ["r", "DATA"] }],
    ["/config", { kind: "config", folders: [] }],
    ["/a/b/config", { kind: "config", folders: ["a", "b"] }],
    ["/data/", { kind: "list", folders: [], type: "data" }],
    ["/r/locks/", { kind: "list", folders: ["r"], type: "locks" }],
    [`/r/data/${id}`, { kind: "object", folders: ["r"], type: "data", id }],
    [`/data/%61${id.slice(1)}`, { kind: "object", folders: [], type: "data", id }],
    ["/%C3%BC/", { kind: "repository", folders: ["ü"] }],
    ["/a\\b/", { kind: "repository", folders: ["a\\b"] }],
  ];
  for (const [path, target] of meanings) {
    it(`are understood: ${path.slice(0, 30)}`, () => {
      expect(parseRequestPath(path)).to.deep.equal(target);
    });
  }

  const nothing = [
    "",
    "r/",
    "/r",
    "/r/foo",
    "/r/data",
    "/a/b/c/",
    "/a/b/c/config",
    "/config/",
    "/config/config",
    "/data/config",
    "/r/data/config",
    "/r/data/abc",
    `/r/data/${id.toUpperCase()}`,
    `/r/data/${id}/`,
    `/r/data/ab/${id}`,
    `/r/packs/${id}`,
    "/data/data/",
    "//",
    "/./",
    "/../",
    "/%2e%2e/",
    "/a/%2E%2E/config",
    "/..%2f..%2fetc/config",
    "/a%00b/",
    "/%ff/",
    "/%/",
    "/%zz/",
    `/${"a".repeat(9000)}/`,
  ];
  for (const path of nothing) {
    it(`mean nothing: ${JSON.stringify(path.slice(0, 40))}`, () => {
      expect(parseRequestPath(path)).to.equal(undefined);
    });
  }

  it("are those that the client asks for", () => {
    for (const type of fileTypes) {
      expect(parseRequestPath(`/r/${requestPathOf({ type, id })}`)).to.deep.equal({
        kind: "object",
        folders: ["r"],
        type,
        id,
      });
      expect(parseRequestPath(`/r/${listPathOf(type)}`)).to.deep.equal({ kind: "list", folders: ["r"], type });
    }
    expect(parseRequestPath(`/${requestPathOf({ type: "config" })}`)).to.deep.equal({ kind: "config", folders: [] });
  });

  it("never lead out of the data folder", () => {
    const piece = fc.constantFrom("/", ".", "..", "%2e", "%2F", "%5c", "%00", "a", "data", "config", "keys", "%", id);
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const target = parseRequestPath(`/${pieces.join("")}`);
        for (const folder of target?.folders ?? []) {
          expect(folder).not.to.match(/^\.{0,2}$|[/\0]/);
          expect([...fileTypes, "config"]).not.to.include(folder);
        }
        expect(target?.folders.length ?? 0).to.be.at.most(2);
      }),
      { numRuns: 5000 },
    );
  });
});

describe("canonical paths", () => {
  const redirects: readonly (readonly [string, string])[] = [
    ["//r/", "/r/"],
    ["/r//data/", "/r/data/"],
    ["/r/./data/", "/r/data/"],
    ["/r/../data/", "/data/"],
    ["/../../x", "/x"],
    ["/r/.", "/r"],
    ["/r/..", "/"],
    ["/r/../", "/"],
    ["/a/b/..", "/a"],
    ["//", "/"],
    ["/..", "/"],
  ];
  for (const [path, expected] of redirects) {
    it(`stand for ${path}: ${expected}`, () => {
      expect(canonicalPath(path)).to.equal(expected);
      expect(canonicalPath(expected)).to.equal(undefined);
    });
  }

  for (const path of ["/", "/r", "/r/", "/.hidden/", "/r/..a/", "/a.../b/", "/%2e%2e/", `/data/${id}`]) {
    it(`leave ${path.slice(0, 20)} alone`, () => {
      expect(canonicalPath(path)).to.equal(undefined);
    });
  }
});
