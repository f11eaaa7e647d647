/**
 * Defects of rest-server 0.14 that this server must not have (section 1.10 of docs/protocol.md), one test for each. Those of the quota
 * (1, 2 and 4) stand with the quota.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { hash } from "@node-rs/bcrypt";
import { expect } from "chai";
import { CredentialCache } from "../../server/auth/credential-cache.ts";
import { type HtpasswdTable, parseHtpasswd } from "../../server/auth/htpasswd.ts";
import { HtpasswdAuthenticator } from "../../server/auth/htpasswd-authenticator.ts";
import { checkPassword } from "../../server/auth/password-check.ts";
import { listMediaTypes } from "../../shared/rest/media-types.ts";
import { HttpTestClient } from "../support/http.ts";
import { type LaunchedServer, launch, serverPrograms } from "../support/rest-servers.ts";
import { type ServedApp, serveApp } from "../support/served-app.ts";
import { sha256 } from "../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";
import { unfinishedUploads } from "../support/unfinished-uploads.ts";
import { waitUntil } from "../support/wait-until.ts";

describe("defects of rest-server that stay fixed", function () {
  this.timeout(30_000);
  let folder: TemporaryFolder;
  let served: ServedApp | undefined;
  let launched: LaunchedServer | undefined;

  beforeEach(() => {
    folder = makeTemporaryFolder("defects");
  });

  afterEach(async () => {
    await served?.stop();
    served = undefined;
    launched?.signal("SIGKILL");
    launched = undefined;
    folder.remove();
  });

  async function start(...args: readonly string[]): Promise<LaunchedServer> {
    const [coffer] = serverPrograms;
    if (coffer === undefined) throw new Error("there is no server");
    launched = await launch(coffer, ["--path", folder.path, "--listen", "127.0.0.1:0", ...args]);
    return launched;
  }

  async function statusOf(method: string, path: string, body?: string): Promise<number> {
    if (served === undefined) throw new Error("nothing is served");
    return (await served.client.send(method, path, body === undefined ? {} : { body })).status;
  }

  /** Sends the beginning of an upload and waits until the server has begun to write it. */
  async function beginUpload(port: number, dataPath: string, path: string): Promise<() => Promise<void>> {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n${"x".repeat(1_000_000)}`);
    await waitUntil(() => unfinishedUploads(dataPath).length > 0);
    return async () => {
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.destroy();
      await closed;
    };
  }

  it("3: credentials are remembered until a minute after their last use, and not longer", () => {
    let nowMs = 0;
    const cache = new CredentialCache(60_000, () => nowMs);
    const key = cache.keyOf("alice", Buffer.from("secret"));
    cache.add(key);
    // rest-server forgot what was still valid, every five seconds.
    for (let i = 0; i < 40; i++) {
      nowMs += 5_000;
      expect(cache.has(key), `after ${nowMs} ms`).to.equal(true);
    }
    nowMs += 60_000;
    expect(cache.has(key)).to.equal(false);
  });

  it("5: a configuration whose upload breaks off is not there, and can be uploaded in append-only mode", async () => {
    served = await serveApp({ appendOnly: true });
    expect(await statusOf("POST", "/r/?create=true")).to.equal(200);
    const abort = await beginUpload(served.port, served.dataPath, "/r/config");
    expect(await statusOf("GET", "/r/config")).to.equal(404);
    await abort();
    const { dataPath } = served;
    await waitUntil(() => unfinishedUploads(dataPath).length === 0);
    expect(await statusOf("HEAD", "/r/config")).to.equal(404);
    expect(await statusOf("POST", "/r/config", "whole")).to.equal(200);
    expect(await statusOf("POST", "/r/config", "whole")).to.equal(403);
  });

  it("6: an upload under way shows in no list, and a crash leaves nothing after the next start", async () => {
    const server = await start("--no-auth");
    const client = new HttpTestClient({ port: server.port });
    try {
      await client.send("POST", "/r/?create=true");
      await beginUpload(server.port, folder.path, `/r/keys/${sha256("key")}`);
      for (const accept of [listMediaTypes[1], listMediaTypes[2]])
        expect((await client.send("GET", "/r/keys/", { headers: { Accept: accept } })).text).to.equal("[]");
    } finally {
      client.close();
    }
    server.signal("SIGKILL");
    await server.end();
    expect(unfinishedUploads(folder.path)).to.have.length(1);
    const again = await start("--no-auth");
    expect(again.lines).to.include("Removed 1 unfinished uploads of an earlier run");
    expect(unfinishedUploads(folder.path)).to.deep.equal([]);
    expect(readdirSync(join(folder.path, "r/keys"))).to.deep.equal([]);
  });

  it("7: a configuration for a repository that does not exist is answered with 404", async () => {
    served = await serveApp();
    expect(await statusOf("POST", "/absent/config", "configuration")).to.equal(404);
    expect(existsSync(join(served.dataPath, "absent"))).to.equal(false);
  });

  it("8: a refusal goes up to the cost of the most expensive hash, for an unknown user as for a known one", async () => {
    const table = parseHtpasswd(`alice:${await hash("secret", { cost: 6 })}\n`);
    // Whether that is also spent is measured in processor time in test/server/auth/htpasswd.test.ts.
    const costs: number[] = [];
    const watched: HtpasswdTable = {
      ...table,
      get highestCost() {
        costs.push(table.highestCost);
        return table.highestCost;
      },
    };
    expect(await checkPassword(watched, "nobody", Buffer.from("secret"))).to.equal(false);
    expect(await checkPassword(watched, "alice", Buffer.from("wrong"))).to.equal(false);
    expect(await checkPassword(watched, "alice", Buffer.from("secret"))).to.equal(true);
    expect(costs).to.deep.equal([6, 6]);
  });

  it("9: private repositories without users are refused, not ignored", async () => {
    const server = await start("--no-auth", "--private-repos");
    expect(await server.end()).to.equal(1);
    expect(server.lines.join("\n")).to.match(/^error: --private-repos needs to know the users: drop --no-auth$/m);
  });

  it("10: an upload again whose answer was lost succeeds in append-only mode", async () => {
    served = await serveApp({ appendOnly: true });
    const path = `/r/data/${sha256("pack")}`;
    expect(await statusOf("POST", path, "pack")).to.equal(200);
    expect(await statusOf("POST", path, "pack")).to.equal(200);
    expect(await statusOf("POST", path, "evil")).to.equal(403);
    expect((await served.client.send("GET", path)).text).to.equal("pack");
  });

  it("11: SIGHUP ends no server, also without users, and reopens the access log", async () => {
    const logPath = join(folder.path, "log");
    const server = await start("--no-auth", "--log", logPath);
    renameSync(logPath, `${logPath}.1`);
    server.signal("SIGHUP");
    await waitUntil(() => existsSync(logPath));
    const client = new HttpTestClient({ port: server.port });
    for (let i = 0; i < 3; i++) expect((await client.send("GET", "/config")).status).to.equal(404);
    client.close();
    expect(await server.stop()).to.equal(0);
    expect(readFileSync(logPath, "utf8").match(/"GET \/config HTTP\/1\.1" 404/g)).to.have.length(3);
    expect(readFileSync(`${logPath}.1`, "utf8")).to.equal("");
  });

  it("12: a password file whose first line has no colon costs only that line", async () => {
    const path = join(folder.path, "users");
    writeFileSync(path, "nonsense\nalice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n");
    const logged: string[] = [];
    const authenticator = await HtpasswdAuthenticator.open(path, (line) => logged.push(line));
    const alice = { authorization: `Basic ${btoa("alice:password")}` };
    expect(await authenticator.authenticate(alice)).to.equal("alice");
    expect(logged).to.deep.equal(['Ignoring line 1 of htpasswd: expected "user:hash", got no colon']);
    mkdirSync(join(folder.path, "data"));
    const server = await start("--htpasswd-file", path);
    expect(server.lines.at(-1)).to.match(/^start server on /);
  });
});
