/** The flags for metrics, logs and health, with the server as a process. */
import { existsSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { HttpTestClient, type Reply } from "../../support/http.ts";
import { type ServerSettings, startServer, type TestServer } from "../../support/server.ts";
import { sha256 } from "../../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";

type Line = Record<string, unknown>;

describe("observing the server as a process", function () {
  this.timeout(60_000);
  let folder: TemporaryFolder;
  let server: TestServer;
  let client: HttpTestClient;

  beforeEach(() => {
    folder = makeTemporaryFolder("observe");
  });

  afterEach(async () => {
    client.close();
    await server.kill();
    folder.remove();
  });

  async function start(settings: ServerSettings): Promise<void> {
    server = await startServer({ path: join(folder.path, "data"), ...settings });
    client = new HttpTestClient({ port: server.port });
  }

  function ask(path: string, password?: string, headers: Record<string, string> = {}, method = "GET"): Promise<Reply> {
    const login = password === undefined ? {} : { Authorization: `Basic ${btoa(`alice:${password}`)}` };
    return client.send(method, path, { headers: { ...login, ...headers } });
  }

  const auth = { user: "alice", password: "right" };

  it("--prometheus: serves metrics to users, connections and space included", async () => {
    await start({ auth, args: ["--prometheus"] });
    expect((await ask("/metrics")).status).to.equal(401);
    const { status, text } = await ask("/metrics", "right");
    expect(status).to.equal(200);
    expect(text).to.match(/^coffer_open_connections [1-9]\d*$/m);
    expect(text).to.match(/^coffer_storage_free_bytes [1-9]\d*$/m);
    expect(await server.stop()).to.equal(0);
  });

  it("--prometheus-no-auth: serves them to everybody, but only with --prometheus", async () => {
    await start({ auth, args: ["--prometheus", "--prometheus-no-auth", "--private-repos"] });
    expect((await ask("/metrics")).status).to.equal(200);
    await server.kill();
    await start({ auth, args: ["--prometheus-no-auth"] });
    expect((await ask("/metrics")).status).to.equal(401);
    expect((await ask("/metrics", "right")).status).to.equal(404);
  });

  it("tells whether it is ready", async () => {
    await start({ args: ["--min-free-space", "1M"] });
    expect((await ask("/-/health/ready")).text).to.equal('{"status":"ready","storage":"ok","space":"ok"}\n');
    await server.kill();
    await start({ args: ["--min-free-space=7P"] });
    const reply = await ask("/-/health/ready");
    expect(reply.status).to.equal(503);
    expect(reply.text).to.equal('{"status":"not-ready","storage":"ok","space":"low"}\n');
    expect(server.stderr).to.match(/^Not ready: space: \d+ bytes are free, expected at least 7881299347898368$/m);
  });

  it("writes an access log as JSON and an audit log, and goes on in new files after SIGHUP", async () => {
    const access = join(folder.path, "access");
    const audit = join(folder.path, "audit");
    await start({ auth, args: ["--log", access, "--log-format", "json", "--audit-log", audit] });
    await ask("/alice/?create=true", "right", {}, "POST");
    await waitUntil(() => linesOf(access).length === 1 && linesOf(audit).length === 1);
    expect(linesOf(access)[0]).to.include({ user: "alice", method: "POST", status: 200, address: "127.0.0.1" });
    expect(linesOf(audit)[0]).to.include({ action: "create", user: "alice", repository: "alice" });
    // Who did what is nobody else's business.
    expect(statSync(audit).mode & 0o777).to.equal(0o600);
    for (const path of [access, audit]) renameSync(path, `${path}.1`);
    server.signal("SIGHUP");
    await waitUntil(() => existsSync(access) && existsSync(audit));
    await ask(`/alice/locks/${sha256("x")}`, "right", {}, "DELETE");
    await waitUntil(() => linesOf(access).length === 1 && linesOf(audit).length === 1);
    expect(linesOf(audit)[0]).to.include({ action: "delete", type: "locks", id: sha256("x") });
    expect(await server.stop()).to.equal(0);
  });

  it("stops who guesses from one address, and lets the user in from another one", async () => {
    const audit = join(folder.path, "audit");
    await start({ auth, args: ["--trusted-proxies", "127.0.0.0/8,::1", "--audit-log", audit] });
    const from = (address: string): Record<string, string> => ({ "X-Forwarded-For": address });
    const guesses = Array.from({ length: 25 }, (_, i) => ask("/alice/config", `wrong ${i}`, from("192.0.2.1")));
    // Those that are admitted wait for up to eight seconds; those that are refused are answered at once.
    const refused = await Promise.any(guesses.map(async (guess) => expect((await guess).status).to.equal(429)));
    expect(refused).to.not.equal(undefined);
    expect((await ask("/alice/config", "right", from("192.0.2.1"))).status).to.equal(429);
    expect((await ask("/alice/config", "right", from("198.51.100.1"))).status).to.equal(404);
    const statuses = (await Promise.all(guesses)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 401)).to.have.length(20);
    await waitUntil(() => linesOf(audit).length === 26);
    for (const line of linesOf(audit)) expect(line).to.include({ user: "alice", address: "192.0.2.1" });
  });

  it("refuses pages of other sites, but those of allowed origins", async () => {
    const friends = ["--allow-origin", "https://one.example", "--allow-origin", "https://two.example"];
    await start({ args: friends });
    for (const [origin, status] of [
      ["https://one.example", 404],
      ["https://two.example", 404],
      ["https://three.example", 403],
    ] as const) {
      const reply = await ask("/config", undefined, { Origin: origin });
      expect(reply.status).to.equal(status);
      expect(reply.headers["access-control-allow-origin"]).to.equal(status === 403 ? undefined : origin);
    }
  });
});

function linesOf(path: string): Line[] {
  const texts = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return texts.map((text) => JSON.parse(text) as Line);
}
