import { expect } from "chai";
import { formatSize, parseSize } from "../../server/sizes.ts";
import { malformedMessage } from "../support/malformed-message.ts";

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
    ["500MB", 500e6],
    ["500M", 500 * 2 ** 20],
    ["2g", 2 * 2 ** 30],
    ["2gib", 2 * 2 ** 30],
    ["1KB", 1000],
    ["10b", 10],
  ] as const) {
    it(`${text} is ${bytes} bytes`, () => expect(parseSize(text)).to.equal(bytes));
  }

  for (const text of [
    "",
    "0",
    "0GiB",
    "-1",
    "1e9",
    "1mb",
    "1Mb",
    "iB",
    "1iB",
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
