/** A server of several processes, from outside. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { collectText, HttpTestClient, type Reply } from "../../support/http.ts";
import { ServerDidNotStart, type ServerSettings, startServer, type TestServer } from "../../support/server.ts";
import { sha256, type TestObject, testBytes, testObject } from "../../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";
import { unfinishedUploads } from "../../support/unfinished-uploads.ts";
import { waitUntil } from "../../support/wait-until.ts";

describe("a server of several processes", function () {
  this.timeout(60_000);

  let folder: TemporaryFolder;
  let server: TestServer | undefined;
  let clients: HttpTestClient[];

  beforeEach(() => {
    folder = makeTemporaryFolder("workers");
    clients = [];
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    await server?.stop();
    server = undefined;
    folder.remove();
  });

  async function start(args: readonly string[] = [], settings: ServerSettings = {}): Promise<TestServer> {
    server = await startServer({ path: join(folder.path, "data"), ...settings, args: ["--workers", "2", ...args] });
    return server;
  }

  /** With connections of its own, which the processes take in turn. */
  function clientOf({ port }: TestServer): HttpTestClient {
    const client = new HttpTestClient({ port });
    clients.push(client);
    return client;
  }

  function childrenOf(pid: number): number[] {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
    return text.split(" ").filter(Boolean).map(Number);
  }

  function isRunning(pid: number): boolean {
    try {
      return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
    } catch {
      return false;
    }
  }

  function upload(client: HttpTestClient, { id, content }: TestObject): Promise<Reply> {
    return client.send("POST", `/r/data/${id}`, { body: content });
  }

  it("tells of itself once, serves from all of them, and adds up what they count", async () => {
    const running = await start(["--prometheus"]);
    expect(running.stderr.match(/Data directory|Authentication disabled|start server on/g)).to.have.length(3);
    expect(childrenOf(running.pid)).to.have.length(2);
    await clientOf(running).send("POST", "/r/?create=true");
    const objects = Array.from({ length: 10 }, (_, i) => testObject(`${i}`, 100));
    for (const object of objects) expect((await upload(clientOf(running), object)).status).to.equal(200);
    // Whoever answers, the numbers are those of all.
    for (let i = 0; i < 4; i++) {
      const { text } = await clientOf(running).send("GET", "/metrics");
      expect(text).to.include('rest_server_blob_write_total{user="",repo="r",type="data"} 10\n');
      expect(text).to.include('rest_server_blob_write_bytes_total{user="",repo="r",type="data"} 1000\n');
      expect(text).to.match(/^coffer_storage_free_bytes [1-9]/m);
    }
    const { text } = await clientOf(running).send("GET", "/r/data/");
    expect(JSON.parse(text)).to.have.members(objects.map(({ id }) => id));
  });

  it("keeps a limit exactly, whoever is asked", async () => {
    const running = await start(["--max-size", "1000000"]);
    await clientOf(running).send("POST", "/r/?create=true");
    const objects = Array.from({ length: 40 }, (_, i) => testObject(`limited ${i}`, 99_000));
    const uploading = Array.from({ length: 8 }, () => clientOf(running));
    const statuses = await Promise.all(
      objects.map(async (object, i) => (await upload(uploading[i % 8] ?? clientOf(running), object)).status),
    );
    expect(statuses.filter((status) => status === 200)).to.have.length(10);
    expect(statuses.filter((status) => status === 507)).to.have.length(30);
    const stored = objects.filter((_, i) => statuses[i] === 200);
    for (const { id } of stored) await clientOf(running).send("DELETE", `/r/data/${id}`);
    expect((await upload(clientOf(running), testObject("large", 990_000))).status).to.equal(200);
  });

  it("takes another quota while it runs", async () => {
    const policy = join(folder.path, "policy.yml");
    const write = (bytes: number): void => {
      const rule = 'rules:\n  - {users: "*", repositories: "**", access: full}\n';
      writeFileSync(policy, `${rule}quotas:\n  - {repositories: "**", per-repository: ${bytes}}\n`);
    };
    write(1000);
    const running = await start(["--policy", policy]);
    const client = clientOf(running);
    await client.send("POST", "/r/?create=true");
    expect((await upload(client, testObject("first", 1500))).status).to.equal(507);
    write(5000);
    running.signal("SIGHUP");
    await waitUntil(async () => (await upload(client, testObject("first", 1500))).status === 200);
    expect(running.stderr.match(/Reloaded policy file/g)).to.have.length(1);
  });

  it("replaces a process that is killed under load, and loses nothing that was acknowledged", async () => {
    const running = await start(["--max-size", "1000000000"]);
    await clientOf(running).send("POST", "/r/?create=true");
    const stored: TestObject[] = [];
    let hasEnded = false;
    const loads = Array.from({ length: 6 }, async (_, load) => {
      const client = clientOf(running);
      for (let i = 0; !hasEnded; i++) {
        const object = testObject(`load ${load} ${i}`, 300_000);
        // A client whose connection is cut tries again.
        const reply = await upload(client, object).catch(() => undefined);
        if (reply?.status === 200) stored.push(object);
        else await sleep(20);
      }
    });
    for (let killed = 1; killed <= 2; killed++) {
      await sleep(400);
      // One at a time: the other one goes on meanwhile.
      const [first] = childrenOf(running.pid);
      if (first !== undefined) process.kill(first, "SIGKILL");
      await waitUntil(() => running.stderr.match(/ serves in its place$/gm)?.length === killed);
    }
    expect(running.stderr.match(/ended with SIGKILL: another one will serve in its place$/gm)).to.have.length(2);
    hasEnded = true;
    await Promise.all(loads);
    expect(stored.length).to.be.greaterThan(10);
    const client = clientOf(running);
    for (const { id, content } of stored) {
      const { status, body } = await client.send("GET", `/r/data/${id}`);
      expect([status, body.equals(content)], id).to.deep.equal([200, true]);
    }
    await waitUntil(() => childrenOf(running.pid).length === 2);
    // What the killed ones had not finished, those in their places have swept, some seconds later at most.
    await waitUntil(() => unfinishedUploads(running.dataPath).length === 0);
    expect(await running.stop()).to.equal(0);
  });

  it("has connections wait while all of them are being replaced", async () => {
    const running = await start();
    await clientOf(running).send("POST", "/r/?create=true");
    for (const pid of childrenOf(running.pid)) process.kill(pid, "SIGKILL");
    await waitUntil(() => running.stderr.match(/ended with SIGKILL/g)?.length === 2);
    expect((await clientOf(running).send("GET", "/r/data/")).status).to.equal(200);
  });

  it("listens on a socket file, and removes it", async () => {
    const socketPath = join(folder.path, "socket");
    const running = await start([], { listen: `unix:${socketPath}` });
    const client = new HttpTestClient({ socketPath });
    clients.push(client);
    expect((await client.send("POST", "/r/?create=true")).status).to.equal(200);
    expect((await client.send("GET", "/r/data/")).status).to.equal(200);
    expect(await running.stop()).to.equal(0);
    expect(existsSync(socketPath)).to.equal(false);
  });

  it("goes on listening on a socket that somebody else has opened, after all processes were replaced", async () => {
    const listener = createServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as AddressInfo;
    const { fd } = (listener as unknown as { _handle: { fd: number } })._handle;
    const program = fileURLToPath(new URL("../../../server/main.ts", import.meta.url));
    const flags = ["--path", join(folder.path, "data"), "--no-auth", "--workers", "2"];
    const script = 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"';
    const child = spawn("bash", ["-c", script, "bash", process.execPath, program, ...flags], {
      stdio: ["ignore", "ignore", "pipe", fd],
    });
    listener.close();
    const lines: string[] = [];
    createInterface({ input: child.stderr as Readable }).on("line", (line) => lines.push(line));
    try {
      await waitUntil(() => lines.includes("systemd socket activation mode"));
      for (const pid of childrenOf(child.pid ?? 0)) process.kill(pid, "SIGKILL");
      await waitUntil(() => lines.filter((line) => line.includes("ended with SIGKILL")).length === 2);
      const client = new HttpTestClient({ port });
      clients.push(client);
      expect((await client.send("POST", "/r/?create=true")).status).to.equal(200);
    } finally {
      const ended = once(child, "close");
      child.kill("SIGTERM");
      expect(await ended, lines.join("\n")).to.deep.equal([0, null]);
    }
  });

  it("shows metrics while one process hangs", async () => {
    const running = await start(["--prometheus"]);
    await clientOf(running).send("POST", "/r/?create=true");
    const [hanging = 0] = childrenOf(running.pid);
    process.kill(hanging, "SIGSTOP");
    try {
      // One of two new connections goes to the process that answers.
      const asked = [clientOf(running), clientOf(running)].map((client) => client.send("GET", "/metrics"));
      const { text } = await Promise.any(asked);
      expect(text).to.match(/^coffer_open_connections [12]$/m);
      for (const each of asked) each.catch(() => undefined);
    } finally {
      process.kill(hanging, "SIGCONT");
    }
  });

  it("makes no user when a process is replaced", async () => {
    const running = await start(["--create-first-user"]);
    unlinkSync(join(running.dataPath, ".htpasswd"));
    const [first = 0] = childrenOf(running.pid);
    process.kill(first, "SIGKILL");
    await waitUntil(() => / cannot serve: cannot load /.test(running.stderr));
    expect(existsSync(join(running.dataPath, ".htpasswd"))).to.equal(false);
  });

  it("writes whole lines to standard output, whoever writes them", async () => {
    const running = await start(["--log", "-"]);
    await clientOf(running).send("POST", "/r/?create=true");
    const asking = Array.from({ length: 6 }, async () => {
      const client = clientOf(running);
      for (let i = 0; i < 100; i++) await client.send("GET", `/r/data/?${"x".repeat(2000)}`);
    });
    await Promise.all(asking);
    await waitUntil(() => running.stdout.split("\n").length >= 602);
    const lines = running.stdout.split("\n").slice(0, -1);
    expect(lines).to.have.length(601);
    for (const line of lines)
      expect(line).to.match(/^127\.0\.0\.1 - - \[[^\]]+\] "[A-Z]+ \S+ HTTP\/1\.1" 200 \d+ "" ""$/);
  });

  /** Sends three quarters of an upload. */
  async function beginUpload(running: TestServer, content: Uint8Array): Promise<Socket> {
    const socket = connect(running.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(`POST /r/data/${sha256(content)} HTTP/1.1\r\nHost: x\r\nContent-Length: ${content.length}\r\n\r\n`);
    socket.write(content.subarray(0, 1_500_000));
    await waitUntil(() => unfinishedUploads(running.dataPath).length === 1);
    return socket;
  }

  it("ends after its uploads, with 0, also when a terminal signals all processes", async () => {
    const running = await start();
    await clientOf(running).send("POST", "/r/?create=true");
    const content = testBytes("ending", 2_000_000);
    const socket = await beginUpload(running, content);
    const answer = collectText(socket);
    const pids = childrenOf(running.pid);
    for (const pid of pids) process.kill(pid, "SIGINT");
    running.signal("SIGINT");
    await sleep(300);
    socket.write(content.subarray(1_500_000));
    expect(await answer).to.match(/^HTTP\/1\.1 200 /);
    await waitUntil(() => !isRunning(running.pid));
    expect(await running.stop()).to.equal(0);
    expect(pids.filter(isRunning)).to.deep.equal([]);
    expect(running.stderr.match(/shutdown cleanly/g)).to.have.length(1);
  });

  it("does not wait when it is told twice, and leaves no process", async () => {
    const running = await start();
    await clientOf(running).send("POST", "/r/?create=true");
    const socket = await beginUpload(running, testBytes("ending", 2_000_000));
    const pids = childrenOf(running.pid);
    running.signal("SIGTERM");
    await sleep(200);
    expect(await running.stop()).to.equal(1);
    await waitUntil(() => !pids.some(isRunning));
    socket.destroy();
  });

  it("leaves no process when the one that started them is killed", async () => {
    const running = await start();
    const pids = childrenOf(running.pid);
    await running.kill();
    await waitUntil(() => !pids.some(isRunning));
  });

  it("says once that its port is taken, and leaves no process and no user", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const listen = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const failure = await start(["--create-first-user"], { listen }).catch((error: unknown) => error);
    other.close();
    expect(failure).to.be.instanceOf(ServerDidNotStart);
    const { exitCode, stderr } = failure as ServerDidNotStart;
    expect(exitCode).to.equal(1);
    expect(stderr.match(/^error: unable to listen: .*another program has the port/gm)).to.have.length(1);
    expect(stderr).to.not.include("in its place");
    expect(stderr).to.not.include("password");
    expect((await start(["--create-first-user"])).stderr).to.match(/ {4}password {2}\S{24}\n/);
  });

  it("reads users again in all processes, and slows down who guesses through all of them", async () => {
    const running = await start([], { auth: { user: "alice", password: "secret" } });
    const ask = (user: string, password: string): Promise<Reply> => {
      const Authorization = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
      return clientOf(running).send("GET", "/r/data/", { headers: { Authorization } });
    };
    for (let i = 0; i < 4; i++) expect((await ask("alice", "secret")).status).to.equal(404);
    const hash = createHash("sha1").update("other").digest("base64");
    writeFileSync(join(running.dataPath, ".htpasswd"), `bob:{SHA}${hash}\n`);
    running.signal("SIGHUP");
    await waitUntil(() => running.stderr.includes("Reloaded htpasswd file"));
    await sleep(200);
    for (let i = 0; i < 4; i++) expect((await ask("bob", "other")).status).to.equal(404);
    expect(running.stderr.match(/Reloaded htpasswd file/g)).to.have.length(1);
    const statuses = await Promise.all(Array.from({ length: 200 }, async (_, i) => (await ask("eve", `${i}`)).status));
    // At once, each process lets the same number in before it has heard of the other's.
    expect(statuses.filter((status) => status === 401).length).to.be.within(20, 40);
    for (let i = 0; i < 4; i++) expect((await ask("eve", "again")).status).to.equal(429);
  });
});
