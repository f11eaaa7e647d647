/** Our client's backend on our server: the whole contract, and what a server's rules do to it. */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import type { RetryReport } from "../../client/backends/retry.ts";
import { openBackend } from "../../client/platform/open-backend.ts";
import { hasErrorCode } from "../../shared/errors.ts";
import { configHandle } from "../../shared/format/layout.ts";
import { describeBackend, expectCode, handleOf } from "../conformance/backend.ts";
import { startServer, type TestServer } from "../support/server.ts";

const auth = { user: "backup.user", password: "p@ss:w%rd/" };

describe("the REST backend on our server", () => {
  describeBackend("A backend with a user and a password", async () => {
    const server = await startServer({ auth });
    return {
      backend: await openBackend(`rest:${server.url}repository/`),
      cleanUp: async () => {
        await server.stop();
      },
    };
  });

  describe("with rules", () => {
    let server: TestServer;
    const content = randomBytes(1000);

    before(async () => {
      server = await startServer({ auth, args: ["--append-only", "--private-repos"] });
    });

    after(() => server.stop());

    async function withBackend(
      location: string,
      credentials: { readonly restUsername?: string; readonly restPassword?: string },
      use: (backend: Awaited<ReturnType<typeof openBackend>>) => Promise<void>,
    ): Promise<void> {
      const reports: RetryReport[] = [];
      const backend = await openBackend(location, { ...credentials, onRetry: (report) => reports.push(report) });
      try {
        await use(backend);
        expect(reports, "nothing here gets better by trying again").to.deep.equal([]);
      } finally {
        await backend.close();
      }
    }

    const place = (): string => `rest:http://127.0.0.1:${server.port}/${encodeURIComponent(auth.user)}/`;
    const credentials = { restUsername: auth.user, restPassword: auth.password };

    it("takes user and password from the environment's values too", () =>
      withBackend(place(), credentials, async (backend) => {
        await backend.create();
        await backend.save(configHandle, content);
        await expectCode("already-exists", backend.save(configHandle, randomBytes(10)));
      }));

    it("says that a password is wrong, or missing", async () => {
      for (const wrong of [{ ...credentials, restPassword: "wrong" }, {}]) {
        await withBackend(place(), wrong, async (backend) => {
          await expectCode("unauthorized", backend.stat(configHandle));
          await expectCode("unauthorized", backend.list("keys"));
        });
      }
    });

    it("may not delete anything but locks from an append-only server", () =>
      withBackend(place(), credentials, async (backend) => {
        await backend.create();
        const handle = handleOf(content, "snapshots");
        await backend.save(handle, content);
        await expectCode("forbidden", backend.remove(handle));
        expect(content.equals(await backend.load(handle))).to.equal(true);
        const lock = handleOf(content, "locks");
        await backend.save(lock, content);
        await backend.remove(lock);
        expect(await backend.list("locks")).to.deep.equal([]);
      }));

    it("may save the same file twice, and no other under its name", () =>
      withBackend(place(), credentials, async (backend) => {
        const handle = handleOf(content, "index");
        await backend.save(handle, content);
        await backend.save(handle, content);
        await expectCode("already-exists", backend.save(handle, randomBytes(1000)));
        expect(content.equals(await backend.load(handle))).to.equal(true);
      }));

    it("is told by the server when its bytes do not hash to their name", async () => {
      const reports: RetryReport[] = [];
      const backend = await openBackend(place(), { ...credentials, onRetry: (report) => reports.push(report) });
      const stop = new AbortController();
      const saving = backend.save(handleOf(content), randomBytes(1000), stop.signal).catch((error: unknown) => error);
      while (reports.length === 0 && !(await Promise.race([saving.then(() => true), sleep(5, false)])));
      stop.abort();
      expect(hasErrorCode(await saving, "cancelled")).to.equal(true);
      const [report] = reports;
      expect(report?.kind === "retrying" && report.error.code).to.equal("hash-mismatch");
      await expectCode("not-found", backend.stat(handleOf(content)));
      await backend.close();
    });
  });
});
