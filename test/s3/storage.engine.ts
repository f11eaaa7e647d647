/** The storage on real stores. */
import { expect } from "chai";
import { type OpenedS3, openS3 } from "../../server/storage/s3/open-s3.ts";
import { parseS3Settings } from "../../server/storage/s3/settings.ts";
import { describeStorage } from "../conformance/storage.ts";
import { describeTwoServers } from "../conformance/two-servers.ts";
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
