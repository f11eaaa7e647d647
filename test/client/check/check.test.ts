/** The verdicts of a check: repositories of restic are sound, and each planted fault is found and named. */
import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { MemoryBackend } from "../../../client/backends/memory.ts";
import { adviceFor, noteOnAdditionalFiles } from "../../../client/check/advice.ts";
import { check } from "../../../client/check/check.ts";
import type { CheckOptions, CheckResult } from "../../../client/check/options.ts";
import { type Id, pathOf } from "../../../shared/format/layout.ts";
import type { PackEntry } from "../../../shared/format/pack.ts";
import { encodeTree } from "../../../shared/format/tree.ts";
import { encodeNode } from "../../../shared/format/tree-node.ts";
import { PlainBlobSource } from "../../support/blob-source.ts";
import { fixtureNames, readFixture } from "../../support/fixtures.ts";
import { RepositoryBuilder } from "../../support/repository-builder.ts";
import { fileNode } from "../../support/tree-nodes.ts";

interface Findings {
  readonly result: CheckResult;
  readonly problems: readonly string[];
  readonly hints: readonly string[];
  readonly phases: readonly string[];
}

async function findingsOf(source: PlainBlobSource, options: Partial<CheckOptions> = {}): Promise<Findings> {
  const problems: string[] = [];
  const hints: string[] = [];
  const phases: string[] = [];
  const result = await check(
    source,
    { readData: { kind: "all" }, ...options },
    {
      problem: (text) => problems.push(text),
      hint: (text) => hints.push(text),
      phase: (text) => phases.push(text),
    },
  );
  expect(result.problemCount).to.equal(problems.length);
  return { result, problems, hints, phases };
}

const content = Buffer.from("content that is long enough to be compressed ".repeat(20));

/** A snapshot of a folder with a file and a subfolder with a file. */
class Sample {
  readonly builder = new RepositoryBuilder();
  readonly fileBlob: Id = this.builder.add("data", content, { compress: true });
  readonly otherBlob: Id = this.builder.add("data", Buffer.from("not compressed"));
  readonly subtree: Id = this.builder.addTree([fileNode("inner.txt", { content: [this.otherBlob] })]);
  readonly root: Id = this.builder.addTree([
    fileNode("file.txt", { content: [this.fileBlob, this.otherBlob] }),
    fileNode("folder", { type: "dir", content: null, subtree: this.subtree }),
  ]);
  readonly packs = this.builder.endPacks();
  readonly index: Id = this.builder.writeIndex();
  readonly snapshot: Id = this.builder.storeSnapshot(this.root);

  check(options: Partial<CheckOptions> = {}): Promise<Findings> {
    return findingsOf(PlainBlobSource.unindexed(this.builder.backend, this.builder.masterKey), options);
  }

  get dataPack(): Id {
    return this.packs.data ?? "";
  }

  get treePack(): Id {
    return this.packs.tree ?? "";
  }
}

describe("check", function () {
  this.timeout(20_000);

  for (const name of fixtureNames) {
    it(`finds nothing wrong with the fixture ${name}`, async () => {
      const fixture = readFixture(name);
      const backend = new MemoryBackend({ files: new Map(fixture.files) });
      const { result, problems } = await findingsOf(PlainBlobSource.unindexed(backend, fixture.masterKey));
      expect(problems).to.deep.equal([]);
      expect(result.brokenPacks).to.deep.equal([]);
      expect(result.additionalFiles).to.equal(0);
    });
  }

  it("tells its phases as restic does, and has no advice for a sound repository", async () => {
    const { result, phases, hints } = await new Sample().check();
    expect(phases).to.deep.equal([
      "load indexes",
      "check all packs",
      "check snapshots, trees and blobs",
      "read all data",
    ]);
    expect(hints).to.deep.equal([]);
    expect(adviceFor(result)).to.deep.equal([]);
    expect(noteOnAdditionalFiles(result)).to.deep.equal([]);
  });

  it("finds a flipped bit in a blob's body", async () => {
    const sample = new Sample();
    sample.builder.flip("data", sample.dataPack, 20);
    const { result, problems } = await sample.check();
    expect(result.brokenPacks).to.deep.equal([sample.dataPack]);
    expect(problems).to.have.length(1);
    const blob = `blob ${sample.fileBlob}: decrypting blob <data/${sample.fileBlob.slice(0, 8)}> from pack ${sample.dataPack}`;
    expect(problems[0]).to.match(
      new RegExp(
        `^pack ${sample.dataPack} contains 2 errors: \\[${blob} failed: ciphertext verification failed unexpected pack id [0-9a-f]{64}\\]$`,
      ),
    );
    expect(adviceFor(result).join("")).to.contain(`restic repair packs ${sample.dataPack}\n`);
  });

  it("finds a flipped bit in an IV", async () => {
    const sample = new Sample();
    sample.builder.flip("data", sample.dataPack, 3);
    expect((await sample.check()).problems[0]).to.contain(`blob ${sample.fileBlob}: decrypting`);
  });

  it("finds a flipped bit in the header's tag and in the header's length", async () => {
    for (const [offset, expected] of [
      [-6, "pack header is damaged"],
      [-1, "pack header is damaged"],
    ] as const) {
      const sample = new Sample();
      sample.builder.flip("data", sample.dataPack, offset);
      const { result, problems } = await sample.check();
      expect(problems[0]).to.contain(expected).and.to.contain("unexpected pack id");
      expect(result.brokenPacks).to.deep.equal([sample.dataPack]);
    }
  });

  it("finds every single flipped bit of a pack", async () => {
    const sample = new Sample();
    const sizeBytes = sample.builder.backend.files.get(pathOf({ type: "data", id: sample.dataPack }))?.length ?? 0;
    for (let offset = 0; offset < sizeBytes; offset += 7) {
      sample.builder.flip("data", sample.dataPack, offset);
      const { result } = await sample.check();
      expect(result.brokenPacks, `offset ${offset}`).to.deep.equal([sample.dataPack]);
      sample.builder.flip("data", sample.dataPack, offset);
    }
  });

  it("finds a pack that is one byte short, with and without reading data", async () => {
    const sample = new Sample();
    const path = pathOf({ type: "data", id: sample.dataPack });
    const whole = sample.builder.backend.files.get(path) ?? new Uint8Array();
    sample.builder.backend.files.set(path, whole.subarray(0, whole.length - 1));
    const quick = await sample.check({ readData: { kind: "none" } });
    const sizes = `got ${whole.length - 1}, expected ${whole.length}`;
    expect(quick.problems).to.deep.equal([`pack ${sample.dataPack}: unexpected file size: ${sizes}`]);
    expect(quick.result.brokenPacks).to.deep.equal([]);
    const full = await sample.check();
    expect(full.result.brokenPacks).to.deep.equal([sample.dataPack]);
    expect(full.problems).to.have.length(2);
  });

  it("finds a pack that is too long", async () => {
    const sample = new Sample();
    const path = pathOf({ type: "data", id: sample.dataPack });
    const whole = sample.builder.backend.files.get(path) ?? new Uint8Array();
    sample.builder.backend.files.set(path, Buffer.concat([whole, Buffer.from("x")]));
    expect((await sample.check()).result.brokenPacks).to.deep.equal([sample.dataPack]);
  });

  it("finds a missing pack of data once, and a missing pack of trees with the trees", async () => {
    const sample = new Sample();
    sample.builder.backend.files.delete(pathOf({ type: "data", id: sample.dataPack }));
    const { result, problems } = await sample.check();
    expect(problems).to.deep.equal([`pack ${sample.dataPack}: does not exist`]);
    expect(result.brokenPacks).to.deep.equal([]);
    expect(adviceFor(result).join("")).to.contain("The repository is damaged and must be repaired.");

    const other = new Sample();
    other.builder.backend.files.delete(pathOf({ type: "data", id: other.treePack }));
    const findings = await other.check();
    expect(findings.problems[0]).to.equal(`pack ${other.treePack}: does not exist`);
    expect(findings.problems[1]).to.match(new RegExp(`^error for tree ${other.root.slice(0, 8)}:\n  `));
    expect(findings.problems).to.have.length(2);
  });

  it("finds a damaged tree, by its path to the snapshots only", async () => {
    const sample = new Sample();
    const orphan = sample.builder.addTree([fileNode("orphan", { content: ["00".repeat(32)] })]);
    sample.builder.writeIndex();
    expect((await sample.check()).problems, "an unreachable tree does not count").to.deep.equal([]);
    sample.builder.storeSnapshot(orphan);
    expect((await sample.check()).problems).to.deep.equal([
      `error for tree ${orphan.slice(0, 8)}:\n  tree ${orphan}: file "orphan" blob ${"00".repeat(32)} not found in index`,
    ]);
    sample.builder.flip("data", sample.treePack, 40);
    const { problems } = await sample.check({ readData: { kind: "none" } });
    const name = `tree/${sample.subtree.slice(0, 8)}`;
    expect(problems.join("\n")).to.contain(
      `error for tree ${sample.subtree.slice(0, 8)}:\n  decrypting blob <${name}> from pack ${sample.treePack} failed: ciphertext verification failed`,
    );
  });

  it("takes a tree from another copy when one is damaged", async () => {
    const sample = new Sample();
    // A second pack with the same subtree.
    sample.builder.addTree([fileNode("inner.txt", { content: [sample.otherBlob] })]);
    sample.builder.writeIndex();
    sample.builder.flip("data", sample.treePack, 40);
    expect((await sample.check({ readData: { kind: "none" } })).problems).to.deep.equal([]);
    expect((await sample.check()).result.brokenPacks).to.deep.equal([sample.treePack]);
  });

  it("finds missing subtrees, missing root trees, null contents, empty names and unknown types", async () => {
    const builder = new RepositoryBuilder();
    const missing = "ab".repeat(32);
    const root = builder.addTree([
      fileNode("", {}),
      fileNode("a", { type: "dir", content: null, subtree: missing }),
      fileNode("b", { content: null }),
      fileNode("c", { type: "dir", content: null }),
      fileNode("d", { type: "irregular", content: null }),
    ]);
    builder.writeIndex();
    builder.storeSnapshot(root);
    builder.storeSnapshot(missing);
    const { problems } = await findingsOf(PlainBlobSource.unindexed(builder.backend, builder.masterKey));
    const all = problems.join("\n");
    expect(all).to.contain(`id ${missing} not found in repository`);
    expect(all).to.contain("empty name").and.to.contain('file "b"').and.to.contain('dir "c"').and.to.contain('"d"');
    expect(problems.filter((text) => text.startsWith(`error for tree ${missing.slice(0, 8)}:`))).to.have.length(1);
  });

  it("finds trees that are no trees", async () => {
    for (const text of ["[]", "{}", '{"nodes":{}}', '{"nodes":[', "\u0000", '{"nodes":[{"name":1}]}']) {
      const builder = new RepositoryBuilder();
      const root = builder.add("tree", Buffer.from(text));
      builder.writeIndex();
      builder.storeSnapshot(root);
      const { problems } = await findingsOf(PlainBlobSource.unindexed(builder.backend, builder.masterKey));
      expect(problems.join("\n"), text).to.contain(`error for tree ${root.slice(0, 8)}:\n  decoding blob <tree/`);
    }
  });

  it("finds a blob whose content is not what its id says", async () => {
    const builder = new RepositoryBuilder();
    const id = builder.add("data", Buffer.from("other content"), { id: "cd".repeat(32) });
    const root = builder.addTree([fileNode("f", { content: [id] })]);
    const packs = builder.endPacks();
    builder.writeIndex();
    builder.storeSnapshot(root);
    const { result, problems } = await findingsOf(PlainBlobSource.unindexed(builder.backend, builder.masterKey));
    expect(problems[0]).to.contain(`blob ${id}: blob <data/cdcdcdcd>`).and.to.contain("content hashes to");
    expect(result.brokenPacks).to.deep.equal([packs.data]);
  });

  it("stops at a damaged index and advises to repair it", async () => {
    const sample = new Sample();
    sample.builder.flip("index", sample.index, 30);
    const { result, problems, phases } = await sample.check();
    expect(phases).to.deep.equal(["load indexes"]);
    expect(problems[0]).to.match(new RegExp(`^error: error loading index ${sample.index}: `));
    expect(result).to.include({ suggestRepairIndex: true, isIndexDamaged: true });
    expect(adviceFor(result)[0]).to.contain("The repository index is damaged");
  });

  it("finds a snapshot that does not load, and checks the others", async () => {
    const sample = new Sample();
    const other = sample.builder.storeSnapshot(sample.subtree);
    sample.builder.flip("snapshots", other, 30);
    const { problems } = await sample.check();
    expect(problems).to.have.length(1);
    expect(problems[0]).to.contain(other.slice(0, 8));
  });

  it("only hints at packs that are listed twice alike, and errs on contradictory lists and gaps", async () => {
    const sample = new Sample();
    const [file, other] = await blobsOf(sample);
    const id = sample.dataPack;
    sample.builder.storeIndex([{ id, blobs: [file, other] }]);
    const alike = await sample.check();
    expect(alike.problems).to.deep.equal([]);
    expect(alike.hints[0]).to.contain("repair index");
    expect(alike.result.suggestRepairIndex).to.equal(true);

    sample.builder.storeIndex([{ id, blobs: [file] }]);
    expect((await sample.check()).problems.join()).to.contain(`pack ${id}: listed with different blobs`);

    const gap = new Sample();
    const [, second] = await blobsOf(gap);
    gap.builder.backend.files.delete(pathOf({ type: "index", id: gap.index }));
    gap.builder.storeIndex([{ id: gap.dataPack, blobs: [second] }]);
    const { problems, result } = await gap.check();
    expect(problems.join()).to.contain(`pack ${gap.dataPack}: unexpected file size`);
    expect(result.brokenPacks).to.deep.equal([gap.dataPack]);
  });

  it("only hints at mixed packs, and reads the trees in them", async () => {
    const builder = new RepositoryBuilder();
    const content = [builder.add("data", Buffer.from("content"))];
    const root = builder.addTree([fileNode("f", { content }), fileNode("g", { content: ["ef".repeat(32)] })]);
    const pack = builder.endMixedPack();
    builder.writeIndex();
    builder.storeSnapshot(root);
    const source = PlainBlobSource.unindexed(builder.backend, builder.masterKey);
    const { result, problems, hints } = await findingsOf(source);
    expect(hints[0]).to.contain(`${pack} contains a mix`);
    expect(result).to.include({ suggestPrune: true, suggestRepairIndex: false });
    expect(problems).to.have.length(1);
    expect(problems[0]).to.contain('file "g" blob efef');
  });

  it("verifies packs that are longer than a buffer in parts", async () => {
    const builder = new RepositoryBuilder();
    const pieces = Array.from({ length: 4 }, () => randomBytes(8 << 20));
    const root = builder.addTree([fileNode("big", { content: pieces.map((piece) => builder.add("data", piece)) })]);
    const pack = builder.endPacks().data ?? "";
    builder.writeIndex();
    builder.storeSnapshot(root);
    const source = PlainBlobSource.unindexed(builder.backend, builder.masterKey);
    expect((await findingsOf(source)).problems).to.deep.equal([]);
    for (const offset of [2 * (8 << 20) + 1000, -1]) {
      builder.flip("data", pack, offset);
      const { result, problems } = await findingsOf(source);
      expect(result.brokenPacks).to.deep.equal([pack]);
      expect(problems[0]).to.contain("contains 2 errors").and.to.contain("unexpected pack id");
      builder.flip("data", pack, offset);
    }
    const path = pathOf({ type: "data", id: pack });
    builder.backend.files.set(path, builder.backend.files.get(path)!.slice(0, 30 << 20));
    const short = await findingsOf(source);
    expect(short.result.brokenPacks).to.deep.equal([pack]);
    expect(short.problems.at(-1)).to.contain("behind the end of the file");
  });

  it("only hints at packs that no index knows", async () => {
    const fixture = new Sample();
    const foreign = fixture.builder.store("data", Buffer.from("no pack at all"));
    const { result, problems } = await fixture.check();
    expect(foreign).to.have.length(64);
    expect(problems).to.deep.equal([]);
    expect(result).to.include({ additionalFiles: 1, suggestPrune: true });
    expect(noteOnAdditionalFiles(result)[0]).to.equal(
      "1 additional files were found in the repo, which likely contain duplicate data.",
    );
  });

  it("with snapshots given, judges only what they need", async () => {
    const sample = new Sample();
    const blob = sample.builder.add("data", Buffer.from("of the second snapshot"));
    const root = sample.builder.addTree([fileNode("second", { content: [blob] })]);
    const second = sample.builder.endPacks();
    sample.builder.writeIndex();
    const snapshot = sample.builder.storeSnapshot(root);
    sample.builder.flip("data", second.data ?? "", 5);
    sample.builder.flip("data", second.tree ?? "", 5);
    const first = await sample.check({ snapshots: [sample.snapshot] });
    expect(first.problems).to.deep.equal([]);
    expect(first.phases.at(-1)).to.equal("read all filtered data");
    const both = await sample.check({ snapshots: [snapshot] });
    expect(both.result.brokenPacks).to.deep.equal([second.tree]);
    expect(both.problems[0]).to.contain(`error for tree ${root.slice(0, 8)}`);
  });

  it("reads the packs of a filtered snapshot through subtrees in other packs", async () => {
    const sample = new Sample();
    const root = sample.builder.addTree([fileNode("up", { type: "dir", content: null, subtree: sample.root })]);
    sample.builder.writeIndex();
    const snapshot = sample.builder.storeSnapshot(root);
    sample.builder.flip("data", sample.dataPack, 5);
    const { result } = await sample.check({ snapshots: [snapshot] });
    expect(result.brokenPacks).to.deep.equal([sample.dataPack]);
  });

  it("ends when it is cancelled", async () => {
    const sample = new Sample();
    const source = PlainBlobSource.unindexed(sample.builder.backend, sample.builder.masterKey);
    const controller = new AbortController();
    controller.abort();
    const outcome = await check(source, { readData: { kind: "all" } }, {}, controller.signal).catch((error) => error);
    expect(outcome).to.include({ code: "cancelled" });
  });

  it("refuses trees whose names do not ascend", async () => {
    const builder = new RepositoryBuilder();
    const nodes = ["b", "a"].map((name) => encodeNode(fileNode(name, { content: [] })));
    const root = builder.add("tree", encodeTree(nodes));
    builder.writeIndex();
    builder.storeSnapshot(root);
    const { problems } = await findingsOf(PlainBlobSource.unindexed(builder.backend, builder.masterKey));
    expect(problems[0]).to.contain("ascending order");
  });
});

/** The two blobs of a sample's data pack as its index lists them. */
async function blobsOf(sample: Sample) {
  const source = await PlainBlobSource.open(sample.builder.backend, sample.builder.masterKey);
  return [sample.fileBlob, sample.otherBlob].map((id) => {
    const { packId: _, ...place } = source.placesOf("data", id)[0]!;
    return { type: "data" as const, id, ...place };
  }) as [PackEntry, PackEntry];
}
