import { expect } from "chai";
import fc from "fast-check";
import { isAddress, networkOf, normalizeAddress } from "../../../server/network/ip-address.ts";

describe("an address", () => {
  it("is told from other things", () => {
    for (const text of ["1.2.3.4", "::1", "::ffff:1.2.3.4", "fe80::1%en0"])
      expect(isAddress(text), text).to.equal(true);
    for (const text of ["", "@", "/run/x.sock", "1.2.3", "unix"]) expect(isAddress(text), text).to.equal(false);
  });
});

describe("networkOf", () => {
  for (const [address, network] of [
    ["192.0.2.7", "192.0.2.7"],
    ["::1", "0:0:0:0::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:db8:0:0:ffff::", "2001:db8:0:0::/64"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["64:ff9b::1.2.3.4", "64:ff9b:0:0::/64"],
    ["-", "-"],
  ] as const) {
    it(`${address} is in ${network}`, () => expect(networkOf(address)).to.equal(network));
  }

  it("is the same for all addresses of a /64, however they are written", () => {
    const group = fc.nat(0xffff).map((value) => value.toString(16));
    const groups = (length: number): fc.Arbitrary<string[]> =>
      fc.array(group, { minLength: length, maxLength: length });
    fc.assert(
      fc.property(groups(4), groups(4), groups(4), (net, one, other) => {
        const spelled = (rest: string[]): string => normalizeAddress([...net, ...rest].join(":")) ?? "";
        expect(networkOf(spelled(one))).to.equal(networkOf(spelled(other)));
        // The URL parser writes the longest run of zeros as "::".
        const shortest = new URL(`http://[${[...net, ...one].join(":")}]`).hostname.slice(1, -1);
        expect(networkOf(shortest)).to.equal(`${net.join(":")}::/64`);
      }),
    );
  });
});
