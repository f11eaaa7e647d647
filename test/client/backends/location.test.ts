import { expect } from "chai";
import fc from "fast-check";
import { optionsOfNamespace, parseExtendedOptions } from "../../../client/backends/extended-options.ts";
import { parseLocation, stripPassword } from "../../../client/backends/location.ts";
import { CofferError } from "../../../shared/errors.ts";

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof CofferError) return error.code;
    throw error;
  }
  return "no error";
}

describe("parseLocation", () => {
  const rest = { kind: "rest", origin: "http://host:8000" };
  const cases: Record<string, object> = {
    "rest:http://host:8000/": { ...rest, basePath: "/" },
    "rest:http://host:8000": { ...rest, basePath: "/" },
    "rest:http://host:8000/user/repo": { ...rest, basePath: "/user/repo/" },
    "rest:https://host/repo/": { kind: "rest", origin: "https://host", basePath: "/repo/" },
    "rest:http://user:pass@host:8000/r/": {
      ...rest,
      basePath: "/r/",
      credentials: { username: "user", password: "pass" },
    },
    "rest:http://us%20er:p%40s%3As@host:8000/": {
      ...rest,
      basePath: "/",
      credentials: { username: "us er", password: "p@s:s" },
    },
    "rest:http://user@host:8000/": { ...rest, basePath: "/", credentials: { username: "user", password: "" } },
    "rest:http://[::1]:8000/r x/": { kind: "rest", origin: "http://[::1]:8000", basePath: "/r%20x/" },
    "rest:http+unix:///run/rest.sock:/repo/": {
      kind: "rest",
      origin: "http://localhost",
      socketPath: "/run/rest.sock",
      basePath: "/repo/",
    },
    "rest:https+unix:///run/rest.sock:/repo": {
      kind: "rest",
      origin: "https://localhost",
      socketPath: "/run/rest.sock",
      basePath: "/repo/",
    },
    "/srv/backup": { kind: "local", path: "/srv/backup" },
    "local:relative/path": { kind: "local", path: "relative/path" },
    "local:/srv/a:b": { kind: "local", path: "/srv/a:b" },
    relative: { kind: "local", path: "relative" },
    "./a:b": { kind: "local", path: "./a:b" },
    "../a:b": { kind: "local", path: "../a:b" },
    "/a:b": { kind: "local", path: "/a:b" },
    "C:\\backup": { kind: "local", path: "C:\\backup" },
  };
  for (const [text, expected] of Object.entries(cases)) {
    it(`understands ${text}`, () => {
      expect(parseLocation(text)).to.deep.equal(expected);
    });
  }

  for (const text of [
    "",
    "local:",
    "rest:",
    "rest:/path",
    "rest:ftp://host/",
    "rest:http://",
    "sftp:u@h:/p",
    "s3:x",
    "foo:bar",
  ]) {
    it(`refuses ${text || "the empty text"}`, () => {
      expect(codeOf(() => parseLocation(text))).to.equal("usage");
    });
  }

  it("does not show a password in its errors", () => {
    const secrets = [
      "rest:http://user:s3cret@",
      "rest:http://user:s3cret@host/?query",
      "rest:http://user:a/s3cret@host/",
    ];
    for (const text of secrets) {
      expect(() => parseLocation(text))
        .to.throw(CofferError)
        .with.property("message")
        .that.does.not.include("s3cret");
    }
  });
});

describe("stripPassword", () => {
  const cases: Record<string, string> = {
    "rest:http://user:pass@host:8000/r/": "rest:http://user:***@host:8000/r/",
    "rest:https://user:p@ss@host/": "rest:https://user:***@host/",
    "rest:http://user:@host/": "rest:http://user:***@host/",
    "rest:http://user@host/": "rest:http://user@host/",
    "rest:http://host:8000/": "rest:http://host:8000/",
    "rest:http://:8000/": "rest:http://:8000/",
    "rest:http://host/a:b@c/": "rest:http://host/a:b@c/",
    "/srv/user:pass@host": "/srv/user:pass@host",
  };
  for (const [text, expected] of Object.entries(cases)) {
    it(`makes ${expected} of ${text}`, () => {
      expect(stripPassword(text)).to.equal(expected);
    });
  }

  it("never fails and leaves other text alone", () => {
    fc.assert(fc.property(fc.string(), (text) => stripPassword(text) === text || text.includes("@")));
  });
});

describe("extended options", () => {
  it("are split, trimmed and put in lower case", () => {
    const options = parseExtendedOptions(["Rest.Connections = 7", "s3.region=a=b", "local.x"]);
    expect([...options]).to.deep.equal([
      ["rest.connections", "7"],
      ["s3.region", "a=b"],
      ["local.x", ""],
    ]);
    expect(optionsOfNamespace(options, "rest")).to.deep.equal({ connections: 7 });
    expect(optionsOfNamespace(new Map(), "rest")).to.deep.equal({ connections: undefined });
  });

  it("are refused when they are empty, contradict each other, or are not known", () => {
    expect(() => parseExtendedOptions(["=5"])).to.throw(CofferError, "empty key is not a valid option");
    const twice = ["local.connections=1", "local.connections=2"];
    expect(() => parseExtendedOptions(twice)).to.throw(CofferError, 'key "local.connections" present more than once');
    expect(() => parseExtendedOptions(["a.b=1", "a.b=1"])).not.to.throw();
    const unknown = parseExtendedOptions(["local.bogus=1"]);
    expect(() => optionsOfNamespace(unknown, "local")).to.throw(CofferError, "option local.bogus is not known");
    expect(optionsOfNamespace(unknown, "rest")).to.deep.equal({ connections: undefined });
    for (const value of ["0", "-1", "x", "", "1.5", "99999"]) {
      const options = parseExtendedOptions([`rest.connections=${value}`]);
      expect(
        codeOf(() => optionsOfNamespace(options, "rest")),
        value,
      ).to.equal("usage");
    }
  });
});
