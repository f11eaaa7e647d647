import { expect } from "chai";
import { AddressRanges } from "../../../server/network/address-ranges.ts";
import { malformedMessage } from "../../support/malformed-message.ts";

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
});
