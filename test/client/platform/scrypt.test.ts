import { scryptSync } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { ScryptThreads } from "../../../client/platform/scrypt.ts";
import { toHex, utf8Encode } from "../../../shared/format/bytes.ts";
import { canMixLanes, compileScrypt, mixLanes, scryptMemoryBytes } from "../../../shared/kernels/scrypt-kernel.ts";
import { expandAndMix } from "../../support/scrypt-by-lanes.ts";

describe("scrypt kernel", () => {
  const module = compileScrypt();

  it("computes what Node computes, for odd and even numbers of lanes", () => {
    const parameters = fc.record({
      N: fc.integer({ min: 1, max: 9 }).map((power) => 2 ** power),
      r: fc.integer({ min: 1, max: 9 }),
      p: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(
        parameters,
        fc.uint8Array({ maxLength: 20 }),
        fc.uint8Array({ maxLength: 70 }),
        (cost, password, salt) => {
          const expected = scryptSync(password, salt, 64, { ...cost, maxmem: 1 << 28 });
          expect(toHex(expandAndMix(module, password, salt, cost, 64))).to.equal(toHex(expected));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("has the keys of RFC 7914, section 12", () => {
    const [password, salt] = [utf8Encode("password"), utf8Encode("NaCl")];
    expect(toHex(expandAndMix(module, password, salt, { N: 1024, r: 8, p: 16 }, 64))).to.equal(
      "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
    );
    const empty = new Uint8Array(0);
    expect(toHex(expandAndMix(module, empty, empty, { N: 16, r: 1, p: 1 }, 64))).to.equal(
      "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
    );
  });

  it("takes half the memory for a lone lane, and says what does not fit", () => {
    const ordinary = { N: 32768, r: 8 };
    expect(scryptMemoryBytes(ordinary, 1)).to.be.within(32 << 20, 33 << 20);
    expect(scryptMemoryBytes(ordinary, 2)).to.be.within(64 << 20, 65 << 20);
    expect(scryptMemoryBytes(ordinary, 9)).to.equal(scryptMemoryBytes(ordinary, 2));
    expect(canMixLanes(ordinary, 2)).to.equal(true);
    expect(canMixLanes({ N: 2 ** 24, r: 8 }, 1)).to.equal(false);
  });

  it("refuses parts of lanes", () => {
    for (const length of [0, 1, 1023, 1025]) {
      expect(() => mixLanes(module, new Uint8Array(length), { N: 16, r: 8 })).to.throw("lanes of 1024 bytes");
    }
  });
});

describe("scrypt threads", () => {
  const [password, salt] = [utf8Encode("a password"), utf8Encode("a salt")];
  const expectedOf = (parameters: { N: number; r: number; p: number }): string =>
    toHex(scryptSync(password, salt, 64, { ...parameters, maxmem: 1 << 28 }));

  it("compute what Node computes, prepared or not, with few lanes and many", async () => {
    const threads = new ScryptThreads();
    for (const p of [1, 2, 3, 4, 5, 8]) {
      const parameters = { N: 1024, r: 8, p };
      if (p % 2 === 0) threads.prepare();
      expect(toHex(await threads.derive(password, salt, parameters, 64)), `p=${p}`).to.equal(expectedOf(parameters));
    }
  });

  it("compute several keys at once", async () => {
    const threads = new ScryptThreads();
    threads.prepare();
    const jobs = [2, 3, 4].map((p) => ({ N: 256, r: 4, p }));
    const keys = await Promise.all(jobs.map((job) => threads.derive(password, salt, job, 64)));
    expect(keys.map(toHex)).to.deep.equal(jobs.map(expectedOf));
  });

  it("give the length that is asked for", async () => {
    const key = await new ScryptThreads().derive(password, salt, { N: 16, r: 1, p: 2 }, 7);
    expect(key.length).to.equal(7);
  });

  it("end when they are not used", () => {
    const threads = new ScryptThreads();
    threads.prepare();
    threads.dispose();
    threads.dispose();
  });

  it("refuse what Node refuses, with a typed error", async () => {
    let failure: unknown;
    await new ScryptThreads().derive(password, salt, { N: 3, r: 1, p: 1 }, 64).catch((error) => {
      failure = error;
    });
    expect(failure).to.have.property("code", "internal");
  });
});
