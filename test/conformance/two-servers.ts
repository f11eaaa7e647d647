/**
 * Two servers on one bucket behind one address. One of them is killed in the middle of a backup: the backup finishes, and the
 * repository is whole. What one server stores, the other one has at once. Runs on every store that tests have.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { type FailoverProxy, startFailoverProxy } from "../support/failover-proxy.ts";
import { HttpTestClient } from "../support/http.ts";
import {
  expectExit,
  type ProgramRun,
  type RunningProgram,
  requirePrograms,
  runCoffer,
  runRestic,
  startCoffer,
  startProgram,
} from "../support/programs.ts";
import { RandomBytes, writeLargeFile } from "../support/sample-data.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";

const mebibyte = 1 << 20;
const fileCount = 10;
/** One pack after the other, and slowly enough that a backup of this size has a middle. */
const paced = ["--pack-size", "4", "-o", "rest.connections=1", "--limit-upload", "20480"];

/** A bucket as the servers get it. */
export interface SharedBucket {
  /** For `--storage`, with a prefix that nothing is below. */
  readonly location: string;
  readonly environment: Readonly<Record<string, string>>;
  close?(): Promise<void>;
}

export function describeTwoServers(store: string, openBucket: () => Promise<SharedBucket>): void {
  describe(`two servers on one bucket of ${store}`, function () {
    this.timeout(300_000);
    let folder: TemporaryFolder;
    let bucket: SharedBucket;
    let first: TestServer;
    let second: TestServer;
    let proxy: FailoverProxy;
    let env: Record<string, string>;

    before(function () {
      requirePrograms(this, "restic");
    });

    beforeEach(async () => {
      folder = makeTemporaryFolder("two-servers");
      mkdirSync(join(folder.path, "source"));
      for (let i = 0; i < fileCount; i++) {
        writeLargeFile(join(folder.path, "source", `file-${i}`), 5 * mebibyte, new RandomBytes(`two-servers-${i}`));
      }
      bucket = await openBucket();
      const settings = { args: ["--storage", bucket.location], env: bucket.environment };
      [first, second] = await Promise.all([startServer(settings), startServer(settings)]);
      proxy = await startFailoverProxy([first.port, second.port]);
      env = { RESTIC_REPOSITORY: `rest:${proxy.url}repository/`, RESTIC_PASSWORD: "test" };
    });

    afterEach(async () => {
      await proxy.stop();
      await Promise.all([first.stop(), second.stop()]);
      await bucket.close?.();
      folder.remove();
    });

    async function countPacks(): Promise<number> {
      const client = new HttpTestClient({ port: second.port });
      const { text } = await client.send("GET", "/repository/data/");
      client.close();
      return (JSON.parse(text) as unknown[]).length;
    }

    async function killFirstInTheMiddle(backup: RunningProgram): Promise<ProgramRun> {
      let isRunning = true;
      const finished = backup.finished.finally(() => {
        isRunning = false;
      });
      while (isRunning && (await countPacks()) < 3) await sleep(20);
      expect(isRunning, "the backup ended before it could be interrupted").to.equal(true);
      await first.kill();
      return finished;
    }

    async function expectRestoredBy(server: TestServer): Promise<void> {
      const direct = { ...env, RESTIC_REPOSITORY: `rest:${server.url}repository/` };
      const target = join(folder.path, "restored");
      expectExit(await runRestic(["restore", "latest", "--no-cache", "--target", target], { env: direct }));
      const source = join(folder.path, "source");
      expectExit(await startProgram(["diff", "-r", source, join(target, source)]).finished);
    }

    const clients = [
      ["restic", runRestic, (parameters: string[]) => startProgram(["restic", ...parameters], { env })],
      ["coffer", runCoffer, (parameters: string[]) => startCoffer(parameters, { env })],
    ] as const;

    for (const [name, run, start] of clients) {
      it(`finish a backup of ${name} although one is killed in the middle`, async () => {
        expectExit(await run(["init"], { env }));
        const backup = start(["backup", "--no-cache", ...paced, join(folder.path, "source")]);
        expectExit(await killFirstInTheMiddle(backup));
        const check = expectExit(await runRestic(["check", "--no-cache", "--read-data"], { env }));
        expect(check.stdout).to.include("no errors were found");
        await first.restart();
        await expectRestoredBy(first);
      });
    }

    it("say at the start where the bucket is and what it can do, but not the secret", () => {
      for (const { stderr } of [first, second]) {
        expect(stderr).to.match(/^Storage: S3 bucket \S+ at http/m);
        expect(stderr).to.match(/^S3 conditional put: /m);
        expect(stderr).not.to.include(bucket.environment["AWS_SECRET_ACCESS_KEY"]);
      }
    });
  });
}
