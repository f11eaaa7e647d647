import { expect } from "chai";
import { createNodeProvider } from "../../../client/platform/node-provider.ts";
import { parseSealingKey } from "../../../shared/format/sealing.ts";
import { createPortableProvider } from "../../../shared/portable/provider.ts";
import { describeProvider } from "../../conformance/provider.ts";
import { xorshift32 } from "../../support/vector-inputs.ts";

describeProvider("node", createNodeProvider);

describe("node provider beside the portable one", () => {
  const fast = createNodeProvider();
  const portable = createPortableProvider();

  it("seals to the same bytes", () => {
    const key = parseSealingKey(xorshift32(31, 64));
    const [fastSealer, portableSealer] = [fast.sealer(key), portable.sealer(key)];
    for (const length of [0, 1, 16, 100, 131072, 131088, 500_001]) {
      const [plaintext, iv] = [xorshift32(length + 7, length), xorshift32(length + 8, 16)];
      const sealed = fastSealer.seal(plaintext, iv);
      expect(Buffer.compare(sealed, portableSealer.seal(plaintext, iv)), `${length} bytes`).to.equal(0);
      expect(Buffer.compare(portableSealer.open(sealed), plaintext)).to.equal(0);
    }
  });

  it("reads the other's frames", () => {
    for (const data of [
      new Uint8Array(0),
      xorshift32(1, 1_500_000),
      Buffer.alloc(2_000_000, "all work and no play "),
    ]) {
      const there = portable.decompress(fast.compress(data, "max"), data.length);
      const back = fast.decompress(portable.compress(data, "auto"), data.length);
      expect(Buffer.compare(there, data)).to.equal(0);
      expect(Buffer.compare(back, data)).to.equal(0);
    }
  });

  it("compiles the kernels once", () => {
    expect(fast.kernelsModule).to.equal(fast.kernelsModule);
  });
});
