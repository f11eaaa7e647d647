/**
 * The same folder gives the same tree, byte for byte, whoever saves it: the ids of the root trees are equal, and restic, saving into our
 * repository, finds every blob there already.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { backup } from "../../client/backup/backup.ts";
import type { BackupOptions, BackupResult } from "../../client/backup/options.ts";
import { createNodeProvider } from "../../client/platform/node-provider.ts";
import { openBackend } from "../../client/platform/open-backend.ts";
import { timeZoneOf } from "../../client/platform/time-zone.ts";
import { openRepository } from "../../client/repository/opening.ts";
import { makeNastyFolder } from "../support/nasty-folder.ts";
import { expectExit, requirePrograms, runRestic } from "../support/programs.ts";

const password = "equal trees";

interface ResticSummary {
  readonly message_type: string;
  readonly data_blobs: number;
  readonly tree_blobs: number;
  readonly data_added: number;
  readonly total_files_processed: number;
  readonly total_bytes_processed: number;
}

/** Saves `folder`/source as a relative target: the folders above it change while other tests run. */
async function saveWithCoffer(location: string, folder: string, options: Partial<BackupOptions>) {
  const backend = await openBackend(location);
  const failures: string[] = [];
  try {
    const repository = await openRepository(backend, createNodeProvider(), { password });
    const result: BackupResult = await backup(
      repository,
      {
        targets: [Buffer.from("source")],
        workingDirectory: Buffer.from(folder),
        time: "2024-03-01T10:00:00Z",
        hostname: "test",
        username: "test",
        programVersion: "coffer test",
        ...options,
      },
      { itemFailed: (path, error) => failures.push(`${path}: ${error.message}`) },
    );
    return { result, failures };
  } finally {
    await backend.close();
  }
}

for (const { version, zone } of [
  { version: "1", zone: "America/St_Johns" },
  { version: "2", zone: "Europe/London" },
]) {
  describe(`interop: trees of version ${version} in ${zone}`, function () {
    this.timeout(120_000);
    let folder: string;
    const env = { RESTIC_PASSWORD: password, RESTIC_FROM_PASSWORD: password, TZ: zone };
    const restic = async (...parameters: string[]): Promise<string> => {
      const cache = join(folder, "cache");
      return expectExit(await runRestic(["--cache-dir", cache, ...parameters], { env, cwd: folder })).stdout;
    };
    const theirs = (): string => join(folder, "theirs");
    const ours = (): string => join(folder, "ours");
    let saved: Awaited<ReturnType<typeof saveWithCoffer>>;

    before(async function () {
      requirePrograms(this, "restic");
      folder = mkdtempSync(join(tmpdir(), "coffer-trees-"));
      await makeNastyFolder(join(folder, "source"), { asOldRestic: true });
      await restic("init", "--repo", theirs(), "--repository-version", version);
      const copied = ["--from-repo", theirs(), "--copy-chunker-params"];
      const from = { ...env, RESTIC_FROM_REPOSITORY: theirs() };
      const init = ["init", "--repo", ours(), "--repository-version", version, ...copied];
      expectExit(await runRestic(init, { env: { ...from, RESTIC_PASSWORD2: password } }));
      saved = await saveWithCoffer(ours(), folder, { zone: (seconds) => timeZoneOf(zone).offsetAt(seconds) });
    });

    after(() => {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    });

    it("gives the root tree that restic gives", async () => {
      await restic("backup", "--repo", theirs(), "source");
      const [snapshot] = JSON.parse(await restic("snapshots", "--repo", theirs(), "--json"));
      expect(saved.failures).to.deep.equal([]);
      expect(saved.result.tree).to.equal(snapshot.tree);
    });

    it("leaves restic nothing to add, and agrees with its counts", async () => {
      const output = await restic("backup", "--repo", ours(), "--force", "--json", "source");
      const summary: ResticSummary = JSON.parse(output.trim().split("\n").at(-1) ?? "");
      expect(summary).to.include({ message_type: "summary", data_blobs: 0, tree_blobs: 0, data_added: 0 });
      expect(saved.result.summary.totalFilesProcessed).to.equal(summary.total_files_processed);
      expect(saved.result.summary.totalBytesProcessed).to.equal(summary.total_bytes_processed);
    });

    it("passes restic's check of all data", async () => {
      expect(await restic("check", "--repo", ours(), "--read-data")).to.include("no errors were found");
    });
  });
}
