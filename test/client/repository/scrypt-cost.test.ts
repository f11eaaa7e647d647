import { expect } from "chai";
import { calibrateScrypt } from "../../../client/repository/scrypt-cost.ts";
import type { CryptoProvider, ScryptParameters } from "../../../shared/format/provider.ts";
import { testProvider } from "../../support/memory-repository.ts";

/** Calibrates on a machine whose scrypt takes that long, and notes what was measured. */
async function calibrate(costMs: (parameters: ScryptParameters) => number) {
  const measured: ScryptParameters[] = [];
  let nowMs = 0;
  const provider: CryptoProvider = {
    ...testProvider,
    scrypt: async (_password, salt, parameters, lengthBytes) => {
      expect(salt).to.have.length(64);
      measured.push({ ...parameters });
      nowMs += costMs(parameters);
      return new Uint8Array(lengthBytes);
    },
  };
  return { result: await calibrateScrypt(provider, () => nowMs), measured };
}

describe("the cost of new keys", () => {
  it("is half a second: N of 32768, and as many lanes as fit", async () => {
    const { result, measured } = await calibrate(({ p }) => 90 * p);
    expect(result).to.deep.equal({ N: 32768, r: 8, p: 5 });
    expect(measured.map(({ p }) => p)).to.deep.equal([1, 5]);
  });

  it("is halved on slow machines until one lane fits", async () => {
    const { result, measured } = await calibrate(({ N, p }) => (N / 32768) * 1700 * p);
    expect(result).to.deep.equal({ N: 8192, r: 8, p: 1 });
    expect(measured.map(({ N }) => N)).to.deep.equal([32768, 16384, 8192]);
  });

  it("is lowered when several lanes take longer than one would have told", async () => {
    const { result } = await calibrate(({ p }) => (p === 1 ? 100 : 150 * p));
    expect(result).to.deep.equal({ N: 32768, r: 8, p: 3 });
  });

  it("is one that other programs can bear when several lanes run at once", async () => {
    const { result } = await calibrate(({ p }) => 70 * Math.ceil(p / 4));
    expect(result).to.deep.equal({ N: 32768, r: 8, p: 7 });
  });

  it("ends on machines that are hopelessly slow or too fast to measure", async () => {
    expect((await calibrate(() => 10_000)).result).to.deep.equal({ N: 2, r: 8, p: 1 });
    expect((await calibrate(() => 0)).result).to.deep.equal({ N: 32768, r: 8, p: 500 });
  });
});
