/** The server's own pages over HTTP. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import supertest from "supertest";
import { createApp } from "../../../server/app.ts";
import type { Authenticator } from "../../../server/auth/authenticator.ts";
import { Readiness } from "../../../server/pages/readiness.ts";
import type { ServerPages } from "../../../server/pages/server-pages.ts";
import { MemoryRepositories } from "../../../server/storage/memory.ts";
import { versionNumber } from "../../../server/version.ts";
import { serveApp } from "../../support/served-app.ts";

const nobody: Authenticator = { authenticate: async () => undefined };

function appWith(pages: ServerPages = {}): ReturnType<typeof createApp> {
  return createApp({ repositories: new MemoryRepositories(), authenticator: nobody, pages });
}

function readiness(failure?: string): Readiness {
  const probe = {
    readiness: async () => {
      if (failure !== undefined) throw new Error(failure);
    },
  };
  return new Readiness({ probe, minimumFreeBytes: 0, log: () => undefined });
}

describe("the server's own pages", () => {
  it("tell that it lives, and whether it is ready, to everybody", async () => {
    const app = appWith({ readiness: readiness() });
    const live = await supertest(app).get("/-/health/live").expect(200);
    expect(live.text).to.equal('{"status":"alive"}\n');
    const ready = await supertest(app).get("/-/health/ready?verbose").expect(200);
    expect(ready.body).to.deep.equal({ status: "ready", storage: "ok", space: "unknown" });
    expect((await supertest(appWith()).get("/-/health/ready").expect(200)).body).to.deep.equal({ status: "ready" });
  });

  it("answer 503 when it is not ready, without the reason", async () => {
    const app = appWith({ readiness: readiness("ENOSPC: /srv/secret") });
    const reply = await supertest(app).get("/-/health/ready").expect(503);
    expect(reply.body).to.deep.equal({ status: "not-ready", storage: "failed", space: "unknown" });
    await supertest(app).head("/-/health/ready").expect(503);
    await supertest(app).get("/-/health/live").expect(200);
  });

  it("tell version, capabilities and limits, those of other parts included", async () => {
    const capabilities = { names: ["batch"], limits: { batchParts: 500 } };
    const { body } = await supertest(appWith({ capabilities })).get("/-/capabilities").expect(200);
    expect(body).to.deep.equal({
      server: "coffer-server",
      version: versionNumber,
      protocolVersions: [1, 2],
      capabilities: ["batch", "idempotent-upload", "ranges", "upload-verification"],
      limits: { repositoryFolders: 2, headerBytes: 65_536, batchParts: 500 },
    });
  });

  it("can do no harm in a browser, whatever the answer", async () => {
    const app = appWith();
    for (const [method, path, status] of [
      ["get", "/-/health/live", 200],
      ["head", "/-/capabilities", 200],
      ["get", "/-/nothing", 404],
      ["get", "/-/", 404],
      ["post", "/-/health/live", 405],
    ] as const) {
      const reply = await supertest(app)[method](path).expect(status);
      expect(reply.headers, `${method} ${path}`).to.include({
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
      });
    }
  });

  it("answer HEAD with the headers of GET and no body", async () => {
    const app = appWith();
    const get = await supertest(app).get("/-/openapi.json").expect(200);
    const head = await supertest(app).head("/-/openapi.json").expect(200);
    expect(head.headers["content-length"]).to.equal(get.headers["content-length"]);
    expect(head.headers["content-type"]).to.equal("application/json");
    expect(head.text ?? "").to.equal("");
  });

  it("leave no place for a repository called -, however it is written", async () => {
    const served = await serveApp();
    mkdirSync(join(served.dataPath, "-/data"), { recursive: true });
    try {
      for (const path of ["/-/", "/-/?create=true", "/%2d/?create=true", "/-/x/?create=true", "/%2D/x/?create=true"]) {
        const { status } = await served.client.send("POST", path);
        expect(status, path).to.equal(404);
      }
      for (const path of ["/-/data/", "/%2d/data/", "/-/config", "/%2d/config"]) {
        expect((await served.client.send("GET", path)).status, path).to.equal(404);
      }
      // Below a repository, the name leads to what the server adds to restic's protocol.
      expect((await served.client.send("POST", "/alice/-/?create=true")).status).to.equal(404);
      expect((await served.client.send("GET", "/alice/-/data/")).status).to.equal(404);
      expect((await served.client.send("POST", "/--/?create=true")).status).to.equal(200);
    } finally {
      await served.stop();
    }
  });
});
