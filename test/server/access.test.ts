/** Who gets in, and where to: cases X21, X22, X28 and J of docs/protocol.md 3, over HTTP. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hash } from "@node-rs/bcrypt";
import { expect } from "chai";
import { HtpasswdAuthenticator } from "../../server/auth/htpasswd-authenticator.ts";
import type { Reply, RequestSettings } from "../support/http.ts";
import { type ServedApp, serveApp } from "../support/served-app.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";

const shaOfPassword = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=";
const users = { alice: "wonderland", bob: "builder", keys: "reserved", metrics: "metrics" } as const;

function basic(user: string, password: string): RequestSettings {
  return { headers: { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` } };
}

describe("access", () => {
  let folder: TemporaryFolder;
  let served: ServedApp;

  async function serveWithUsers(privateRepositories: boolean): Promise<void> {
    folder = makeTemporaryFolder("access");
    const lines = Object.entries(users).map(async ([user, password]) => `${user}:${await hash(password, { cost: 4 })}`);
    const path = join(folder.path, "users");
    writeFileSync(path, `${(await Promise.all(lines)).join("\n")}\nold:${shaOfPassword}\napr:$apr1$x$abc\n`);
    served = await serveApp({
      authenticator: await HtpasswdAuthenticator.open(path, () => undefined),
      privateRepositories,
    });
  }

  async function statusOf(method: string, path: string, settings?: RequestSettings): Promise<number> {
    return (await served.client.send(method, path, settings)).status;
  }

  describe("with users", () => {
    before(() => serveWithUsers(false));
    after(async () => {
      await served.stop();
      folder.remove();
    });

    it("J: lets users in everywhere", async () => {
      expect(await statusOf("POST", "/?create=true", basic("alice", "wonderland"))).to.equal(200);
      expect(await statusOf("POST", "/bob/?create=true", basic("alice", "wonderland"))).to.equal(200);
      expect(await statusOf("GET", "/bob/data/", basic("old", "password"))).to.equal(200);
    });

    for (const [what, settings] of [
      ["no header", {}],
      ["a wrong password", basic("alice", "x")],
      ["an unknown user", basic("carol", "wonderland")],
      ["another scheme", { headers: { Authorization: "Bearer x" } }],
      ["broken base64", { headers: { Authorization: "Basic %%%" } }],
      ["an apr1 entry", basic("apr", "x")],
      ["an empty pair", { headers: { Authorization: "Basic Og==" } }],
      ["a trusted proxy's header", { headers: { "X-Remote-User": "alice" } }],
    ] as const) {
      it(`X21: answers ${what} with 401`, async () => {
        for (const [method, path] of [
          ["GET", "/config"],
          ["POST", "/x/?create=true"],
          ["GET", "/nothing"],
          ["PUT", "/metrics"],
        ] as const) {
          const reply = await served.client.send(method, path, settings);
          expect(reply.status).to.equal(401);
          expect(reply.text).to.equal("Unauthorized\n");
          expect(reply.headers).to.not.have.property("www-authenticate");
        }
      });
    }

    it("1.2: canonicalises before it asks", async () => {
      expect(await statusOf("GET", "//config")).to.equal(307);
      expect(await statusOf("GET", "/%2e%2e/config")).to.equal(401);
    });
  });

  describe("with private repositories", () => {
    const alice = basic("alice", users.alice);

    before(async () => {
      await serveWithUsers(true);
      for (const user of ["alice", "bob"] as const) {
        expect(await statusOf("POST", `/${user}/?create=true`, basic(user, users[user]))).to.equal(200);
        const settings = { ...basic(user, users[user]), body: `config of ${user}` };
        expect(await statusOf("POST", `/${user}/config`, settings)).to.equal(200);
      }
      mkdirSync(join(served.dataPath, "config of nobody"));
      writeFileSync(join(served.dataPath, "config"), "config of the root");
    });

    after(async () => {
      await served.stop();
      folder.remove();
    });

    for (const [method, path, status] of [
      ["GET", "/alice/config", 200],
      ["GET", "/alice/data/", 200],
      ["POST", "/alice/sub/?create=true", 200],
      ["GET", "/alice/sub/data/", 200],
      ["GET", "/%61lice/config", 200],
      ["GET", "/", 401],
      ["POST", "/?create=true", 401],
      ["GET", "/config", 401],
      ["GET", "/data/", 401],
      ["GET", "/bob/config", 401],
      ["GET", "/bob/", 401],
      ["GET", "/bob", 401],
      ["DELETE", "/bob/config", 401],
      ["POST", "/bob/x/?create=true", 401],
      ["POST", "/alicex/?create=true", 401],
      ["GET", "/Alice/config", 401],
      ["GET", "/alice/a/b/", 404],
      ["GET", "/alice/..%2fbob/", 404],
      ["GET", "/alice/..%2fbob/config", 404],
      ["GET", "/bob%2f..%2falice/config", 404],
    ] as const) {
      it(`X22: ${method} ${path} as alice gives ${status}`, async () => {
        expect(await statusOf(method, path, alice)).to.equal(status);
      });
    }

    it("X22: a user named like a reserved word has no repository", async () => {
      for (const path of ["/keys/", "/keys/config", "/keys/x/"]) {
        expect(await statusOf("GET", path, basic("keys", users.keys))).to.equal(401);
      }
    });

    const traversals = [
      "/alice/../bob/config",
      "/alice/%2e%2e/bob/config",
      "/alice/.%2e/bob/config",
      "/alice/..%2fbob/config",
      "/alice%2f..%2fbob/config",
      "/alice/%2e%2e%2fbob/config",
      "/../bob/config",
      "/./bob/config",
      "/alice//../bob/config",
      "/alice/../../bob/config",
      "/%2e/bob/config",
      "//bob/config",
      "/%2fbob/config",
      "/alice%00/../bob/config",
    ];

    for (const path of traversals) {
      it(`X28: ${path} never reaches another user's data`, async () => {
        const replies: Reply[] = [];
        for (const method of ["GET", "HEAD", "POST", "DELETE"]) {
          replies.push(
            await served.client.send(method, path, { ...alice, ...(method === "POST" ? { body: "x" } : {}) }),
          );
        }
        for (const reply of replies) {
          expect(reply.status).to.be.oneOf([307, 400, 401, 404]);
          expect(reply.text).to.not.include("config of");
          // Following the redirect is a request of its own, which is judged again.
          const { location } = reply.headers;
          if (location !== undefined) expect(await statusOf("GET", location, alice)).to.be.oneOf([401, 404]);
        }
        const bobs = await served.client.send("GET", "/bob/config", basic("bob", users.bob));
        expect(bobs.text).to.equal("config of bob");
      });
    }
  });
});
