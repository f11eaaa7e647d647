/** What every provider must do alike: known answers, and damage that must be noticed. */
import { expect } from "chai";
import { CofferError } from "../../shared/errors.ts";
import { concatBytes, fromHex, toHex, utf8Encode } from "../../shared/format/bytes.ts";
import type { CompressionMode, Provider, SealingKey } from "../../shared/format/provider.ts";
import { parseSealingKey, sealedOverheadBytes } from "../../shared/format/sealing.ts";
import { bitFlips, truncations } from "../support/mutations.ts";
import { xorshift32 } from "../support/vector-inputs.ts";
import { readVectors } from "../support/vectors.ts";

interface CryptoVectors {
  readonly seal: readonly Record<"encrypt" | "mac_k" | "mac_r" | "iv" | "plaintext" | "sealed", string>[];
  readonly kdf: readonly ({ readonly N: number; readonly r: number; readonly p: number } & Record<
    "password" | "salt" | "encrypt" | "mac_k" | "mac_r",
    string
  >)[];
  readonly keyfile: {
    readonly password: string;
    readonly file: string;
    readonly id: string;
    readonly master_json: string;
  };
}

const vectors = readVectors<CryptoVectors>("crypto");

/** The error code of a call that must throw. */
function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof CofferError) return error.code;
    throw error;
  }
  return "nothing thrown";
}

export function describeProvider(name: string, makeProvider: () => Provider): void {
  describe(`provider: ${name}`, () => {
    const provider = makeProvider();
    const key: SealingKey = parseSealingKey(xorshift32(99, 64));
    const iv = xorshift32(98, 16);
    const sealer = provider.sealer(key);

    describe("hash and random bytes", () => {
      it("hashes as SHA-256 does", () => {
        expect(toHex(provider.sha256(new Uint8Array(0)))).to.equal(
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        );
        const shared = new Uint8Array(new SharedArrayBuffer(10)).subarray(3, 6);
        shared.set(utf8Encode("abc"));
        expect(toHex(provider.sha256(shared))).to.equal(
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        );
      });

      it("gives hashes that are copied by slice, as plain arrays are", () => {
        const hash = provider.sha256(new Uint8Array(0));
        hash.slice(0, 1)[0] = 0;
        expect(hash[0]).to.equal(0xe3);
      });

      it("draws as many random bytes as asked, and others each time", () => {
        for (const length of [0, 1, 16, 64, 200_000]) expect(provider.randomBytes(length).length).to.equal(length);
        expect(provider.randomBytes(32)).to.not.deep.equal(provider.randomBytes(32));
        expect(
          provider
            .randomBytes(200_000)
            .subarray(-1000)
            .some((byte) => byte !== 0),
        ).to.equal(true);
      });
    });

    describe("sealing", () => {
      vectors.seal.forEach((vector, index) => {
        it(`seals and opens vector ${index} of ${vector.plaintext.length / 2} bytes`, () => {
          const vectorKey = parseSealingKey(fromHex(vector.encrypt + vector.mac_k + vector.mac_r));
          const vectorSealer = provider.sealer(vectorKey);
          expect(toHex(vectorSealer.seal(fromHex(vector.plaintext), fromHex(vector.iv)))).to.equal(vector.sealed);
          expect(toHex(vectorSealer.open(fromHex(vector.sealed)))).to.equal(vector.plaintext);
        });
      });

      it("opens what it sealed, at lengths around blocks and pieces", () => {
        for (const length of [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 131071, 131072, 131073, 262144, 300001]) {
          const plaintext = xorshift32(length + 1, length);
          const sealed = sealer.seal(plaintext, iv);
          expect(sealed.length).to.equal(length + sealedOverheadBytes);
          expect(Buffer.compare(sealer.open(sealed), plaintext), `${length} bytes`).to.equal(0);
        }
      });

      it("opens views of shared memory, into memory of its own", () => {
        const plaintext = xorshift32(4, 200_000);
        const sealed = sealer.seal(plaintext, iv);
        const shared = new Uint8Array(new SharedArrayBuffer(sealed.length + 7)).subarray(7);
        shared.set(sealed);
        const opened = sealer.open(shared);
        shared.fill(0);
        expect(Buffer.compare(opened, plaintext)).to.equal(0);
        expect(opened.buffer).to.be.instanceOf(ArrayBuffer);
      });

      it("counts the whole IV as one big-endian number that wraps", () => {
        const ones = new Uint8Array(16).fill(255);
        const plaintext = new Uint8Array(48);
        const wrapped = sealer.seal(plaintext, ones).subarray(16, 64);
        const one = new Uint8Array(16);
        one[15] = 1;
        // After 2^128 - 1 come 0 and 1: the third block of one is the first of the other.
        expect(toHex(sealer.seal(plaintext, one).subarray(16, 32))).to.equal(toHex(wrapped.subarray(32, 48)));
      });

      it("notices every flipped bit and every truncation", () => {
        const sealed = sealer.seal(utf8Encode("a plaintext of more than two blocks of 16"), iv);
        for (const damaged of bitFlips(sealed)) expect(codeOf(() => sealer.open(damaged))).to.equal("unauthenticated");
        for (const cut of truncations(sealed)) {
          const expected = cut.length < sealedOverheadBytes ? "malformed" : "unauthenticated";
          expect(
            codeOf(() => sealer.open(cut)),
            `${cut.length} bytes`,
          ).to.equal(expected);
        }
        expect(codeOf(() => sealer.open(concatBytes(sealed, new Uint8Array(1))))).to.equal("unauthenticated");
      });

      it("notices damage anywhere in sealed data of several pieces", () => {
        const sealed = sealer.seal(xorshift32(6, 300_000), iv);
        for (const damaged of bitFlips(sealed, 60))
          expect(codeOf(() => sealer.open(damaged))).to.equal("unauthenticated");
        for (const cut of truncations(sealed.subarray(0, 300_000), 20)) {
          if (cut.length >= sealedOverheadBytes) expect(codeOf(() => sealer.open(cut))).to.equal("unauthenticated");
        }
      });

      it("does not open with another key", () => {
        const sealed = sealer.seal(utf8Encode("text"), iv);
        const other = xorshift32(100, 64);
        expect(codeOf(() => provider.sealer(parseSealingKey(other)).open(sealed))).to.equal("unauthenticated");
      });

      it("refuses an IV of zeros, sealing and opening", () => {
        expect(codeOf(() => sealer.seal(new Uint8Array(5), new Uint8Array(16)))).to.equal("internal");
        expect(codeOf(() => sealer.seal(new Uint8Array(5), new Uint8Array(15).fill(1)))).to.equal("internal");
        expect(codeOf(() => sealer.open(new Uint8Array(40)))).to.equal("unauthenticated");
      });

      it("refuses keys with a part of zeros", () => {
        for (const [start, end] of [
          [0, 32],
          [32, 48],
          [48, 64],
        ] as const) {
          const bytes = xorshift32(5, 64).fill(0, start, end);
          const weak = { encrypt: bytes.subarray(0, 32), mac: { k: bytes.subarray(32, 48), r: bytes.subarray(48) } };
          expect(codeOf(() => provider.sealer(weak))).to.equal("malformed");
        }
      });

      it("keeps working when the caller's key is overwritten", () => {
        const bytes = xorshift32(99, 64);
        const own = { encrypt: bytes.subarray(0, 32), mac: { k: bytes.subarray(32, 48), r: bytes.subarray(48) } };
        const other = provider.sealer(own);
        bytes.fill(0);
        expect(toHex(other.seal(utf8Encode("x"), iv))).to.equal(toHex(sealer.seal(utf8Encode("x"), iv)));
      });
    });

    describe("key derivation", () => {
      for (const { N, r, p, ...vector } of vectors.kdf) {
        it(`derives the listed key with N=${N}, r=${r}, p=${p}`, async () => {
          const parameters = { N, r, p };
          const bytes = await provider.scrypt(utf8Encode(vector.password), fromHex(vector.salt), parameters, 64);
          const derived = parseSealingKey(bytes);
          expect(toHex(derived.encrypt)).to.equal(vector.encrypt);
          expect(toHex(derived.mac.k)).to.equal(vector.mac_k);
          expect(toHex(derived.mac.r)).to.equal(vector.mac_r);
        });
      }

      it("opens the listed key file", async () => {
        const { password, file, id, master_json: master } = vectors.keyfile;
        expect(toHex(provider.sha256(utf8Encode(file)))).to.equal(id);
        const { salt, data, N, r, p } = JSON.parse(file);
        const saltBytes = Buffer.from(salt, "base64");
        const bytes = await provider.scrypt(utf8Encode(password), saltBytes, { N, r, p }, 64);
        const opened = provider.sealer(parseSealingKey(bytes)).open(Buffer.from(data, "base64"));
        expect(new TextDecoder().decode(opened)).to.equal(master);
        const wrong = await provider.scrypt(utf8Encode(`${password}!`), saltBytes, { N, r, p }, 64);
        const wrongSealer = provider.sealer(parseSealingKey(wrong));
        expect(codeOf(() => wrongSealer.open(Buffer.from(data, "base64")))).to.equal("unauthenticated");
      });
    });

    describeCompression(provider);
  });
}

function describeCompression(provider: Provider): void {
  describe("compression", () => {
    const modes: readonly CompressionMode[] = ["auto", "off", "fastest", "better", "max"];
    const text = utf8Encode("the same line again and again\n".repeat(20_000));

    it("gives back what it compressed, in all modes", () => {
      for (const mode of modes) {
        for (const data of [
          new Uint8Array(0),
          Uint8Array.of(1),
          text,
          xorshift32(3, 300_000),
          new Uint8Array(400_000),
        ]) {
          const frame = provider.compress(data, mode);
          expect(Buffer.compare(provider.decompress(frame, data.length), data), mode).to.equal(0);
        }
      }
    });

    it("keeps no results in memory that it uses again", () => {
      const first = provider.compress(text, "auto");
      const kept = first.slice();
      provider.compress(xorshift32(8, 5000), "auto");
      expect(toHex(first)).to.equal(toHex(kept));
      const content = provider.decompress(first, text.length);
      provider.decompress(provider.compress(xorshift32(8, 5000), "auto"), 5000);
      expect(Buffer.compare(content, text)).to.equal(0);
    });

    it("refuses content above the limit", () => {
      const frame = provider.compress(text, "auto");
      expect(codeOf(() => provider.decompress(frame, text.length - 1))).to.equal("limit-exceeded");
      expect(codeOf(() => provider.decompress(frame, 0))).to.equal("limit-exceeded");
    });

    it("refuses truncations and trailing garbage", () => {
      const frame = provider.compress(utf8Encode("some text, some text, some more text"), "auto");
      for (const cut of truncations(frame)) expect(codeOf(() => provider.decompress(cut, 1000))).to.equal("malformed");
      for (const tail of [Uint8Array.of(0), new Uint8Array(9), utf8Encode("garbage!")]) {
        expect(codeOf(() => provider.decompress(concatBytes(frame, tail), 1000))).to.equal("malformed");
      }
    });

    it("gives a typed error or some content within the limit for every flipped bit, and then works as before", () => {
      const source = utf8Encode("a text with some repetition: a text with some repetition, and an end");
      const frame = provider.compress(source, "auto");
      for (const damaged of bitFlips(frame)) {
        try {
          expect(provider.decompress(damaged, 5000).length).to.be.at.most(5000);
        } catch (error) {
          expect(error).to.be.instanceOf(CofferError);
        }
        expect(Buffer.compare(provider.decompress(frame, 1000), source)).to.equal(0);
      }
    });
  });
}
