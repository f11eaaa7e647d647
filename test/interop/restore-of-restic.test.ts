/** Restores what restic backed up, and compares with the source and with what restic itself restores. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { RestoreResult } from "../../client/restore/options.ts";
import { restore } from "../../client/restore/restore.ts";
import { compareFolders } from "../support/compare-folders.ts";
import { makeNastyFolder } from "../support/nasty-folder.ts";
import { loadSnapshots, openLocalRepository, resticOn } from "../support/opened-repository.ts";
import { requirePrograms, requireRoot } from "../support/programs.ts";
import { makeSampleFolder } from "../support/sample-folder.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";

const variants = [
  { version: "1", flags: [] },
  { version: "2", flags: ["--compression", "auto"] },
  { version: "2", flags: ["--compression", "off"] },
  { version: "2", flags: ["--compression", "max", "--pack-size", "4"] },
] as const;

/** Restores the last snapshot. Throws on the first item that fails. */
async function restoreLast(repositoryPath: string, target: string): Promise<RestoreResult> {
  const repository = await openLocalRepository(repositoryPath);
  await repository.loadIndex();
  const snapshot = (await loadSnapshots(repository)).at(-1);
  if (snapshot === undefined) throw new Error("no snapshot");
  return restore(
    repository,
    { snapshot, target: Buffer.from(target), verify: true },
    {
      itemFailed: (path, error) => {
        throw new Error(`${Buffer.from(path)}: ${error.message}`);
      },
    },
  );
}

describe("interop: restore of what restic backed up", function () {
  this.timeout(120_000);
  let temporary: TemporaryFolder;

  before(function () {
    requirePrograms(this, "restic");
    requireRoot(this);
    temporary = makeTemporaryFolder("interop-restore");
  });

  after(() => temporary?.remove());

  for (const { version, flags } of variants) {
    it(`version ${version} ${flags.join(" ")}: large and small files, twice, with changes in between`, async () => {
      const folder = join(temporary.path, `sample-${version}${flags.join("")}`);
      const source = join(folder, "source");
      const repository = join(folder, "repository");
      mkdirSync(source, { recursive: true });
      makeSampleFolder(source, { randomBytes: 11 << 20, textBytes: 5 << 20, smallFiles: 150 });
      await resticOn(repository, ["init", "--repository-version", version]);
      await resticOn(repository, ["backup", ...flags, "source"], { cwd: folder });
      const target = join(folder, "target");
      const first = await restoreLast(repository, target);
      expect(compareFolders(source, join(target, "source")).differences).to.deep.equal([]);
      expect(first.bytesRestored).to.equal(first.totalBytes);
      const again = await restoreLast(repository, target);
      expect(again.bytesRestored).to.equal(0);
      expect(compareFolders(source, join(target, "source")).differences).to.deep.equal([]);
    });
  }

  it("everything that a file system can hold, as restic restores it", async () => {
    const source = join(temporary.path, "nasty");
    const repository = join(temporary.path, "nasty-repository");
    await makeNastyFolder(source, { asOldRestic: true });
    await resticOn(repository, ["init"]);
    await resticOn(repository, ["backup", "nasty"], { cwd: temporary.path });
    const ours = join(temporary.path, "ours");
    const theirs = join(temporary.path, "theirs");
    await restoreLast(repository, ours);
    await resticOn(repository, ["restore", "latest", "--target", theirs]);
    // restic makes links of regular files only: for it, these are two each.
    const isLink = (line: string): boolean => /^\/special\/(block|character)/.test(line) && /link|inode/.test(line);
    const better = compareFolders(join(theirs, "nasty"), join(ours, "nasty")).differences;
    expect(better.filter((line) => !isLink(line))).to.deep.equal([]);
    // Sockets are not backed up, and of pipes no snapshot says how many names they have.
    const lost = compareFolders(source, join(ours, "nasty")).differences;
    expect(lost.filter((line) => !/^\/(socket|special\/pipe)/.test(line))).to.deep.equal([]);
  });
});
