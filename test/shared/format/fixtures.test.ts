/** Repositories that real restic wrote, decoded in full, compared with their manifests and encoded again. */
import { expect } from "chai";
import { createNodeProvider, type NodeProvider } from "../../../client/platform/node-provider.ts";
import { fromBase64, toBase64, toHex, utf8Decode, utf8Encode } from "../../../shared/format/bytes.ts";
import { encodeConfig, parseConfig } from "../../../shared/format/config.ts";
import { decodeDocument, encodeDocument } from "../../../shared/format/document.ts";
import { isValidUtf8 } from "../../../shared/format/go-json.ts";
import { encodeIndex, type IndexPack, parseIndex, visitIndex } from "../../../shared/format/index-file.ts";
import { encodeKeyFile, encodeMasterKey, parseKeyFile, parseMasterKey } from "../../../shared/format/key-file.ts";
import { type Id, pathOf } from "../../../shared/format/layout.ts";
import { unixModeOf } from "../../../shared/format/mode.ts";
import {
  decodePackHeader,
  encodePackHeader,
  type PackEntry,
  packSizeOf,
  sealedHeaderOf,
} from "../../../shared/format/pack.ts";
import { createPrintable, isPrintable } from "../../../shared/format/printable.ts";
import type { Provider } from "../../../shared/format/provider.ts";
import { quoteName } from "../../../shared/format/quoting.ts";
import { parseSealingKey, sealedOverheadBytes } from "../../../shared/format/sealing.ts";
import { encodeSnapshot, parseSnapshot } from "../../../shared/format/snapshot.ts";
import { parseTime } from "../../../shared/format/time.ts";
import { decodeTree, emptyTreeId, encodeTree } from "../../../shared/format/tree.ts";
import { encodeNode, type TreeNode } from "../../../shared/format/tree-node.ts";
import { readTreeReferences } from "../../../shared/format/tree-references.ts";
import { createPortableProvider } from "../../../shared/portable/provider.ts";
import {
  entriesOf,
  type Fixture,
  filesOfType,
  fixtureNames,
  type Manifest,
  type ManifestBlob,
  type ManifestEntry,
  readFixture,
} from "../../support/fixtures.ts";
import { type PrintableVectors, printableBoundaries, readVectors } from "../../support/vectors.ts";

const isPrintable13 = createPrintable(printableBoundaries(readVectors<PrintableVectors>("isprint").unicode_13_0_0));
const maxBlobBytes = 16 * 1024 * 1024;

interface DecodedBlob {
  readonly type: "data" | "tree";
  readonly plaintext: Uint8Array;
}

/** All blobs of a repository, by type and id. */
type DecodedBlobs = ReadonlyMap<string, DecodedBlob>;

for (const providerName of ["node", "portable"] as const) {
  for (const name of fixtureNames) {
    describe(`fixture ${name}, ${providerName} provider`, function () {
      this.timeout(60_000);
      const fixture = readFixture(name);
      const { manifest } = fixture;
      let provider: Provider;
      let blobs: DecodedBlobs;

      before(() => {
        provider = providerName === "node" ? createNodeProvider() : createPortableProvider();
        blobs = decodeAllBlobs(fixture, provider);
      });

      after(() => {
        if (providerName === "node") (provider as NodeProvider).dispose();
      });

      it("names every file by its hash", () => {
        for (const [path, content] of fixture.files) {
          if (path !== "config") expect(toHex(provider.sha256(content))).to.equal(path.slice(-64));
        }
      });

      // scrypt in plain JavaScript takes seconds for a key, so there one repository has to do.
      const opensKeys = providerName === "node" || name === "v1-pruned-upgraded-to-v2";
      if (opensKeys) it("opens with every password", () => openWithEveryPassword(fixture, provider));

      it("has the configuration of the manifest", () => {
        const document = provider.sealer(fixture.masterKey).open(fixture.files.get("config")!);
        const config = parseConfig(document);
        expect(config).to.deep.equal({
          version: manifest.repository.version,
          id: manifest.repository.id,
          chunkerPolynomial: BigInt(`0x${manifest.repository.chunker_polynomial}`),
        });
        expect(encodeConfig(config)).to.equal(utf8Decode(document));
      });

      it("has the indexes of the manifest", () => {
        const files = filesOfType(fixture, "index");
        expect([...files.keys()].sort()).to.deep.equal(manifest.indexes.map(({ id }) => id).sort());
        for (const expected of manifest.indexes) {
          const plaintext = provider.sealer(fixture.masterKey).open(files.get(expected.id)!);
          expect(plaintext[0]).to.equal(expected.plain_first_byte);
          const document = decodeDocument(plaintext, manifest.repository.version, provider);
          const { packs } = parseIndex(document);
          expect(packs).to.deep.equal(expected.document.packs.map(indexPackOf));
          expect(visitedPacks(document)).to.deep.equal(packs);
          checkIndexEncoding(packs, document, expected.document.supersedes);
        }
      });

      it("has the packs of the manifest, without a gap, each blob hashing to its id", () => {
        const files = filesOfType(fixture, "data");
        expect([...files.keys()].sort()).to.deep.equal(manifest.packs.map(({ id }) => id).sort());
        for (const { id, size, header_length, blobs: listed } of manifest.packs) {
          const pack = files.get(id)!;
          expect(pack.length).to.equal(size);
          const { header, entries } = readHeader(pack, fixture, provider);
          expect(entries).to.deep.equal(listed.map(packEntryOf));
          expect(encodePackHeader(entries)).to.deep.equal(header);
          expect(header.length + sealedOverheadBytes).to.equal(header_length);
          expect(packSizeOf(entries)).to.equal(size);
        }
        for (const [key, { type, plaintext }] of blobs) {
          expect(`${type} ${toHex(provider.sha256(plaintext))}`).to.equal(key);
        }
      });

      it("has the snapshots of the manifest", () => {
        const files = filesOfType(fixture, "snapshots");
        expect([...files.keys()].sort()).to.deep.equal(manifest.snapshots.map(({ id }) => id).sort());
        for (const { id, plaintext, document } of manifest.snapshots) {
          const opened = provider.sealer(fixture.masterKey).open(files.get(id)!);
          const json = decodeDocument(opened, manifest.repository.version, provider);
          expect(utf8Decode(json)).to.equal(plaintext);
          const snapshot = parseSnapshot(json);
          expect(encodeSnapshot(snapshot)).to.equal(plaintext);
          expect(JSON.parse(encodeSnapshot(snapshot))).to.deep.equal(document);

          const packed = encodeDocument(json, manifest.repository.version, provider);
          expect(decodeDocument(packed, manifest.repository.version, provider)).to.deep.equal(json);
        }
      });

      it("has trees that encode to the same bytes again", () => {
        const changed = new Set<string>();
        for (const [key, { type, plaintext }] of blobs) {
          if (type !== "tree") continue;
          const nodes = decodeTree(plaintext);
          const texts = nodes.map((node) => encodeAs(fixture, node, changed));
          expect(utf8Decode(encodeTree(texts)), key).to.equal(utf8Decode(plaintext));
          const references = readTreeReferences(plaintext);
          expect(references.problems, key).to.deep.equal([]);
          expect(references.subtrees, key).to.deep.equal(nodes.flatMap(({ subtree }) => subtree ?? []));
          const contents = nodes.flatMap(({ content }) => content ?? []).join("");
          expect(toHex(references.contents), key).to.equal(contents);
        }
        // Only these differ between what 0.14 wrote and what is written now.
        const hasOddTargets = fixture.isOld && name !== "v1-pruned-upgraded-to-v2";
        expect([...changed].sort()).to.deep.equal(hasOddTargets ? ["control-target", "non-utf8-target"] : []);
      });

      it("has in every snapshot what was on the disk", () => {
        for (const { id, plaintext } of manifest.snapshots) {
          const { tree } = parseSnapshot(plaintext);
          compareEntries(fixture, entriesOf(manifest, id), walk(blobs, tree), blobs, provider);
        }
      });
    });
  }
}

describe("the empty tree", () => {
  it("has the id that the vectors give", () => {
    const { text, sha256 } = readVectors<{ empty_tree: { text: string; sha256: string } }>("tree").empty_tree;
    expect(utf8Decode(encodeTree([]))).to.equal(text);
    expect(emptyTreeId).to.equal(sha256);
    expect(toHex(createPortableProvider().sha256(encodeTree([])))).to.equal(emptyTreeId);
    expect(decodeTree(encodeTree([]))).to.deep.equal([]);
  });
});

/** Derives each key, so this is where the time goes. */
async function openWithEveryPassword(fixture: Fixture, provider: Provider): Promise<void> {
  const { manifest } = fixture;
  const files = filesOfType(fixture, "keys");
  expect([...files.keys()].sort()).to.deep.equal(manifest.keys.map(({ id }) => id).sort());
  for (const expected of manifest.keys) {
    const content = files.get(expected.id)!;
    const { salt, data, ...fields } = parseKeyFile(content);
    expect({ ...fields, id: expected.id, password: expected.password }).to.deep.equal(expected);
    expect(encodeKeyFile({ ...fields, salt, data })).to.equal(utf8Decode(content));

    const derived = await provider.scrypt(utf8Encode(expected.password), salt, fields, 64);
    const document = provider.sealer(parseSealingKey(derived)).open(data);
    const masterKey = parseMasterKey(document);
    expect(masterKey).to.deep.equal(fixture.masterKey);
    expect(encodeMasterKey(masterKey)).to.equal(utf8Decode(document));
  }
}

function readHeader(
  pack: Uint8Array,
  fixture: Fixture,
  provider: Provider,
): { header: Uint8Array; entries: PackEntry[] } {
  const header = provider.sealer(fixture.masterKey).open(sealedHeaderOf(pack, pack.length)!);
  return { header, entries: decodePackHeader(header, pack.length, fixture.manifest.repository.version) };
}

function decodeAllBlobs(fixture: Fixture, provider: Provider): DecodedBlobs {
  const sealer = provider.sealer(fixture.masterKey);
  const blobs = new Map<string, DecodedBlob>();
  for (const pack of filesOfType(fixture, "data").values()) {
    for (const { type, id, offsetBytes, lengthBytes, uncompressedBytes } of readHeader(pack, fixture, provider)
      .entries) {
      const opened = sealer.open(pack.subarray(offsetBytes, offsetBytes + lengthBytes));
      const plaintext = uncompressedBytes === 0 ? opened : provider.decompress(opened, maxBlobBytes);
      if (uncompressedBytes !== 0) expect(plaintext.length).to.equal(uncompressedBytes);
      blobs.set(`${type} ${id}`, { type, plaintext });
    }
  }
  return blobs;
}

function packEntryOf(blob: ManifestBlob): PackEntry {
  return {
    type: blob.type,
    id: blob.id,
    offsetBytes: blob.offset,
    lengthBytes: blob.length,
    uncompressedBytes: blob.uncompressed_length ?? 0,
  };
}

function indexPackOf(pack: Manifest["indexes"][number]["document"]["packs"][number]): IndexPack {
  return { id: pack.id, blobs: pack.blobs.map(packEntryOf) };
}

function visitedPacks(document: Uint8Array): IndexPack[] {
  const packs: { id: Id; blobs: PackEntry[] }[] = [];
  visitIndex(
    document,
    (id) => packs.push({ id: toHex(id), blobs: [] }),
    (type, id, offsetBytes, lengthBytes, uncompressedBytes) =>
      packs.at(-1)?.blobs.push({ type, id: toHex(id), offsetBytes, lengthBytes, uncompressedBytes }),
  );
  return packs;
}

/** `supersedes` is what versions up to 0.14 wrote, and nobody needs. */
function checkIndexEncoding(packs: readonly IndexPack[], document: Uint8Array, supersedes?: readonly Id[]): void {
  const written = utf8Decode(encodeIndex(packs));
  const prefix = supersedes === undefined ? "{" : `{"supersedes":${JSON.stringify(supersedes)},`;
  expect(prefix + written.slice(1)).to.equal(utf8Decode(document));
}

/**
 * The node as the version of restic that made the fixture wrote it. 0.14 has the older table of printable characters, stored
 * targets that are not UTF-8 only in the lossy form, as escapes, and had no short escapes for U+0008 and U+000C; the names
 * of nodes with such targets go to `changed`.
 */
function encodeAs(fixture: Fixture, node: TreeNode, changed: Set<string>): string {
  if (!fixture.isOld) return encodeNode(node, isPrintable);
  const text = encodeNode(node, isPrintable13);
  const target = /("linktarget":"(?:[^"\\]|\\.)*")/;
  const old = text.replace(target, (member) =>
    member.replaceAll("\ufffd", "\\ufffd").replaceAll("\\b", "\\u0008").replaceAll("\\f", "\\u000c"),
  );
  if (old !== text) changed.add(utf8Decode(node.name));
  return old;
}

/** All nodes below a tree by their path, as latin1 text so that every byte counts. */
function walk(blobs: DecodedBlobs, tree: Id, path = "", nodes = new Map<string, TreeNode>()): Map<string, TreeNode> {
  for (const node of decodeTree(blobs.get(`tree ${tree}`)!.plaintext)) {
    const nodePath = `${path}/${Buffer.from(node.name).toString("latin1")}`;
    nodes.set(nodePath, node);
    if (node.subtree !== undefined) walk(blobs, node.subtree, nodePath, nodes);
  }
  return nodes;
}

function compareEntries(
  fixture: Fixture,
  entries: readonly ManifestEntry[],
  nodes: Map<string, TreeNode>,
  blobs: DecodedBlobs,
  provider: Provider,
): void {
  const stored = entries.filter((entry) => entry.in_snapshot !== false);
  const paths = stored.map((entry) => Buffer.from(entry.path_base64, "base64").toString("latin1"));
  // A snapshot of an absolute path also has the folders above it, which the manifest leaves out.
  const prefix = [...nodes.keys()].find((path) => path.endsWith(paths[0]!))!.slice(0, -paths[0]!.length);
  const inside = [...nodes.keys()].filter((path) => path.startsWith(`${prefix}/`));
  expect(inside.sort()).to.deep.equal(paths.map((path) => prefix + path).sort());
  for (const [index, entry] of stored.entries()) {
    const node = nodes.get(prefix + paths[index])!;
    expect(describeNode(node, fixture)).to.deep.equal(describeEntry(entry, fixture));
    if (node.type === "file") checkContent(node, entry, blobs, provider);
  }
}

function describeNode(node: TreeNode, fixture: Fixture): Record<string, unknown> {
  return {
    name: quoteName(node.name, fixture.isOld ? isPrintable13 : isPrintable),
    type: node.type,
    mode: node.mode,
    unixMode: unixModeOf(node.mode).toString(8),
    mtime: node.mtime,
    mtimeNs: parseTime(node.mtime).unixNs,
    atime: node.atime,
    ctime: node.ctime,
    uid: node.uid,
    gid: node.gid,
    user: node.user,
    group: node.group,
    inode: node.inode,
    deviceId: node.deviceId,
    sizeBytes: node.sizeBytes,
    links: node.links,
    linkTarget: node.linkTarget && toBase64(node.linkTarget),
    extendedAttributes: node.extendedAttributes.map(({ name, value }) => [utf8Decode(name), value && toBase64(value)]),
    genericAttributes: node.genericAttributes,
    device: node.device,
    content: node.content,
    subtree: node.subtree,
    error: node.error,
  };
}

function describeEntry(entry: ManifestEntry, fixture: Fixture): Record<string, unknown> {
  return {
    name: entry.name_in_tree,
    type: entry.type,
    mode: entry.go_mode,
    unixMode: entry.unix_mode,
    mtime: entry.mtime,
    mtimeNs: BigInt(entry.mtime_ns),
    atime: entry.mtime,
    ctime: entry.ctime,
    uid: entry.uid,
    gid: entry.gid,
    user: entry.user ?? "",
    group: entry.group ?? "",
    inode: BigInt(entry.inode),
    deviceId: BigInt(entry.device_id),
    sizeBytes: entry.size ?? 0,
    links: ["file", "symlink", "dev", "chardev"].includes(entry.type) ? entry.links : 0,
    linkTarget: entry.linktarget_base64 && storedTarget(entry.linktarget_base64, fixture),
    extendedAttributes: (entry.xattr_order ?? []).map((name) => [name, entry.xattrs?.[name]]),
    genericAttributes: undefined,
    device: BigInt(entry.device ?? 0),
    content: entry.content ?? null,
    subtree: entry.subtree,
    error: undefined,
  };
}

/** 0.14 lost targets that are not UTF-8: a replacement character for every byte. */
function storedTarget(base64: string, fixture: Fixture): string {
  const bytes = fromBase64(base64);
  if (!fixture.isOld || isValidUtf8(bytes)) return base64;
  return toBase64(utf8Encode(new TextDecoder().decode(bytes)));
}

function checkContent(node: TreeNode, entry: ManifestEntry, blobs: DecodedBlobs, provider: Provider): void {
  const chunks = (node.content ?? []).map((id) => blobs.get(`data ${id}`)!.plaintext);
  expect(chunks.map(({ length }) => length)).to.deep.equal(entry.chunk_lengths);
  expect(toHex(provider.sha256(Buffer.concat(chunks)))).to.equal(entry.sha256);
}

describe("paths of packs", () => {
  it("are those of restic", () => {
    for (const name of fixtureNames) {
      const fixture = readFixture(name);
      for (const id of filesOfType(fixture, "data").keys()) {
        expect(fixture.files.has(pathOf({ type: "data", id }))).to.equal(true);
      }
    }
  });
});
