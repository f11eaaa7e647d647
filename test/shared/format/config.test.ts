import { expect } from "chai";
import { encodeConfig, parseConfig } from "../../../shared/format/config.ts";

const id = "ab".repeat(32);
const text = `{"version":2,"id":"${id}","chunker_polynomial":"3da3358b4dc173"}`;

describe("the configuration", () => {
  it("is written as restic writes it", () => {
    expect(encodeConfig({ version: 2, id, chunkerPolynomial: 0x3da3358b4dc173n })).to.equal(text);
    expect(encodeConfig(parseConfig(text))).to.equal(text);
  });

  it("is read with the keys that other programs add", () => {
    const config = parseConfig(text.replace("{", '{"compression":3,"chunker":"rabin","is_hot":false,'));
    expect(config).to.deep.equal({ version: 2, id, chunkerPolynomial: 0x3da3358b4dc173n });
  });

  const refused: readonly (readonly [string, string, string])[] = [
    ["nothing", "", "malformed"],
    ["no version", text.replace('"version":2,', ""), "malformed"],
    ["version 0", text.replace(":2", ":0"), "unsupported"],
    ["version 3", text.replace(":2", ":3"), "unsupported"],
    ["no id", `{"version":2,"chunker_polynomial":"3da3358b4dc173"}`, "malformed"],
    ["an id that is none", text.replace(id, "ab"), "malformed"],
    ["no polynomial", `{"version":2,"id":"${id}"}`, "malformed"],
    ["a polynomial that is no hex", text.replace("3da3358b4dc173", "3da3358b4dc17x"), "malformed"],
    ["a polynomial that is not irreducible", text.replace("3da3358b4dc173", "3da3358b4dc172"), "malformed"],
    ["a polynomial of another degree", text.replace("3da3358b4dc173", "7"), "malformed"],
  ];
  for (const [name, document, code] of refused) {
    it(`is refused with ${name}`, () => {
      expect(() => parseConfig(document))
        .to.throw()
        .with.property("code", code);
    });
  }
});
