/**
 * Backups that are interrupted: by a signal, by SIGKILL, by a server that goes away and comes back, by a line that is cut.
 * Afterwards the repository is clean, and what was stored is not stored again.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import {
  expectExit,
  type ProgramOptions,
  requirePrograms,
  runCoffer,
  runRestic,
  startCoffer,
} from "../support/programs.ts";
import { RandomBytes, writeLargeFile } from "../support/sample-data.ts";
import { startServer } from "../support/server.ts";

const mebibyte = 1 << 20;
const fileCount = 6;
const fileBytes = 12 * mebibyte;

type Server = Awaited<ReturnType<typeof startServer>>;

interface BackupSummary {
  readonly data_added: number;
  readonly total_bytes_processed: number;
}

function summaryOf(stdout: string): BackupSummary {
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as BackupSummary;
}

function countFiles(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && /^[0-9a-f]{64}$/.test(entry.name),
  ).length;
}

/** One pack after the other, so that some are stored long before the others. */
const oneByOne = ["-o", "rest.connections=1"];

describe("interrupted backups", function () {
  this.timeout(400_000);
  let folder: string;
  let server: Server;

  before(function () {
    requirePrograms(this, "restic");
  });

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "coffer-interruptions-"));
    mkdirSync(join(folder, "source"));
    for (let i = 0; i < fileCount; i++) {
      writeLargeFile(join(folder, "source", `file-${i}`), fileBytes, new RandomBytes(`interruption-${i}`));
    }
    server = await startServer({ path: join(folder, "storage") });
    expectExit(await runCoffer(["init"], optionsFor(server.url)));
  });

  afterEach(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function optionsFor(url: string): ProgramOptions {
    return {
      cwd: folder,
      env: {
        RESTIC_REPOSITORY: `rest:${new URL("repository/", url)}`,
        RESTIC_PASSWORD: "correct horse",
        RESTIC_CACHE_DIR: join(folder, "cache"),
      },
    };
  }

  function storedFiles(type: string): number {
    return countFiles(join(folder, "storage", "repository", type));
  }

  async function waitFor(description: string, isTrue: () => boolean): Promise<void> {
    for (let i = 0; i < 9000; i++) {
      if (isTrue()) return;
      await sleep(20);
    }
    throw new Error(`waited three minutes for ${description}`);
  }

  async function expectCleanAndReused(): Promise<void> {
    expectExit(await runRestic(["check", "--read-data"], optionsFor(server.url)));
    const next = expectExit(await runCoffer(["backup", "--json", "source"], optionsFor(server.url)));
    const summary = summaryOf(next.stdout);
    expect(summary.total_bytes_processed).to.equal(fileCount * fileBytes);
    expect(summary.data_added).to.be.lessThan(summary.total_bytes_processed - 8 * mebibyte);
    expectExit(await runRestic(["check", "--read-data"], optionsFor(server.url)));
  }

  it("end cleanly on SIGINT, and the next run reuses what was stored", async () => {
    const backup = startCoffer(["backup", "source", "--limit-upload", "8000", ...oneByOne], optionsFor(server.url));
    await waitFor("two packs", () => storedFiles("data") >= 2);
    backup.kill("SIGINT");
    const run = await backup.finished;
    expect(run.exitCode, run.stderr).to.equal(130);
    expect(storedFiles("locks"), "locks left behind").to.equal(0);
    expect(storedFiles("snapshots")).to.equal(0);
    await expectCleanAndReused();
  });

  it("leave a clean repository on SIGKILL, and the next run reuses what was indexed", async () => {
    // Small packs at a steady pace, so that the index comes long before the end.
    const limits = ["--limit-upload", "3000", "--pack-size", "4"];
    const backup = startCoffer(["backup", "source", ...limits, ...oneByOne], optionsFor(server.url));
    await waitFor("an index", () => storedFiles("index") >= 1);
    backup.kill("SIGKILL");
    expect((await backup.finished).signal).to.equal("SIGKILL");
    expect(storedFiles("snapshots")).to.equal(0);
    const unlock = expectExit(await runCoffer(["unlock"], optionsFor(server.url)));
    expect(storedFiles("locks"), `locks of a dead process; ${unlock.stdout}${unlock.stderr}`).to.equal(0);
    await expectCleanAndReused();
  });

  it("outlive a server that is killed and comes back", async () => {
    const backup = startCoffer(["backup", "source", "--limit-upload", "12000"], optionsFor(server.url));
    await waitFor("two packs", () => storedFiles("data") >= 2);
    await server.kill();
    await sleep(1500);
    await server.restart();
    const run = expectExit(await backup.finished);
    expect(run.stderr).to.match(/returned error, retrying after/);
    expect(storedFiles("locks")).to.equal(0);
    expectExit(await runRestic(["check", "--read-data"], optionsFor(server.url)));
  });

  it("outlive a line that is cut again and again", async () => {
    const proxy = await startCuttingProxy(server.port);
    try {
      const backup = startCoffer(["backup", "source", "--limit-upload", "20000"], optionsFor(proxy.url));
      for (let cuts = 0; cuts < 3; cuts++) {
        await waitFor("a pack more", () => storedFiles("data") > cuts);
        proxy.cut();
      }
      expectExit(await backup.finished);
    } finally {
      await proxy.stop();
    }
    expectExit(await runRestic(["check", "--read-data"], optionsFor(server.url)));
    expect(storedFiles("snapshots")).to.equal(1);
  });

  it("go on when they get SIGHUP, as `restic unlock` sends it to the process of a lock", async () => {
    const backup = startCoffer(["backup", "source", "--limit-upload", "20000"], optionsFor(server.url));
    await waitFor("a lock", () => storedFiles("locks") === 1);
    backup.kill("SIGHUP");
    await runRestic(["unlock"], optionsFor(server.url));
    await waitFor("a pack", () => storedFiles("data") >= 1);
    expect(storedFiles("locks"), "the lock of a live process").to.equal(1);
    expectExit(await backup.finished);
    expect(storedFiles("snapshots")).to.equal(1);
  });
});
