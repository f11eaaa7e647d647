/** What the start finds out about a store. */
import { expect } from "chai";
import { openS3 } from "../../../../server/storage/s3/open-s3.ts";
import { parseS3Settings } from "../../../../server/storage/s3/settings.ts";
import { expectError } from "../../../conformance/storage.ts";
import { FakeS3, type FakeS3Settings, type SeenRequest } from "../../../support/fake-s3.ts";
import { openScene, promptRetries } from "../../../support/s3-storage.ts";

const proved = {
  conditionalPut: true,
  verifiesContent: true,
  mayWrite: true,
  mayDelete: true,
  objectLock: "none",
  needsMd5: false,
};
const ignore = (): void => undefined;

const stores: readonly (readonly [string, FakeS3Settings, object, RegExp])[] = [
  ["proves everything", {}, proved, /^S3 conditional put: proved/],
  ["sees a refused condition", { conditionalPut: "refused" }, { ...proved, conditionalPut: false }, /put: not supp/],
  ["sees an ignored condition", { conditionalPut: "ignored" }, { ...proved, conditionalPut: false }, /put: not supp/],
  ["sees unverified content", { verifiesContent: false }, { ...proved, verifiesContent: false }, /hash: not verified/],
  [
    "proves a lock by a refused delete",
    { objectLock: "enforced" },
    { ...proved, objectLock: "proved", needsMd5: true },
    /object lock: proved/,
  ],
  [
    "does not believe in a lock",
    { objectLock: "claimed" },
    { ...proved, objectLock: "unproved", needsMd5: true },
    /object lock: NOT PROVED/,
  ],
];

describe("the probe of a store", () => {
  for (const [name, settings, expected, line] of stores) {
    it(name, async () => {
      const scene = await openScene(settings);
      expect(scene.opened.capabilities).to.deep.equal(expected);
      expect(scene.log).to.have.length(3);
      const isLogged = scene.log.some((each) => line.test(each));
      expect(isLogged, scene.log.join("\n")).to.equal(true);
      const locked = "a prefix+ü/.coffer/probe/object-lock";
      expect([...scene.store.objects.keys()]).to.deep.equal(settings.objectLock === "enforced" ? [locked] : []);
      await scene.close();
    });
  }

  it("uses a locked version of an earlier start again", async () => {
    const scene = await openScene({ objectLock: "enforced" });
    const isLockPut = ({ method, key }: SeenRequest): boolean => method === "PUT" && key.endsWith("object-lock");
    expect(scene.store.requests.filter(isLockPut)).to.have.length(1);
    const location = parseS3Settings(`${scene.store.location}/a prefix+ü`, scene.store.environment);
    const again = await openS3(location, scene.spoolFolder.path, ignore, { retries: promptRetries });
    expect(again.capabilities.objectLock).to.equal("proved");
    expect(scene.store.requests.filter(isLockPut)).to.have.length(1);
    await again.close();
    await scene.close();
  });

  describe("with credentials that may not do everything", () => {
    let store: FakeS3;

    beforeEach(async () => {
      store = await FakeS3.start();
    });

    afterEach(() => store.stop());

    async function start(refused: (request: SeenRequest) => boolean): Promise<{ log: string[]; capabilities: object }> {
      store.inject("denied", 1_000, refused);
      const log: string[] = [];
      const settings = parseS3Settings(store.location, store.environment);
      const opened = await openS3(settings, "/nowhere", (line) => log.push(line));
      await opened.close();
      return { log, capabilities: opened.capabilities };
    }

    it("starts where nothing can be written, and says so", async () => {
      const { log, capabilities } = await start(({ method }) => method === "PUT");
      expect(capabilities).to.include({ mayWrite: false, conditionalPut: false });
      expect(log).to.deep.equal(["S3: the credentials may not write: every upload will fail"]);
    });

    it("starts where nothing can be deleted, and says so", async () => {
      const { log, capabilities } = await start(({ method }) => method === "DELETE");
      expect(capabilities).to.include({ mayWrite: true, mayDelete: false, conditionalPut: true });
      expect(log.at(-1)).to.match(/may not delete/);
    });

    it("does not start where nothing can be listed", async () => {
      await expectError(
        start(({ query }) => query.has("list-type")),
        "unavailable",
      );
    });
  });

  for (const [name, addition, environment, message] of [
    ["a wrong secret", "", { AWS_SECRET_ACCESS_KEY: "wrong" }, /SignatureDoesNotMatch.*check AWS_SECRET_ACCESS_KEY/],
    ["a wrong bucket", "-other", {}, /NoSuchBucket.*make the bucket first/],
  ] as const) {
    it(`does not start with ${name}, and the error does not show the secret`, async () => {
      const store = await FakeS3.start();
      const settings = parseS3Settings(store.location + addition, { ...store.environment, ...environment });
      const error = await expectError(openS3(settings, "/nowhere", ignore), "unavailable");
      expect(error.message).to.match(message).and.not.include(settings.credentials.secretAccessKey);
      await store.stop();
    });
  }

  it("does not start where nobody listens", async () => {
    const store = await FakeS3.start();
    const settings = parseS3Settings(store.location, store.environment);
    await store.stop();
    const limits = { retries: { ...promptRetries, attempts: 2 } };
    const error = await expectError(openS3(settings, "/nowhere", ignore, limits), "unavailable");
    expect(error.message).to.match(/ECONNREFUSED.*tried 2 times/);
  });
});
