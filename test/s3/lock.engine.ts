/** Object lock on real stores: what a store says about it, and what the probe makes of that. */
import { createHash, randomBytes } from "node:crypto";
import { expect } from "chai";
import { request } from "undici";
import { openS3 } from "../../server/storage/s3/open-s3.ts";
import { parseS3Settings } from "../../server/storage/s3/settings.ts";
import { canonicalQuery, signRequest } from "../../server/storage/s3/signature.ts";
import { expectError, put, readAll } from "../conformance/storage.ts";
import { testObject } from "../support/stored-files.ts";
import { makeTemporaryFolder } from "../support/temporary-folder.ts";
import { engineName, freshLocation } from "./engine.ts";

const retention = `<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled>
<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>`;

/** Makes a bucket that asks for a lock of a day; returns the statuses. */
async function makeLockedBucket(bucket: string): Promise<number[]> {
  const { origin, region, credentials } = parseS3Settings(freshLocation(), process.env);
  const send = async (query: Record<string, string>, added: Record<string, string>, body: string): Promise<number> => {
    const bodyHash = createHash("sha256").update(body).digest("hex");
    const md5 = createHash("md5").update(body).digest("base64");
    const headers = { ...added, "content-md5": md5 };
    const unsigned = { method: "PUT", host: new URL(origin).host, path: `/${bucket}`, query, headers, bodyHash };
    const signed = signRequest(unsigned, { region, credentials, timeMs: Date.now() });
    const url = `${origin}/${bucket}?${canonicalQuery(query)}`;
    const answer = await request(url, { method: "PUT", headers: signed, body });
    await answer.body.dump();
    return answer.statusCode;
  };
  const made = await send({}, { "x-amz-bucket-object-lock-enabled": "true" }, "");
  return [made, await send({ "object-lock": "" }, {}, retention)];
}

(engineName === undefined ? describe.skip : describe)(`object lock on ${engineName}`, () => {
  it("is proved where it holds, and not believed where it does not", async () => {
    const bucket = `locked-${randomBytes(4).toString("hex")}`;
    const [made, locked] = await makeLockedBucket(bucket);
    expect(made).to.equal(200);
    const location = freshLocation().replace(/^(s3:https?:\/\/[^/]+)\/.*$/, `$1/${bucket}`);
    const folder = makeTemporaryFolder("spool");
    const opened = await openS3(parseS3Settings(location, process.env), folder.path, () => undefined);
    const holds = engineName === "ceph";
    expect(opened.capabilities.objectLock, `setting the lock was answered with ${locked}`).to.equal(
      holds ? "proved" : "none",
    );
    const storage = opened.repositories.at(["repository"]);
    for (const sizeBytes of [0, 1_000, 900_000]) {
      const object = testObject(`locked ${sizeBytes}`, sizeBytes);
      await put(storage, object);
      await expectError(put(storage, object), "already-exists");
      expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
      await storage.remove(object);
      await expectError(storage.stat(object), "not-found");
    }
    await opened.close();
    folder.remove();
  });
});
