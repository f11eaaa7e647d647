/** Checks what restic wrote, whole and damaged, and compares the verdicts with restic's own. */
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { check } from "../../client/check/check.ts";
import type { CheckResult } from "../../client/check/options.ts";
import { openLocalRepository, resticOn, testPassword } from "../support/opened-repository.ts";
import { requirePrograms, runRestic } from "../support/programs.ts";
import { makeSampleFolder } from "../support/sample-folder.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";

async function checkAll(repositoryPath: string): Promise<{ result: CheckResult; problems: string[] }> {
  const repository = await openLocalRepository(repositoryPath);
  const problems: string[] = [];
  const result = await check(repository, { readData: { kind: "all" } }, { problem: (text) => problems.push(text) });
  return { result, problems };
}

async function resticFindsFault(repositoryPath: string, flags: readonly string[]): Promise<boolean> {
  const env = { RESTIC_REPOSITORY: repositoryPath, RESTIC_PASSWORD: testPassword };
  const { exitCode } = await runRestic(["check", "--no-cache", "--no-lock", ...flags], { env });
  return exitCode !== 0;
}

/** Paths of all files of a type, the smallest first. */
function filesOf(repositoryPath: string, type: string): string[] {
  const folder = join(repositoryPath, type);
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort((a, b) => readFileSync(a).length - readFileSync(b).length);
}

function change(path: string, edit: (bytes: Buffer) => Buffer): void {
  const changed = edit(readFileSync(path));
  chmodSync(path, 0o600);
  writeFileSync(path, changed);
}

function flip(path: string, offset: number): void {
  change(path, (bytes) => {
    bytes[offset < 0 ? bytes.length + offset : offset]! ^= 0x10;
    return bytes;
  });
}

function largestPack(repositoryPath: string): string {
  return filesOf(repositoryPath, "data").at(-1) ?? "";
}

interface Damage {
  readonly isFault: boolean;
  readonly damage: (repositoryPath: string) => void;
  /** How restic is asked; by default it reads all packs. */
  readonly flags?: readonly string[];
}

/** What is done to a repository, and whether that is a fault. */
const damages: Readonly<Record<string, Damage>> = {
  nothing: { isFault: false, damage: () => {} },
  "a flipped bit in a blob": { isFault: true, damage: (path) => flip(largestPack(path), 5000) },
  "a flipped bit in an IV": { isFault: true, damage: (path) => flip(largestPack(path), 0) },
  "a flipped bit in a header's tag": { isFault: true, damage: (path) => flip(largestPack(path), -6) },
  "a flipped bit in a header's length": { isFault: true, damage: (path) => flip(largestPack(path), -3) },
  "a pack one byte short": {
    isFault: true,
    damage: (path) => {
      chmodSync(largestPack(path), 0o600);
      truncateSync(largestPack(path), readFileSync(largestPack(path)).length - 1);
    },
  },
  "a pack one byte long": {
    isFault: true,
    damage: (path) => change(largestPack(path), (bytes) => Buffer.concat([bytes, Buffer.from("x")])),
  },
  // When it reads packs, restic tries for most of a minute to load what is missing.
  "a missing pack": { isFault: true, damage: (path) => rmSync(largestPack(path)), flags: [] },
  "a flipped bit in a small pack": { isFault: true, damage: (path) => flip(filesOf(path, "data")[0] ?? "", 40) },
  "a flipped bit in an index": { isFault: true, damage: (path) => flip(filesOf(path, "index")[0] ?? "", 40) },
  "a missing index": { isFault: true, damage: (path) => rmSync(filesOf(path, "index")[0] ?? "") },
  "a flipped bit in a snapshot": { isFault: true, damage: (path) => flip(filesOf(path, "snapshots")[0] ?? "", 40) },
  "a missing snapshot": { isFault: false, damage: (path) => rmSync(filesOf(path, "snapshots")[0] ?? "") },
  "a pack that no index knows": {
    isFault: false,
    damage: (path) => {
      const name = "ab".repeat(32);
      mkdirSync(join(path, "data", "ab"), { recursive: true });
      writeFileSync(join(path, "data", "ab", name), "anything");
    },
  },
};

/** Version 1 differs in headers and documents only: the damages that meet them are enough. */
const damagesOfVersion1: readonly string[] = [
  "nothing",
  "a flipped bit in a blob",
  "a flipped bit in a header's tag",
  "a flipped bit in an index",
];

for (const version of ["1", "2"]) {
  describe(`interop: check of what restic wrote, version ${version}`, function () {
    this.timeout(120_000);
    let temporary: TemporaryFolder;
    let repository: string;

    before(async function () {
      requirePrograms(this, "restic");
      temporary = makeTemporaryFolder("interop-check");
      const source = join(temporary.path, "source");
      repository = join(temporary.path, "repository");
      mkdirSync(source);
      makeSampleFolder(source, { randomBytes: 5 << 20, textBytes: 3 << 20, smallFiles: 40 });
      await resticOn(repository, ["init", "--repository-version", version]);
      await resticOn(repository, ["backup", "source"], { cwd: temporary.path });
      rmSync(join(source, "documents"), { recursive: true });
      await resticOn(repository, ["backup", "source"], { cwd: temporary.path });
    });

    after(() => temporary?.remove());

    for (const [name, { isFault, damage, flags = ["--read-data"] }] of Object.entries(damages)) {
      if (version === "1" && !damagesOfVersion1.includes(name)) continue;
      it(name, async () => {
        const copy = join(temporary.path, "copy");
        cpSync(repository, copy, { recursive: true });
        damage(copy);
        const { result, problems } = await checkAll(copy);
        expect(result.problemCount > 0, problems.join("\n")).to.equal(isFault);
        expect(await resticFindsFault(copy, flags)).to.equal(isFault);
        rmSync(copy, { recursive: true });
      });
    }

    it("a repository that was pruned", async () => {
      const copy = join(temporary.path, "pruned");
      cpSync(repository, copy, { recursive: true });
      await resticOn(copy, ["forget", "--keep-last", "1", "--prune", "--max-unused", "0"]);
      expect((await checkAll(copy)).problems).to.deep.equal([]);
    });
  });
}
