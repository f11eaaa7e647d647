import { expect } from "chai";
import fc from "fast-check";
import { TrustedProxies } from "../../../server/http/trusted-proxies.ts";
import { normalizeAddress } from "../../../server/network/ip-address.ts";
import { hasErrorCode } from "../../../shared/errors.ts";
import { serveApp } from "../../support/served-app.ts";

describe("trusted proxies", () => {
  const proxies = new TrustedProxies("127.0.0.1, 10.0.0.0/8, fd00::/8");

  for (const [what, peer, header, client] of [
    ["nobody in between", "127.0.0.1", undefined, "127.0.0.1"],
    ["one proxy", "127.0.0.1", "192.0.2.7", "192.0.2.7"],
    ["two proxies", "127.0.0.1", "192.0.2.7, 10.1.2.3", "192.0.2.7"],
    ["what a client made up before it", "127.0.0.1", "6.6.6.6, 192.0.2.7", "192.0.2.7"],
    ["a client that claims to be a proxy", "127.0.0.1", "6.6.6.6, 10.9.9.9, 192.0.2.7, 10.1.2.3", "192.0.2.7"],
    ["a peer that is not trusted", "192.0.2.1", "6.6.6.6", "192.0.2.1"],
    ["only proxies", "127.0.0.1", "10.0.0.1, 10.0.0.2", "10.0.0.1"],
    ["something that is no address", "127.0.0.1", "6.6.6.6, unknown, 10.0.0.2", "10.0.0.2"],
    ["an empty header", "127.0.0.1", "", "127.0.0.1"],
    ["a port", "127.0.0.1", "192.0.2.7:4711", "192.0.2.7"],
    ["IPv6", "127.0.0.1", "2001:DB8::1", "2001:db8::1"],
    ["IPv6 with a port", "127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"],
    ["IPv4 inside IPv6", "127.0.0.1", "6.6.6.6, ::ffff:10.0.0.5", "6.6.6.6"],
    ["a socket file", "-", "192.0.2.7", "-"],
  ] as const) {
    it(`X-Forwarded-For with ${what}`, () => {
      expect(proxies.clientOf(peer, header === undefined ? {} : { "x-forwarded-for": header })).to.equal(client);
      // The other header comes from whoever likes to write one.
      expect(proxies.clientOf("127.0.0.1", { forwarded: "for=6.6.6.6" })).to.equal("127.0.0.1");
    });
  }

  for (const [header, client] of [
    ["for=192.0.2.7", "192.0.2.7"],
    ["For=192.0.2.7;proto=https;by=203.0.113.1", "192.0.2.7"],
    ["proto=https; for=192.0.2.7", "192.0.2.7"],
    ['for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"],
    ["for=6.6.6.6, for=192.0.2.7, for=10.0.0.1", "192.0.2.7"],
    ["for=6.6.6.6, for=_hidden", "127.0.0.1"],
    ["for=6.6.6.6, proto=https", "127.0.0.1"],
    ['for=6.6.6.6;x=", for="192.0.2.7:80"', "192.0.2.7"],
    ['for="6.6.6.6, for=192.0.2.7', "192.0.2.7"],
    ["xfor=6.6.6.6", "127.0.0.1"],
  ] as const) {
    it(`Forwarded: ${header}`, () => {
      const forwarded = new TrustedProxies("127.0.0.1,10.0.0.0/8", "forwarded");
      expect(forwarded.clientOf("127.0.0.1", { forwarded: header, "x-forwarded-for": "6.6.6.6" })).to.equal(client);
    });
  }

  it("trusts a socket file only when told to", () => {
    const header = { "x-forwarded-for": "192.0.2.7" };
    expect(new TrustedProxies("unix").clientOf("-", header)).to.equal("192.0.2.7");
    expect(new TrustedProxies("unix").clientOf("127.0.0.1", header)).to.equal("127.0.0.1");
  });

  it("whatever a client writes before it, what the trusted proxy has added decides", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary-ascii", maxLength: 60 }), fc.ipV4(), (made, address) => {
        fc.pre(!address.startsWith("10.") && address !== "127.0.0.1");
        const text = `${made}, ${address}`;
        expect(proxies.clientOf("127.0.0.1", { "x-forwarded-for": text })).to.equal(normalizeAddress(address));
        const forwarded = new TrustedProxies("127.0.0.1", "forwarded");
        expect(forwarded.clientOf("127.0.0.1", { forwarded: `${made}, for="${address}"` })).to.equal(address);
      }),
    );
  });

  for (const text of [
    "",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "host",
    "fd00::/129",
    "*",
    "10.0.0.1,,",
    "fe80::1%eth0",
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => new TrustedProxies(text))
        .to.throw()
        .that.satisfies((error: Error) => {
          return hasErrorCode(error, "usage") && error.message.startsWith("--trusted-proxies expected");
        });
    });
  }

  it("are asked for every request, and their absence is told once", async () => {
    const lines: string[] = [];
    const accessLog = { write: (line: string) => lines.push(line) };
    const headers = { "X-Forwarded-For": "192.0.2.7" };
    const trusting = await serveApp({ accessLog, trustedProxies: new TrustedProxies("127.0.0.0/8") });
    const plain = await serveApp({ accessLog });
    try {
      await trusting.client.send("GET", "/config", { headers });
      for (let i = 0; i < 2; i++) await plain.client.send("GET", "/config", { headers });
      expect(trusting.logged).to.deep.equal([]);
      expect(plain.logged).to.have.length(1);
      expect(plain.logged[0]).to.match(/through a proxy at 127\.0\.0\.1.*--trusted-proxies/);
    } finally {
      await trusting.stop();
      await plain.stop();
    }
    expect(lines.map((line) => line.split(" ")[0])).to.deep.equal(["192.0.2.7", "127.0.0.1", "127.0.0.1"]);
  });
});
