/** `--policy` and `--max-size` of the server as a process: starting, reloading, counting what is there. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { HttpTestClient } from "../../support/http.ts";
import { ServerDidNotStart, startServer, type TestServer } from "../../support/server.ts";
import { testObject } from "../../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";

const password = "wonderland";

describe("the server with a policy", function () {
  this.timeout(30_000);
  let folder: TemporaryFolder;
  let policy: string;
  let server: TestServer | undefined;
  let client: HttpTestClient | undefined;

  beforeEach(() => {
    folder = makeTemporaryFolder("policy-process");
    policy = join(folder.path, "policy.yaml");
  });

  afterEach(async () => {
    client?.close();
    await server?.kill();
    folder.remove();
  });

  async function start(...args: string[]): Promise<TestServer> {
    server = await startServer({ path: join(folder.path, "data"), auth: { user: "alice", password }, args });
    client = new HttpTestClient({ port: server.port });
    return server;
  }

  async function statusOf(method: string, path: string, body?: Uint8Array): Promise<number> {
    const headers = { authorization: `Basic ${Buffer.from(`alice:${password}`).toString("base64")}` };
    const reply = await client?.send(method, path, { headers, ...(body === undefined ? {} : { body }) });
    return reply?.status ?? 0;
  }

  function allow(access: string, quota = ""): void {
    writeFileSync(policy, `rules: [{users: alice, repositories: "{user}/**", access: ${access}}]\n${quota}`);
  }

  it("obeys it, and another one after SIGHUP, and keeps it when that one is wrong", async () => {
    allow("read-only");
    const running = await start("--policy", policy);
    expect(running.stderr).to.include(`Loaded policy file ${policy}\n`);
    expect(await statusOf("POST", "/alice/?create=true")).to.equal(403);
    expect(await statusOf("GET", "/bob/config")).to.equal(403);
    allow("full");
    running.signal("SIGHUP");
    while (!running.stderr.includes("Reloaded policy file")) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await statusOf("POST", "/alice/?create=true")).to.equal(200);
    writeFileSync(policy, "rules: [{}]\n");
    running.signal("SIGHUP");
    while (!running.stderr.includes("Could not reload")) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(running.stderr).to.include(`Could not reload policy file: ${policy}:1: rules[1]: expected`);
    expect(await statusOf("POST", "/alice/x/?create=true")).to.equal(200);
  });

  it("counts what is there when a quota comes later", async () => {
    allow("full");
    const running = await start("--policy", policy);
    const object = testObject("x", 50_000);
    expect(await statusOf("POST", `/alice/data/${object.id}`, object.content)).to.equal(200);
    allow("full", 'quotas: [{repositories: "{user}/**", per-user: 60kB}]\n');
    running.signal("SIGHUP");
    while (!running.stderr.includes("Reloaded policy file")) await new Promise((resolve) => setTimeout(resolve, 10));
    const [large, small] = [testObject("large", 10_001), testObject("small", 10_000)];
    expect(await statusOf("POST", `/alice/sub/data/${large.id}`, large.content)).to.equal(507);
    expect(await statusOf("POST", `/alice/sub/data/${small.id}`, small.content)).to.equal(200);
  });

  it("counts at the start what an earlier run has stored", async () => {
    mkdirSync(join(folder.path, "data/alice/keys"), { recursive: true });
    writeFileSync(join(folder.path, "data/alice/keys/other"), new Uint8Array(90_000));
    const running = await start("--max-size", "100000");
    expect(running.stderr).to.match(
      /Initializing quota \(can take a while\)\.\.\.\nQuota initialized, currently using 0\.00 GiB\n/,
    );
    const object = testObject("x", 9500);
    expect(await statusOf("POST", `/bob/data/${object.id}`, object.content)).to.equal(200);
    const more = testObject("y", 500);
    expect(await statusOf("POST", `/bob/data/${more.id}`, more.content)).to.equal(507);
    expect(running.stderr).to.match(/POST .*: the server \(--max-size\) may hold 97\.66 KiB/);
  });

  it("does not start with a policy that is wrong or absent", async () => {
    for (const [text, message] of [
      ["rules: 1", /^error: .*policy\.yaml:1: rules: expected a list/m],
      [undefined, /^error: cannot read the policy file .*ENOENT/m],
    ] as const) {
      if (text !== undefined) writeFileSync(policy, text);
      const failure = await start("--policy", text === undefined ? `${policy}x` : policy).catch(
        (error: unknown) => error,
      );
      if (!(failure instanceof ServerDidNotStart)) throw new Error("the server started");
      expect(failure.exitCode).to.equal(1);
      expect(failure.stderr).to.match(message);
    }
  });
});
