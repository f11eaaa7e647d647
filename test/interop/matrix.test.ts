/**
 * Both directions, both versions, three kinds of storage: restic checks and restores what Coffer wrote, Coffer checks and
 * restores what restic wrote, both back up in turns and neither stores again what the other has stored.
 */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { compareFolders } from "../support/compare-folders.ts";
import {
  expectExit,
  type ProgramOptions,
  type ProgramRun,
  requirePrograms,
  runCoffer,
  runRestic,
} from "../support/programs.ts";
import { startRclone } from "../support/rclone.ts";
import { makeSampleFolder } from "../support/sample-folder.ts";
import { startServer } from "../support/server.ts";

interface Storage {
  /** The location of a repository of that name, for -r. */
  locate(name: string): string;
  stop(): Promise<void>;
}

const storages: Readonly<Record<string, (folder: string) => Promise<Storage>>> = {
  "the local disk": async (folder) => ({ locate: (name) => join(folder, name), stop: async () => {} }),
  "Coffer's server": async (folder) => {
    const server = await startServer({ path: folder });
    return {
      locate: (name) => `rest:${new URL(`${name}/`, server.url)}`,
      stop: async () => {
        await server.stop();
      },
    };
  },
  "rclone's server": async (folder) => {
    const server = await startRclone(folder);
    return { locate: (name) => `rest:${server.url}${name}/`, stop: () => server.stop() };
  },
};

interface BackupSummary {
  readonly data_blobs: number;
  readonly tree_blobs: number;
  readonly total_files_processed: number;
}

type Run = (parameters: readonly string[], options?: ProgramOptions) => Promise<ProgramRun>;

async function backUp(run: Run, options: ProgramOptions): Promise<BackupSummary> {
  const { stdout } = expectExit(await run(["backup", "--json", "source"], options));
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as BackupSummary;
}

for (const [storageName, openStorage] of Object.entries(storages)) {
  for (const version of ["1", "2"]) {
    describe(`interop: version ${version} on ${storageName}`, function () {
      this.timeout(300_000);
      let folder: string;
      let storage: Storage;

      before(async function () {
        requirePrograms(this, "restic", "rclone");
        folder = mkdtempSync(join(tmpdir(), "coffer-interop-"));
        mkdirSync(join(folder, "storage"));
        mkdirSync(join(folder, "source"));
        makeSampleFolder(join(folder, "source"), { randomBytes: 9 << 20, textBytes: 3 << 20, smallFiles: 60 });
        storage = await openStorage(join(folder, "storage"));
      });

      after(async () => {
        await storage?.stop();
        if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
      });

      function optionsFor(name: string): ProgramOptions {
        return {
          cwd: folder,
          env: {
            RESTIC_REPOSITORY: storage.locate(name),
            RESTIC_PASSWORD: "correct horse",
            RESTIC_CACHE_DIR: join(folder, `cache-${name}`),
          },
        };
      }

      async function restoreAndCompare(run: Run, options: ProgramOptions, target: string): Promise<void> {
        expectExit(await run(["restore", "latest", "--target", join(folder, target)], options));
        const comparison = compareFolders(join(folder, "source"), join(folder, target, "source"));
        expect(comparison.differences).to.deep.equal([]);
        expect(comparison.entries).to.be.greaterThan(80);
      }

      it("lets restic check, restore and continue what Coffer wrote", async () => {
        const options = optionsFor("by-coffer");
        expectExit(await runCoffer(["init", "--repository-version", version], options));
        const first = await backUp(runCoffer, options);
        expect(first.data_blobs).to.be.greaterThan(10);
        expectExit(await runRestic(["check", "--read-data"], options));
        await restoreAndCompare(runRestic, options, "by-coffer-restored-by-restic");
        const again = await backUp(runRestic, options);
        expect({ ...again }).to.include({ data_blobs: 0, tree_blobs: 0 });
        expect(again.total_files_processed).to.equal(first.total_files_processed);
      });

      it("checks, restores and continues what restic wrote", async () => {
        const options = optionsFor("by-restic");
        expectExit(await runRestic(["init", "--repository-version", version], options));
        const first = await backUp(runRestic, options);
        expectExit(await runCoffer(["check", "--read-data"], options));
        await restoreAndCompare(runCoffer, options, "by-restic-restored-by-coffer");
        const again = await backUp(runCoffer, options);
        expect({ ...again }).to.include({ data_blobs: 0, tree_blobs: 0 });
        expect(again.total_files_processed).to.equal(first.total_files_processed);
      });

      it("backs up in turns with restic to one repository", async () => {
        const options = optionsFor("in-turns");
        expectExit(await runCoffer(["init", "--repository-version", version], options));
        for (const [turn, run] of [runCoffer, runRestic, runCoffer, runRestic].entries()) {
          writeFileSync(join(folder, "source", `turn-${turn}`), `written before turn ${turn}\n`);
          appendFileSync(join(folder, "source", "database.sql"), `row ${turn}\n`);
          const summary = await backUp(run, options);
          if (turn > 0) expect(summary.data_blobs, `data blobs of turn ${turn}`).to.equal(2);
        }
        expectExit(await runRestic(["check", "--read-data"], options));
        expectExit(await runCoffer(["check", "--read-data"], options));
        const listed = JSON.parse(expectExit(await runCoffer(["snapshots", "--json"], options)).stdout) as unknown[];
        expect(listed).to.have.length(4);
        await restoreAndCompare(runCoffer, options, "in-turns-restored-by-coffer");
        await restoreAndCompare(runRestic, options, "in-turns-restored-by-restic");
      });
    });
  }
}
