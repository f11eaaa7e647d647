import { expect } from "chai";
import { toBase64, toHex } from "../../../shared/format/bytes.ts";
import {
  checkScryptParameters,
  encodeKeyFile,
  encodeMasterKey,
  type KeyFile,
  parseKeyFile,
  parseMasterKey,
} from "../../../shared/format/key-file.ts";

const salt = Uint8Array.from({ length: 64 }, (_, index) => index);
const key: KeyFile = {
  created: "2024-01-02T03:04:05.6Z",
  username: "u",
  hostname: "h&",
  kdf: "scrypt",
  N: 32768,
  r: 8,
  p: 3,
  salt,
  data: new Uint8Array(160).fill(7),
};
const masterKey = {
  encrypt: new Uint8Array(32).fill(1),
  mac: { k: new Uint8Array(16).fill(2), r: new Uint8Array(16).fill(3) },
};

describe("key files", () => {
  it("are written as restic writes them", () => {
    const text =
      `{"created":"2024-01-02T03:04:05.6Z","username":"u","hostname":"h\\u0026","kdf":"scrypt","N":32768,"r":8,"p":3,` +
      `"salt":"${toBase64(salt)}","data":"${toBase64(key.data)}"}`;
    expect(encodeKeyFile(key)).to.equal(text);
    expect(parseKeyFile(text)).to.deep.equal(key);
  });

  const text = encodeKeyFile(key);
  const refused: readonly (readonly [string, string, string])[] = [
    ["nothing", "", "malformed"],
    ["a list", "[]", "malformed"],
    ["another derivation", text.replace('"scrypt"', '"argon2"'), "unsupported"],
    ["no derivation", text.replace('"kdf":"scrypt",', ""), "malformed"],
    ["no creation time", text.replace(/"created":"[^"]*",/, ""), "malformed"],
    ["N that is no power of two", text.replace("32768", "32770"), "limit-exceeded"],
    ["N as text", text.replace("32768", '"32768"'), "malformed"],
    ["a short salt", text.replace(toBase64(salt), toBase64(salt.subarray(1))), "malformed"],
    ["a salt that is no base64", text.replace(toBase64(salt), "*"), "malformed"],
    ["no data", text.replace(/,"data":"[^"]*"/, ""), "malformed"],
    ["64 KiB of blanks", text + " ".repeat(65_536), "limit-exceeded"],
  ];
  for (const [name, document, code] of refused) {
    it(`are refused with ${name}`, () => {
      expect(() => parseKeyFile(document))
        .to.throw()
        .with.property("code", code);
    });
  }
});

describe("parameters of scrypt", () => {
  const accepted: readonly (readonly [number, number, number])[] = [
    [128, 1, 1],
    [2, 1, 1],
    [32768, 8, 1],
    [32768, 8, 10],
    [65536, 8, 1],
    [2 ** 20, 8, 1],
  ];
  for (const [N, r, p] of accepted) {
    it(`may be N=${N}, r=${r}, p=${p}`, () => {
      expect(() => checkScryptParameters({ N, r, p })).not.to.throw();
    });
  }

  const refused: readonly (readonly [number, number, number])[] = [
    [0, 8, 1],
    [1, 8, 1],
    [3, 8, 1],
    [2 ** 31, 1, 1],
    [2 ** 40, 1, 1],
    [2 ** 21, 8, 1],
    [32768, 0, 1],
    [32768, 8, 0],
    [32768, 2 ** 24, 1],
    [2, 1, 2 ** 30],
    [32768, 8, 2 ** 20],
  ];
  for (const [N, r, p] of refused) {
    it(`may not be N=${N}, r=${r}, p=${p}`, () => {
      expect(() => checkScryptParameters({ N, r, p }))
        .to.throw()
        .with.property("code", "limit-exceeded");
    });
  }
});

describe("the master key", () => {
  it("is 128 bytes of JSON", () => {
    const text = encodeMasterKey(masterKey);
    expect(text).to.have.length(128);
    expect(text).to.match(/^\{"mac":\{"k":"[^"]+","r":"[^"]+"\},"encrypt":"[^"]+"\}$/);
    expect(parseMasterKey(text)).to.deep.equal(masterKey);
  });

  const text = encodeMasterKey(masterKey);
  const refused: readonly (readonly [string, string])[] = [
    ["nothing", ""],
    ["no mac", '{"encrypt":""}'],
    ["a short part", text.replace(/"k":"[^"]+"/, '"k":"AgI="')],
    ["a part of zeros", encodeMasterKey({ ...masterKey, encrypt: new Uint8Array(32) })],
    ["r of zeros", encodeMasterKey({ ...masterKey, mac: { ...masterKey.mac, r: new Uint8Array(16) } })],
    ["k that is no base64", text.replace(/"k":"[^"]+"/, '"k":"-"')],
    ["a cut end", text.slice(0, -1)],
  ];
  for (const [name, document] of refused) {
    it(`is refused with ${name}`, () => {
      expect(() => parseMasterKey(document))
        .to.throw()
        .with.property("code", "malformed");
    });
  }

  it("never appears in a message", () => {
    const secret = toBase64(masterKey.encrypt);
    for (const document of [text.slice(0, -1), text.replace("{", "{x"), text.replace('"encrypt"', '"encrypt":1,"a"')]) {
      try {
        parseMasterKey(document);
        expect.fail("the key was accepted");
      } catch (error) {
        for (let part: unknown = error; part instanceof Error; part = part.cause) {
          expect(part.message).not.to.contain(secret.slice(0, 8));
          expect(part.message).not.to.contain(toHex(masterKey.encrypt).slice(0, 8));
        }
      }
    }
  });
});
