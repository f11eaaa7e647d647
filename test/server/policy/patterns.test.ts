import { expect } from "chai";
import { AddressRanges, isAddress } from "../../../server/policy/addresses.ts";
import { fits, fitsBroadly, parsePattern } from "../../../server/policy/patterns.ts";
import { formatSize, parseSize } from "../../../server/policy/sizes.ts";
import { hasErrorCode } from "../../../shared/errors.ts";

function malformedMessage(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (hasErrorCode(error, "malformed")) return error.message;
    throw error;
  }
  throw new Error("expected a complaint");
}

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

describe("ranges of addresses", () => {
  const ranges = new AddressRanges(["10.0.0.0/8", "192.168.1.7", "2001:db8::/32", "::1"]);
  for (const [address, isInside] of [
    ["10.255.0.1", true],
    ["11.0.0.1", false],
    ["192.168.1.7", true],
    ["192.168.1.8", false],
    ["::ffff:10.1.2.3", true],
    ["::FFFF:11.1.2.3", false],
    ["2001:db8:1::5", true],
    ["2001:db9::5", false],
    ["::1", true],
    ["2001:db8::1%eth0", true],
    ["somewhere", false],
    ["", false],
  ] as const) {
    it(`${JSON.stringify(address)} is ${isInside ? "in" : "outside"}`, () => {
      expect(ranges.has(address)).to.equal(isInside);
    });
  }

  it("that include everything include it for their version", () => {
    expect(new AddressRanges(["0.0.0.0/0"]).has("203.0.113.5")).to.equal(true);
    expect(new AddressRanges(["0.0.0.0/0"]).has("2001:db8::1")).to.equal(false);
    expect(new AddressRanges(["::/0"]).has("2001:db8::1")).to.equal(true);
  });

  for (const text of [
    "",
    "10.0.0",
    "10.0.0.0/33",
    "::/129",
    "fe80::1%eth0",
    "host",
    "10.0.0.0/",
    "10.0.0.0/a",
    "1.2.3.4/-1",
  ]) {
    it(`refuse ${JSON.stringify(text)}`, () => {
      expect(malformedMessage(() => new AddressRanges([text]))).to.match(/expected an address or a range/);
    });
  }

  it("know what is an address", () => {
    for (const text of ["1.2.3.4", "::1", "::ffff:1.2.3.4", "fe80::1%en0"])
      expect(isAddress(text), text).to.equal(true);
    for (const text of ["", "@", "/run/x.sock", "1.2.3", "unix"]) expect(isAddress(text), text).to.equal(false);
  });
});

describe("sizes", () => {
  for (const [text, bytes] of [
    ["1", 1],
    ["1000000", 1e6],
    ["10B", 10],
    ["1kB", 1000],
    ["1KiB", 1024],
    ["500GiB", 500 * 2 ** 30],
    ["1TB", 1e12],
    ["1.5 TB", 1.5e12],
    ["0.5KiB", 512],
  ] as const) {
    it(`${text} is ${bytes} bytes`, () => expect(parseSize(text)).to.equal(bytes));
  }

  for (const text of [
    "",
    "0",
    "0GiB",
    "-1",
    "1e9",
    "1G",
    "1gb",
    "5 gigs",
    "1_000",
    "99999PiB",
    "1TB2",
    "constructor",
  ]) {
    it(`${JSON.stringify(text)} is none`, () => {
      expect(malformedMessage(() => parseSize(text))).to.match(/expected a size such as/);
    });
  }

  it("are written with two digits after the point", () => {
    expect([0, 1023, 1536, 500 * 2 ** 30, 1e12].map(formatSize)).to.deep.equal([
      "0 bytes",
      "1023 bytes",
      "1.5 KiB",
      "500 GiB",
      "931.32 GiB",
    ]);
  });
});
