/**
 * Every bit of every kind of file flipped, and every file cut at every length: each time a typed error, never a crash, a
 * hang or wrong plaintext.
 */
import { expect } from "chai";
import { createNodeProvider, type NodeProvider } from "../../../client/platform/node-provider.ts";
import { CofferError } from "../../../shared/errors.ts";
import { concatBytes, equalBytes, toHex, utf8Encode, writeUint32LE } from "../../../shared/format/bytes.ts";
import { encodeConfig, parseConfig } from "../../../shared/format/config.ts";
import { decodeDocument, encodeDocument } from "../../../shared/format/document.ts";
import { encodeIndex, parseIndex } from "../../../shared/format/index-file.ts";
import { encodeKeyFile, encodeMasterKey, parseKeyFile, parseMasterKey } from "../../../shared/format/key-file.ts";
import { encodeLock, parseLock } from "../../../shared/format/lock.ts";
import { decodePackHeader, encodePackHeader, type PackEntry, sealedHeaderOf } from "../../../shared/format/pack.ts";
import type { Provider, Sealer, SealingKey } from "../../../shared/format/provider.ts";
import { parseSealingKey } from "../../../shared/format/sealing.ts";
import { encodeSnapshot, parseSnapshot } from "../../../shared/format/snapshot.ts";
import { decodeTree, emptyTreeId, encodeTree } from "../../../shared/format/tree.ts";
import { encodeNode } from "../../../shared/format/tree-node.ts";
import { readTreeReferences } from "../../../shared/format/tree-references.ts";
import { createPortableProvider } from "../../../shared/portable/provider.ts";
import { filesOfType, readFixture } from "../../support/fixtures.ts";
import { fileNode } from "../../support/tree-nodes.ts";

const masterKey = parseSealingKey(Uint8Array.from({ length: 64 }, (_, index) => index + 1));
const password = utf8Encode("password");
/** As cheap as scrypt gets: thousands of keys are derived here. */
const scryptParameters = { N: 2, r: 1, p: 1 };
const createdAt = "2024-01-02T03:04:05.6Z";
const id = "ab".repeat(32);

/** All byte strings that differ from these in one bit. */
function* withFlippedBits(bytes: Uint8Array): Generator<{ what: string; damaged: Uint8Array }> {
  for (let index = 0; index < bytes.length; index++) {
    for (let bit = 0; bit < 8; bit++) {
      const damaged = Uint8Array.from(bytes);
      damaged[index] = (damaged[index] ?? 0) ^ (1 << bit);
      yield { what: `bit ${bit} of byte ${index}`, damaged };
    }
  }
}

/** All beginnings, the whole excepted. */
function* cutShort(bytes: Uint8Array): Generator<{ what: string; damaged: Uint8Array }> {
  for (let length = 0; length < bytes.length; length++) {
    yield { what: `cut to ${length} bytes`, damaged: bytes.slice(0, length) };
  }
}

function* damagesOf(bytes: Uint8Array): Generator<{ what: string; damaged: Uint8Array }> {
  yield* withFlippedBits(bytes);
  yield* cutShort(bytes);
}

/** The error that a reader throws, which must be one of ours; undefined when it throws none. */
async function errorOf(what: string, read: () => unknown): Promise<CofferError | undefined> {
  try {
    await read();
    return undefined;
  } catch (error) {
    if (!(error instanceof CofferError)) throw new Error(`${what}: not a typed error`, { cause: error });
    expect(error.code, what).not.to.equal("internal");
    return error;
  }
}

/** Every damage is found out. */
async function expectAllRefused(bytes: Uint8Array, read: (damaged: Uint8Array) => unknown): Promise<void> {
  await read(bytes);
  for (const { what, damaged } of damagesOf(bytes)) {
    const error = await errorOf(what, () => read(damaged));
    if (error === undefined) expect.fail(`${what} was not found out`);
  }
}

/** For what is not sealed: a damage may change what is read, but the reader either reads or throws a typed error. */
async function expectTyped(bytes: Uint8Array, read: (damaged: Uint8Array) => unknown): Promise<void> {
  await read(bytes);
  for (const { what, damaged } of damagesOf(bytes)) await errorOf(what, () => read(damaged));
}

function sealed(provider: Provider, plaintext: Uint8Array, key: SealingKey = masterKey): Uint8Array {
  return provider.sealer(key).seal(plaintext, provider.randomBytes(16));
}

interface SamplePack {
  readonly bytes: Uint8Array;
  readonly entries: readonly PackEntry[];
}

/** A compressed and a plain blob. */
function makePack(provider: Provider): SamplePack {
  const text = utf8Encode("a blob, a blob, a blob, a blob, a blob, a blob, a blob");
  const tree = encodeTree([]);
  const blobs = [sealed(provider, provider.compress(text, "auto")), sealed(provider, tree)];
  const entries: PackEntry[] = [
    {
      type: "data",
      id: toHex(provider.sha256(text)),
      offsetBytes: 0,
      lengthBytes: blobs[0]!.length,
      uncompressedBytes: text.length,
    },
    {
      type: "tree",
      id: emptyTreeId,
      offsetBytes: blobs[0]!.length,
      lengthBytes: blobs[1]!.length,
      uncompressedBytes: 0,
    },
  ];
  const header = sealed(provider, encodePackHeader(entries));
  const lengthField = new Uint8Array(4);
  writeUint32LE(lengthField, 0, header.length);
  return { bytes: concatBytes(...blobs, header, lengthField), entries };
}

/** Reads a pack as `check --read-data` does, without the hash of the whole, which would find everything at once. */
function readPack(provider: Provider, sealer: Sealer, pack: Uint8Array): PackEntry[] {
  const sealedHeader = sealedHeaderOf(pack, pack.length);
  if (sealedHeader === undefined) throw new CofferError("malformed", "the header is longer than the pack");
  const entries = decodePackHeader(sealer.open(sealedHeader), pack.length);
  for (const { id: blobId, offsetBytes, lengthBytes, uncompressedBytes } of entries) {
    const opened = sealer.open(pack.subarray(offsetBytes, offsetBytes + lengthBytes));
    const plaintext = uncompressedBytes === 0 ? opened : provider.decompress(opened, uncompressedBytes);
    if (toHex(provider.sha256(plaintext)) !== blobId) throw new CofferError("hash-mismatch", `blob ${blobId}`);
  }
  return entries;
}

for (const [providerName, createProvider] of [
  ["node", createNodeProvider],
  ["portable", createPortableProvider],
] as const) {
  describe(`damage, ${providerName} provider`, function () {
    this.timeout(60_000);
    let provider: Provider;
    let sealer: Sealer;

    before(() => {
      provider = createProvider();
      sealer = provider.sealer(masterKey);
    });

    after(() => {
      if (providerName === "node") (provider as NodeProvider).dispose();
    });

    it("of a pack is always found out", async () => {
      const { bytes, entries } = makePack(provider);
      expect(readPack(provider, sealer, bytes)).to.deep.equal(entries);
      await expectAllRefused(bytes, (pack) => readPack(provider, sealer, pack));
    });

    it("of a pack that restic wrote is always found out", async () => {
      const fixture = readFixture("v1");
      const [smallest] = [...filesOfType(fixture, "data").values()].sort((a, b) => a.length - b.length);
      expect(smallest!.length).to.be.below(300);
      const fixtureSealer = provider.sealer(fixture.masterKey);
      await expectAllRefused(smallest!, (pack) => readPack(provider, fixtureSealer, pack));
    });

    it("of a pack is found out with bytes behind it", async () => {
      const { bytes } = makePack(provider);
      for (const more of [1, 2, 4, 37, 73, 1000]) {
        const error = await errorOf("longer", () =>
          readPack(provider, sealer, concatBytes(bytes, new Uint8Array(more))),
        );
        expect(error, `${more} more`).to.be.instanceOf(CofferError);
      }
    });

    it("of the length of a header never leads out of the pack", async () => {
      const { bytes } = makePack(provider);
      for (const length of [
        0,
        1,
        31,
        32,
        68,
        69,
        bytes.length - 5,
        bytes.length - 4,
        bytes.length,
        2 ** 24,
        2 ** 24 + 1,
        2 ** 31,
        2 ** 32 - 1,
      ]) {
        const pack = Uint8Array.from(bytes);
        writeUint32LE(pack, pack.length - 4, length);
        const error = await errorOf(`${length}`, () => readPack(provider, sealer, pack));
        expect(error, `length ${length}`).to.be.instanceOf(CofferError);
      }
    });

    it("of a plain header gives entries within the pack or a typed error", async () => {
      const { bytes, entries } = makePack(provider);
      await expectTyped(encodePackHeader(entries), (header) => {
        for (const { offsetBytes, lengthBytes } of decodePackHeader(header, bytes.length)) {
          expect(offsetBytes + lengthBytes).to.be.below(bytes.length);
        }
      });
    });

    const index = encodeIndex([
      { id, blobs: [{ type: "data", id, offsetBytes: 0, lengthBytes: 100, uncompressedBytes: 200 }] },
    ]);
    for (const version of [1, 2] as const) {
      it(`of an index file of version ${version} is always found out`, async () => {
        const file = sealed(provider, encodeDocument(index, version, provider));
        await expectAllRefused(file, (damaged) => parseIndex(decodeDocument(sealer.open(damaged), version, provider)));
      });

      it(`of an index of version ${version} below its seal gives an index or a typed error`, async () => {
        const plaintext = encodeDocument(index, version, provider);
        await expectTyped(plaintext, (damaged) => parseIndex(decodeDocument(damaged, version, provider, 4096)));
      });
    }

    it("of the configuration is always found out", async () => {
      const file = sealed(provider, utf8Encode(encodeConfig({ version: 2, id, chunkerPolynomial: 0x3da3358b4dc173n })));
      await expectAllRefused(file, (damaged) => parseConfig(sealer.open(damaged)));
    });

    it("of a key file never gives another master key", async () => {
      const salt = Uint8Array.from({ length: 64 }, (_, index) => index);
      const userKey = parseSealingKey(await provider.scrypt(password, salt, scryptParameters, 64));
      const data = sealed(provider, utf8Encode(encodeMasterKey(masterKey)), userKey);
      const fields = { created: createdAt, username: "u", hostname: "h", kdf: "scrypt" as const };
      const file = utf8Encode(encodeKeyFile({ ...fields, ...scryptParameters, salt, data }));
      let opened = 0;
      await expectTyped(file, async (damaged) => {
        const key = parseKeyFile(damaged);
        const derived = parseSealingKey(await provider.scrypt(password, key.salt, key, 64));
        const found = parseMasterKey(provider.sealer(derived).open(key.data));
        expect(equalBytes(found.encrypt, masterKey.encrypt)).to.equal(true);
        expect(found).to.deep.equal(masterKey);
        opened++;
      });
      // What does not matter for opening is creation time and names; a server sees it from the hash.
      expect(opened).to.be.within(2, 400);
    });

    it("of a key file is found out by its name", async () => {
      const { files } = readFixture("v2");
      const [path, content] = [...files].find(([each]) => each.startsWith("keys/"))!;
      await expectAllRefused(content, (damaged) => {
        if (`keys/${toHex(provider.sha256(damaged))}` !== path) throw new CofferError("hash-mismatch", path);
      });
    });
  });
}

describe("damage of documents below their seal", () => {
  const documents: readonly (readonly [string, Uint8Array, (document: Uint8Array) => unknown])[] = [
    [
      "a snapshot",
      utf8Encode(encodeSnapshot({ time: createdAt, tree: id, paths: ["/ä"], tags: ["t"] })),
      parseSnapshot,
    ],
    [
      "a lock",
      utf8Encode(
        encodeLock({ time: createdAt, exclusive: false, hostname: "h", username: "u", pid: 1, uid: 2, gid: 3 }),
      ),
      parseLock,
    ],
    [
      "a configuration",
      utf8Encode(encodeConfig({ version: 1, id, chunkerPolynomial: 0x3da3358b4dc173n })),
      parseConfig,
    ],
    ["the master key", utf8Encode(encodeMasterKey(masterKey)), parseMasterKey],
    [
      "a tree",
      encodeTree([
        encodeNode(fileNode("ä\n", { inode: 18446744073709551615n, linkTarget: Uint8Array.of(0xff) })),
        encodeNode(fileNode("ö", { extendedAttributes: [{ name: utf8Encode("user.a"), value: Uint8Array.of(1) }] })),
      ]),
      decodeTree,
    ],
    ["the references of a tree", encodeTree([encodeNode(fileNode("ä\n", { subtree: id }))]), readTreeReferences],
  ];
  for (const [name, document, read] of documents) {
    it(`gives another document or a typed error: ${name}`, async () => {
      await expectTyped(document, read);
    });
  }
});
