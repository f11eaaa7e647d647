/** The storage on real stores. */
import { join } from "node:path";
import { expect } from "chai";
import { type OpenedS3, openS3 } from "../../server/storage/s3/open-s3.ts";
import { parseS3Settings } from "../../server/storage/s3/settings.ts";
import { describeStorage } from "../conformance/storage.ts";
import { describeTwoServers } from "../conformance/two-servers.ts";
import { expectExit, requirePrograms, runRestic } from "../support/programs.ts";
import { RandomBytes, writeLargeFile } from "../support/sample-data.ts";
import { startServer } from "../support/server.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";
import { engineName, freshLocation } from "./engine.ts";

const store = engineName ?? "somebody's store";
let opened: OpenedS3;
let folder: TemporaryFolder;

async function open(): Promise<OpenedS3> {
  folder = makeTemporaryFolder("spool");
  opened = await openS3(parseS3Settings(freshLocation(), process.env), folder.path, () => undefined);
  return opened;
}

async function close(): Promise<void> {
  await opened.close();
  folder.remove();
}

describeStorage(`S3Repositories on ${store}`, { open: async () => (await open()).repositories, close });

describe(`the probe of ${store}`, () => {
  const known: Readonly<Record<string, object>> = {
    ceph: { conditionalPut: true, verifiesContent: true, mayWrite: true, mayDelete: true, objectLock: "none" },
    swift: { conditionalPut: false, verifiesContent: true, mayWrite: true, mayDelete: true, objectLock: "none" },
  };

  it("finds out what it can do", async () => {
    const { capabilities } = await open();
    expect(capabilities).to.include(known[store] ?? { mayWrite: true });
    await opened.readiness();
    await close();
  });
});

describeTwoServers(store, async () => {
  const { AWS_ACCESS_KEY_ID = "", AWS_SECRET_ACCESS_KEY = "", AWS_REGION = "us-east-1" } = process.env;
  return { location: freshLocation(), environment: { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION } };
});

describe(`restic's own S3 backend on ${store}`, function () {
  this.timeout(120_000);

  before(function () {
    requirePrograms(this, "restic");
  });

  it("shares a repository with clients of the server", async () => {
    const { AWS_ACCESS_KEY_ID = "", AWS_SECRET_ACCESS_KEY = "", AWS_REGION = "us-east-1" } = process.env;
    const keys = { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION };
    const location = freshLocation();
    const server = await startServer({ args: ["--storage", location], env: keys });
    const source = makeTemporaryFolder("source");
    writeLargeFile(join(source.path, "file"), 3_000_000, new RandomBytes("shared"));
    const overServer = { RESTIC_REPOSITORY: `rest:${server.url}user/repository/`, RESTIC_PASSWORD: "test" };
    const directly = { ...keys, RESTIC_REPOSITORY: `${location}/user/repository`, RESTIC_PASSWORD: "test" };
    expectExit(await runRestic(["init"], { env: overServer }));
    // Without TLS, restic's backend uploads in a way that Swift does not know: there it can only read.
    const writers = store === "swift" ? [overServer] : [overServer, directly, overServer];
    for (const env of writers) {
      expectExit(await runRestic(["backup", "--no-cache", source.path], { env }));
      expectExit(await runRestic(["check", "--no-cache", "--no-lock", "--read-data"], { env: directly }));
    }
    expectExit(
      await runRestic(["forget", "--no-cache", "--keep-last", "1", "--prune"], { env: writers.at(-2) ?? overServer }),
    );
    expectExit(await runRestic(["check", "--no-cache", "--read-data"], { env: overServer }));
    for (const env of [overServer, directly]) {
      const { stdout } = expectExit(await runRestic(["snapshots", "--no-cache", "--no-lock", "--json"], { env }));
      expect(JSON.parse(stdout)).to.have.length(1);
    }
    await server.stop();
    source.remove();
  });
});
