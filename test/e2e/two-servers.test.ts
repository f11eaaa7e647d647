/**
 * Two servers on one bucket behind one address. One of them is killed in the middle of a backup: the backup finishes, and the
 * repository is whole. What one server stores, the other one has at once.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { type FailoverProxy, startFailoverProxy } from "../support/failover-proxy.ts";
import { FakeS3, type SeenRequest } from "../support/fake-s3.ts";
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
const paced = ["-o", "rest.connections=1", "--limit-upload", "20480"];

const isPack = ({ method, key }: SeenRequest): boolean =>
  method === "PUT" && key.includes("/data/") && !key.endsWith("/");

describe("two servers on one bucket", function () {
  this.timeout(300_000);
  let folder: TemporaryFolder;
  let store: FakeS3;
  let servers: TestServer[];
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
    store = await FakeS3.start();
    const settings = { args: ["--storage", `${store.location}/shared`], env: store.environment };
    servers = await Promise.all([startServer(settings), startServer(settings)]);
    proxy = await startFailoverProxy(servers.map(({ port }) => port));
    env = { RESTIC_REPOSITORY: `rest:${proxy.url}repository/`, RESTIC_PASSWORD: "test" };
  });

  afterEach(async () => {
    await proxy.stop();
    for (const server of servers) await server.stop();
    await store.stop();
    folder.remove();
  });

  async function killFirstInTheMiddle(backup: RunningProgram): Promise<ProgramRun> {
    const before = store.requests.filter(isPack).length;
    let isRunning = true;
    const finished = backup.finished.finally(() => {
      isRunning = false;
    });
    while (isRunning && store.requests.filter(isPack).length < before + 3) await sleep(5);
    expect(isRunning, "the backup ended before it could be interrupted").to.equal(true);
    await servers[0]?.kill();
    return finished;
  }

  const clients = {
    restic: {
      run: runRestic,
      start: (parameters: string[]) => startProgram(["restic", ...parameters], { env }),
      packs: ["--pack-size", "4"],
    },
    coffer: {
      run: runCoffer,
      start: (parameters: string[]) => startCoffer(parameters, { env }),
      packs: ["--pack-size", "4"],
    },
  } as const;

  for (const [name, client] of Object.entries(clients)) {
    it(`finish a backup of ${name} although one is killed in the middle`, async () => {
      const common = ["--no-cache", ...paced];
      expectExit(await client.run(["init"], { env }));
      const backup = client.start(["backup", ...common, ...client.packs, join(folder.path, "source")]);
      expectExit(await killFirstInTheMiddle(backup));
      const check = expectExit(await runRestic(["check", "--no-cache", "--read-data"], { env }));
      expect(check.stdout).to.include("no errors were found");
      const first = servers[0];
      expect(first).not.to.equal(undefined);
      await first?.restart();
      const direct = { ...env, RESTIC_REPOSITORY: `rest:${first?.url}repository/` };
      expectExit(
        await runRestic(["restore", "latest", "--no-cache", "--target", join(folder.path, "restored")], {
          env: direct,
        }),
      );
      const compared = await startProgram([
        "diff",
        "-r",
        join(folder.path, "source"),
        join(folder.path, "restored", folder.path, "source"),
      ]).finished;
      expect(compared.stdout).to.equal("");
      expectExit(compared);
    });
  }

  it("say at the start what the bucket is and what it can do", () => {
    for (const { stderr } of servers) {
      expect(stderr).to.include(`Storage: S3 bucket bucket at ${store.origin}, prefix "shared/"`);
      expect(stderr).to.match(/^S3 conditional put: proved/m);
      expect(stderr).not.to.include(store.environment["AWS_SECRET_ACCESS_KEY"]);
    }
  });
});
