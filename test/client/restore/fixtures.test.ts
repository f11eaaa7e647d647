/** Restores every snapshot of the fixtures, which real restic made, and compares each entry with what was backed up. */
import { createHash } from "node:crypto";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { MemoryBackend } from "../../../client/backends/memory.ts";
import { restore } from "../../../client/restore/restore.ts";
import { parseSnapshot } from "../../../shared/format/snapshot.ts";
import { PlainBlobSource } from "../../support/blob-source.ts";
import { entriesOf, fixtureNames, type ManifestEntry, readFixture } from "../../support/fixtures.ts";
import { requireRoot } from "../../support/programs.ts";
import { getXattrsOf } from "../../support/xattrs.ts";

function describeDiskEntry(path: Buffer, entry: ManifestEntry): Record<string, unknown> {
  const status = lstatSync(path, { bigint: true });
  const isFile = status.isFile();
  return {
    mode: Number(status.mode).toString(8),
    owner: `${status.uid}:${status.gid}`,
    mtime: String(status.mtimeNs),
    size: isFile ? Number(status.size) : undefined,
    sha256: isFile ? createHash("sha256").update(readFileSync(path)).digest("hex") : undefined,
    linkTarget: status.isSymbolicLink() ? readlinkSync(path, { encoding: "buffer" }).toString("base64") : undefined,
    xattrs: getXattrsOf(path),
    device: entry.device === undefined ? undefined : Number(status.rdev),
  };
}

function describeManifestEntry(entry: ManifestEntry, isLossy: boolean): Record<string, unknown> {
  const target = entry.linktarget_base64;
  // restic 0.14 stored targets that are not UTF-8 with replacement characters.
  const lossy = (base64: string) => Buffer.from(replaceInvalid(Buffer.from(base64, "base64"))).toString("base64");
  return {
    mode: entry.unix_mode.replace(/^0+/, ""),
    owner: `${entry.uid}:${entry.gid}`,
    mtime: entry.mtime_ns,
    size: entry.type === "file" ? entry.size : undefined,
    sha256: entry.type === "file" ? entry.sha256 : undefined,
    linkTarget: target === undefined ? undefined : isLossy ? lossy(target) : target,
    xattrs: entry.xattrs ?? {},
    device: entry.device,
  };
}

/** Go replaces each byte that is not UTF-8 by a character of its own. */
function replaceInvalid(bytes: Buffer): string {
  return bytes.toString("utf8");
}

describe("restore of fixtures made by restic", function () {
  this.timeout(60_000);
  let folder: string;

  before(function () {
    requireRoot(this);
    folder = mkdtempSync(join(tmpdir(), "coffer-restore-"));
  });

  after(() => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  for (const name of fixtureNames) {
    const fixture = readFixture(name);
    for (const { id, plaintext } of fixture.manifest.snapshots) {
      it(`${name}, snapshot ${id.slice(0, 8)}`, async () => {
        const backend = new MemoryBackend({ files: new Map(fixture.files) });
        const source = await PlainBlobSource.open(backend, fixture.masterKey);
        const target = join(folder, id);
        const failures: string[] = [];
        const result = await restore(
          source,
          { snapshot: parseSnapshot(plaintext), target: Buffer.from(target), verify: true },
          { itemFailed: (path, error) => failures.push(`${Buffer.from(path)}: ${error.message}`) },
        );
        expect(failures).to.deep.equal([]);
        expect(result.errorCount).to.equal(0);
        const entries = entriesOf(fixture.manifest, id).filter((entry) => entry.in_snapshot !== false);
        const root = rootOf(target, entries);
        for (const entry of entries) {
          const path = Buffer.concat([Buffer.from(root), Buffer.from(entry.path_base64, "base64")]);
          const wanted = describeManifestEntry(entry, fixture.isOld);
          expect(describeDiskEntry(path, entry), String(path)).to.deep.equal(wanted);
        }
        expectSameLinks(root, entries);
        expect(result.filesRestored).to.be.at.least(entries.length);
        expect(result.filesRestored).to.equal(result.totalFiles);
        expect(result.bytesRestored).to.equal(result.totalBytes);
      });
    }
  }
});

/** Snapshots of absolute paths have folders above the entries. */
function rootOf(target: string, entries: readonly ManifestEntry[]): string {
  const [, first = ""] = Buffer.from(entries[0]?.path_base64 ?? "", "base64")
    .toString("latin1")
    .split("/");
  let root = target;
  for (let depth = 0; depth < 4; depth++) {
    const names = readdirSync(root, { encoding: "latin1" });
    if (names.includes(first)) return root;
    root = join(root, names[0] ?? "");
  }
  throw new Error(`no ${first} below ${target}`);
}

function expectSameLinks(root: string, entries: readonly ManifestEntry[]): void {
  const inodes = new Map<string, bigint>();
  for (const entry of entries) {
    if (entry.type !== "file" || entry.links < 2) continue;
    const path = Buffer.concat([Buffer.from(root), Buffer.from(entry.path_base64, "base64")]);
    const { ino } = lstatSync(path, { bigint: true });
    expect(inodes.get(entry.inode) ?? ino, String(path)).to.equal(ino);
    inodes.set(entry.inode, ino);
  }
}
