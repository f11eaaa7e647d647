/** `--max-size` on a bucket, with the server as one process and as several. */
import { expect } from "chai";
import { FakeS3 } from "../../support/fake-s3.ts";
import { HttpTestClient } from "../../support/http.ts";
import { ServerDidNotStart, startServer } from "../../support/server.ts";
import { testObject } from "../../support/stored-files.ts";

describe("the server with --max-size on a bucket", function () {
  this.timeout(30_000);
  let store: FakeS3;

  beforeEach(async () => {
    store = await FakeS3.start();
    store.objects.set("r/data/00/x", { content: Buffer.alloc(60_000), entityTag: '"x"', version: "v" });
  });

  afterEach(() => store.stop());

  for (const workers of [1, 2]) {
    it(`counts it once and refuses what does not fit, with --workers ${workers}`, async () => {
      const args = ["--storage", store.location, "--max-size", "100000", "--workers", String(workers)];
      const server = await startServer({ args, env: store.environment });
      const client = new HttpTestClient({ port: server.port });
      try {
        expect(server.stderr.match(/^Quota initialized, currently using 0\.00 GiB$/gm)).to.have.length(1);
        expect(store.requests.filter(({ query }) => query.get("prefix") === "")).to.have.length(1);
        const [large, small] = [testObject("large", 40_001), testObject("small", 40_000)];
        for (const [object, status] of [
          [large, 507],
          [small, 200],
          [testObject("one", 1), 507],
        ] as const) {
          const reply = await client.send("POST", `/r/data/${object.id}`, { body: object.content });
          expect(reply.status).to.equal(status);
        }
      } finally {
        client.close();
        expect(await server.stop()).to.equal(0);
      }
    });

    it(`does not start when it cannot be listed, with --workers ${workers}`, async () => {
      store.inject("denied", 9, ({ query }) => query.get("prefix") === "");
      const args = ["--storage", store.location, "--max-size", "100000", "--workers", String(workers)];
      const failure = await startServer({ args, env: store.environment }).catch((error: unknown) => error);
      if (!(failure instanceof ServerDidNotStart)) throw new Error("the server started");
      expect(failure.exitCode).to.equal(1);
      expect(failure.stderr).to.match(/^error: quotas expected to count what is stored, and it cannot be listed: /m);
    });
  }
});
