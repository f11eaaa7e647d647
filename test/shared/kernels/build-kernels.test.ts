import { readFileSync } from "node:fs";
import { expect } from "chai";
import { compileKernel, kernelBuilds, renderKernelModule } from "../../../shared/kernels/build-kernels.ts";

describe("build of the kernels", () => {
  for (const build of kernelBuilds) {
    it(`gives exactly the committed ${build.target}`, async () => {
      const committed = readFileSync(new URL(`../../../shared/kernels/${build.target}`, import.meta.url), "utf8");
      expect(await renderKernelModule(build)).to.equal(committed);
    });
  }

  it("says what does not compile", async () => {
    const build = kernelBuilds[0]!;
    let failure: unknown;
    await compileKernel(build, (text) => text.replace("polyBegin(): void", "polyBegin(): nonsense")).catch((error) => {
      failure = error;
    });
    expect(failure).to.be.an("error").with.property("message").that.includes("nonsense");
  });
});
