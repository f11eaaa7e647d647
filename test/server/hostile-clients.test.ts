/** What one client, or one mistake of an operator, must not do to everybody else. */
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { openAccessLog } from "../../server/observation/log-file.ts";
import { collectText, exchangeRaw, HttpTestClient } from "../support/http.ts";
import { ServerDidNotStart, type TestServer } from "../support/server.ts";
import { serversOfTests } from "../support/servers-of-tests.ts";
import { sha256, testObject } from "../support/stored-files.ts";
import { makeTemporaryFolder } from "../support/temporary-folder.ts";
import { unfinishedUploads } from "../support/unfinished-uploads.ts";

describe("a server among hostile clients", function () {
  this.timeout(60_000);
  const { folder, start } = serversOfTests("hostile");
  const sockets: Socket[] = [];

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  function open(server: TestServer, head: string | Uint8Array): Socket {
    const socket = connect(server.port, "127.0.0.1", () => socket.write(head));
    socket.on("error", () => undefined);
    sockets.push(socket);
    return socket;
  }

  function residentMebibytes(server: TestServer): number {
    const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, "latin1"));
    return Number(match?.[1]) / 1024;
  }

  async function expectServed(server: TestServer): Promise<void> {
    const client = new HttpTestClient({ port: server.port });
    expect((await client.send("GET", "/never/config")).status).to.be.oneOf([401, 404]);
    client.close();
  }

  it("reads no further while requests wait for their turn, and ends a line that sends hundreds ahead", async () => {
    const server = await start({ auth: { user: "alice", password: "right" } });
    const before = residentMebibytes(server);
    const wrong = (i: number): string =>
      `GET /x/config HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${btoa(`alice:wrong ${i}`)}\r\n\r\n`;
    const flood = Array.from({ length: 2000 }, (_, i) => wrong(i)).join("");
    let isOpen = true;
    const socket = open(server, flood);
    socket.on("close", () => {
      isOpen = false;
    });
    // Written without looking at what is taken: the system's buffers fill, or the line is cut.
    for (let i = 0; i < 100 && isOpen; i++) {
      socket.write(flood);
      await sleep(5);
    }
    await expectServed(server);
    expect(residentMebibytes(server) - before).to.be.below(60);
    socket.destroy();
    await expectServed(server);
  });

  it("answers requests that are sent ahead in their order, also those with bodies", async () => {
    const server = await start();
    const objects = Array.from({ length: 20 }, (_, i) => testObject(`ahead ${i}`, i % 3 === 0 ? 300_000 : 100));
    const bytes = Buffer.concat(
      objects.flatMap(({ id, content }) => [
        Buffer.from(`POST /data/${id} HTTP/1.1\r\nHost: x\r\nContent-Length: ${content.length}\r\n\r\n`),
        content,
        Buffer.from(`HEAD /data/${id} HTTP/1.1\r\nHost: x\r\n\r\n`),
      ]),
    );
    const text = exchangeRaw(
      server.port,
      Buffer.concat([bytes, Buffer.from("GET /absent HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")]),
    );
    const statuses = [...(await text).matchAll(/HTTP\/1\.1 (\d{3})[\s\S]*?Content-Length: (\d+)/g)];
    const expected = [...objects.flatMap(({ content }) => [`200 0`, `200 ${content.length}`]), "404 10"];
    expect(statuses.map(([, status, length]) => `${status} ${length}`)).to.deep.equal(expected);
  });

  it("lets a second server on the same port and folder fail without harm to running uploads", async () => {
    const server = await start();
    const object = testObject("running", 900_000);
    const head = `POST /data/${object.id} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 900000\r\n\r\n`;
    const socket = open(server, Buffer.concat([Buffer.from(head), object.content.subarray(0, 800_000)]));
    const answer = collectText(socket);
    for (let i = 0; i < 1000 && unfinishedUploads(server.dataPath).length === 0; i++) await sleep(10);
    expect(unfinishedUploads(server.dataPath)).to.have.length(1);
    const second = await start({ listen: `127.0.0.1:${server.port}` }).catch((error: unknown) => error);
    expect(second).to.be.instanceOf(ServerDidNotStart);
    socket.write(object.content.subarray(800_000));
    expect(await answer).to.match(/^HTTP\/1\.1 200 /);
  });

  it("shows the first user's password on the start that works, not on one that fails", async () => {
    const other = await start({ path: join(folder.path, "other") });
    const args = ["--no-auth=false", "--create-first-user"];
    const failed = await start({ args, listen: `127.0.0.1:${other.port}` }).catch((error: unknown) => error);
    expect((failed as ServerDidNotStart).stderr).to.not.include("password");
    expect((await start({ args })).stderr).to.match(/ {4}password {2}\S{24}\n/);
  });

  it("serves locks, keys and lists while a hundred clients stall in uploads of locks", async () => {
    const server = await start();
    for (let i = 0; i < 100; i++) {
      const id = sha256(`stalled ${i}`);
      const head = `POST /locks/${id} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n`;
      open(server, Buffer.concat([Buffer.from(head), Buffer.alloc(600_000)]));
    }
    await sleep(300);
    const client = new HttpTestClient({ port: server.port });
    for (const type of ["locks", "keys", "data"] as const) {
      const object = testObject(`of a victim ${type}`, 700_000, type);
      expect((await client.send("POST", `/${type}/${object.id}`, { body: object.content })).status).to.equal(200);
      expect((await client.send("GET", `/${type}/`)).text).to.equal(`["${object.id}"]`);
    }
    client.close();
  });

  it("ends although a client began a request during its last answer", async () => {
    const server = await start();
    const object = testObject("last", 3_000_000);
    const client = new HttpTestClient({ port: server.port });
    expect((await client.send("POST", `/data/${object.id}`, { body: object.content })).status).to.equal(200);
    client.close();
    const socket = open(server, `GET /data/${object.id} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await new Promise((resolve) => socket.once("readable", resolve));
    const stopped = server.stop();
    await sleep(100);
    socket.write("GET /data/ HTTP/1.1\r\nHos");
    const text = await collectText(socket);
    expect(text.length).to.be.above(object.content.length);
    expect(await stopped).to.equal(0);
  });

  it("refuses codings that it would have to undo, and targets that are none", async () => {
    const server = await start();
    const head = "Host: x\r\nConnection: close\r\n";
    const coded = `POST /config HTTP/1.1\r\n${head}Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`;
    expect(await exchangeRaw(server.port, coded)).to.match(/^HTTP\/1\.1 501 /);
    for (const target of ["http://[", "mailto:x", "*"]) {
      const text = await exchangeRaw(server.port, `GET ${target} HTTP/1.1\r\n${head}\r\n`);
      expect(text)
        .to.match(/^HTTP\/1\.1 40[045] /)
        .and.to.not.include("<");
    }
    const text = await exchangeRaw(server.port, `GET http://other/data/ HTTP/1.1\r\n${head}\r\n`);
    expect(text).to.match(/^HTTP\/1\.1 404 /);
    expect(existsSync(join(server.dataPath, "config"))).to.equal(false);
  });

  it("writes no control character of a client to the operator's log", async () => {
    const server = await start();
    mkdirSync(server.dataPath, { recursive: true });
    writeFileSync(join(server.dataPath, "afile"), "");
    const client = new HttpTestClient({ port: server.port });
    const name = "%1b%5b31mRED%1b%5d0;title%07%c2%85%e2%80%a8x%0d%0aforged";
    expect((await client.send("POST", `/afile/${name}/?create=true`)).status).to.equal(500);
    client.close();
    for (let i = 0; i < 1000 && !server.stderr.includes("RED"); i++) await sleep(10);
    expect(server.stderr.replaceAll("\n", ""))
      .to.match(/u001b\[31mRED/)
      .and.to.not.match(/[\p{Cc}\u2028\u2029]/u);
    expect(server.stderr).to.not.match(/^forged/m);
  });

  it("says that a data folder is none, before anything else", async () => {
    const error = await start({ path: "/proc/self/status" }).catch((reason: unknown) => reason);
    expect((error as ServerDidNotStart).stderr).to.match(/--path expected a folder, got \/proc\/self\/status/);
  });
});

describe("an access log on a disk that is full for a while", () => {
  it("loses lines, and goes on when there is room", async () => {
    const folder = makeTemporaryFolder("log");
    const path = join(folder.path, "access.log");
    symlinkSync("/dev/full", path);
    const reports: string[] = [];
    const log = await openAccessLog(
      path,
      { log: (line) => reports.push(line), print: () => undefined },
      {
        name: "access log",
        mode: 0o600,
        retryMs: 0,
      },
    );
    log.write("lost\n");
    for (let i = 0; i < 1000 && reports.length === 0; i++) await sleep(5);
    rmSync(path);
    log.write("kept\n");
    await log.close();
    expect(readFileSync(path, "utf8")).to.equal("kept\n");
    expect(reports).to.have.length(1);
    expect(reports[0]).to.match(/^access log: ENOSPC.*lines are lost/);
    await log.close();
    folder.remove();
  });
});
