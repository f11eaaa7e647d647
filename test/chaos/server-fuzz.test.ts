/** No request, however malformed, ends the process, reaches outside the data folder, or stops the server from serving others. */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import fc from "fast-check";
import { HttpTestClient } from "../support/http.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { sha256 } from "../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";
import { unfinishedUploads } from "../support/unfinished-uploads.ts";

const objectId = sha256("object");
/** Of a file beside the data folder. No request has this text in it, so no answer may. */
const outsideContent = "what nobody may read";

const segments = fc.oneof(
  fc.constantFrom(
    "",
    ".",
    "..",
    "%2e%2e",
    "%2E.",
    "..%2f",
    "%2f",
    "%5c..",
    "%00",
    "%",
    "%zz",
    "%ff",
    "~",
    "repository",
    "data",
    "keys",
    "locks",
    "config",
    "DATA",
    ".htpasswd",
    ".coffer",
    "uploads",
    objectId,
    objectId.toUpperCase(),
    "f".repeat(64),
    "x".repeat(300),
    "?create=true",
    "#",
    ";",
    "outside",
    "-",
    "%2d",
    "health",
    "ready",
    "metrics",
    "batch",
  ),
  fc.string({ maxLength: 12 }).map((text) => encodeURIComponent(text.replaceAll(/[\ud800-\udfff]/g, "?"))),
  fc.string({ unit: fc.constantFrom("a", "%", ".", "/", "?", "&", "=", "*", "\\", "~"), maxLength: 12 }),
);

const paths = fc.array(segments, { maxLength: 7 }).map((parts) => `/${parts.join("/")}`);

const methods = fc.constantFrom(
  "GET",
  "HEAD",
  "POST",
  "DELETE",
  "PUT",
  "PATCH",
  "OPTIONS",
  "TRACE",
  "PROPFIND",
  "CONNECT",
  "get",
  "X",
);

const ranges = fc.oneof(
  fc.constantFrom("bytes=0-", "bytes=-1", "bytes=1-0", "bytes=0-0,2-3", "bytes=", "bytes=-", "octets=1-2"),
  fc.string({ unit: fc.constantFrom(..."bytes=,-0123456789 \t"), maxLength: 40 }),
  fc
    .array(fc.tuple(fc.maxSafeNat(), fc.maxSafeNat()), { maxLength: 50 })
    .map((pairs) => `bytes=${pairs.map(([first, last]) => `${first % 9}-${last % 12}`).join(",")}`),
);

const headerValues = fc.string({ unit: "binary-ascii", maxLength: 60 }).map((text) => text.replaceAll(/[\r\n\0]/g, ""));

const headers = fc.record(
  {
    Range: ranges,
    "If-Range": headerValues,
    "If-Match": fc.constantFrom("*", '"x"', ""),
    "If-None-Match": fc.constantFrom("*", '"x"', ""),
    Accept: headerValues,
    Authorization: fc.oneof(
      headerValues,
      fc.base64String().map((text) => `Basic ${text}`),
    ),
    "Content-Length": fc.oneof(
      fc.constantFrom("-1", "abc", "99999999999999999999", "1e3", "0x10"),
      fc.nat(400).map(String),
    ),
    "Transfer-Encoding": fc.constantFrom("chunked", "gzip", "chunked, chunked", "identity"),
    "Content-Type": fc.constantFrom("multipart/form-data; boundary=x", "multipart/form-data", "multipart/mixed"),
    Expect: fc.constantFrom("100-continue", "200-ok"),
    Connection: fc.constantFrom("close", "keep-alive", "upgrade"),
    Upgrade: fc.constantFrom("h2c", "websocket"),
    Origin: fc.oneof(headerValues, fc.constantFrom("null", "http://x", "http://127.0.0.1")),
    "Sec-Fetch-Site": fc.constantFrom("none", "same-origin", "same-origin", "cross-site", ""),
    "X-Forwarded-For": fc.oneof(headerValues, fc.constantFrom("192.0.2.1, 10.0.0.1", "[::1]:80", ",,,")),
    Referer: headerValues,
    "User-Agent": headerValues,
  },
  { requiredKeys: [] },
);

const bodies = fc.oneof(
  fc.uint8Array({ maxLength: 400 }),
  fc
    .constantFrom(
      "5\r\nhello\r\n0\r\n\r\n",
      "ffffffffffffffff\r\n",
      "zz\r\n",
      "5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
      "object",
      '--x\r\nContent-Disposition: form-data; name="data/x"; filename="x"\r\n\r\nobject\r\n--x--\r\n',
    )
    .map((text) => Buffer.from(text)),
);

const requests = fc
  .tuple(methods, paths, fc.constantFrom("1.1", "1.1", "1.1", "1.0", "2.0", "x"), headers, bodies, fc.boolean())
  .map(([method, path, version, fields, body, hasHost]) => {
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `${method} ${path} HTTP/${version}\r\n${hasHost ? "Host: x\r\n" : ""}${lines.join("")}\r\n`;
    return Buffer.concat([Buffer.from(head, "latin1"), body]);
  });

describe("a server that gets malformed requests", function () {
  this.timeout(120_000);
  let folder: TemporaryFolder;
  let server: TestServer;
  let pid: number;

  before(async () => {
    folder = makeTemporaryFolder("fuzz");
    writeFileSync(join(folder.path, "outside"), outsideContent);
    mkdirSync(join(folder.path, "data"));
    writeFileSync(join(folder.path, "data/.htpasswd"), "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n");
    const logs = ["--log", join(folder.path, "access.log"), "--audit-log", join(folder.path, "audit.log")];
    const args = [...logs, "--prometheus", "--trusted-proxies", "127.0.0.1"];
    server = await startServer({ path: join(folder.path, "data"), args });
    pid = server.pid;
    const client = new HttpTestClient({ port: server.port });
    await client.send("POST", "/repository/?create=true");
    await client.send("POST", "/repository/config", { body: "config" });
    await client.send("POST", `/repository/data/${objectId}`, { body: "object" });
    client.close();
  });

  after(async () => {
    await server.stop();
    folder.remove();
  });

  afterEach(async () => {
    expect(server.pid).to.equal(pid);
    process.kill(pid, 0);
    const client = new HttpTestClient({ port: server.port });
    expect((await client.send("GET", "/.htpasswd")).status).to.equal(404);
    client.close();
    expect(readFileSync(join(folder.path, "outside"), "utf8")).to.equal(outsideContent);
    expect(readdirSync(folder.path).sort()).to.deep.equal(["access.log", "audit.log", "data", "outside"]);
    expect(server.stderr).to.not.match(/\n\s+at |TypeError|ReferenceError/);
  });

  /** Sends bytes, ends its side, and reads what comes back until the server is done with them. */
  function sendBytes(bytes: Uint8Array): Promise<string> {
    return new Promise((resolve) => {
      let text = "";
      const socket = connect({ port: server.port, host: "127.0.0.1" }, () => socket.end(bytes));
      socket.setEncoding("latin1");
      socket.on("data", (piece: string) => {
        text += piece;
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(text));
    });
  }

  it("answers every request that it can read with a status of its own", async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        const answer = await sendBytes(request);
        const statuses = [...answer.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map((match) => Number(match[1]));
        for (const status of statuses) {
          expect(status).to.be.oneOf([100, 200, 206, 304, 307, 400, 403, 404, 405, 412, 416, 417, 431, 500, 501]);
        }
        // A name that is too long to be created is the only thing that is allowed to be the server's trouble.
        if (statuses.includes(500)) expect(request.toString("latin1")).to.match(/x{300}|[^/]{256}/);
        expect(answer).to.not.include(outsideContent);
      }),
      { numRuns: 700 },
    );
  });

  it("outlives bytes that are no requests", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 3_000 }), async (bytes) => {
        expect(await sendBytes(bytes)).to.match(/^(?:HTTP\/1\.1 4\d\d |$)/);
      }),
      { numRuns: 150 },
    );
  });

  it("outlives requests that are cut anywhere", async () => {
    const request = Buffer.from(
      `POST /repository/keys/${sha256("x".repeat(300))} HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\n${"x".repeat(299)}`,
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(request.length), async (length) => {
        await sendBytes(request.subarray(0, length));
      }),
      { numRuns: 60 },
    );
    const client = new HttpTestClient({ port: server.port });
    expect((await client.send("GET", "/repository/keys/")).text).to.equal("[]");
    client.close();
  });

  it("outlives clients that leave in the middle of everything", async () => {
    const large = Buffer.alloc(3_000_000, "large");
    const client = new HttpTestClient({ port: server.port });
    expect((await client.send("POST", `/repository/data/${sha256(large)}`, { body: large })).status).to.equal(200);
    const leaving = Array.from({ length: 80 }, (_, i) => {
      const isUpload = i % 2 === 0;
      const head = isUpload
        ? `POST /repository/data/${sha256(`gone ${i}`)} HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n`
        : `GET /repository/data/${sha256(large)} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(3);
      return new Promise<void>((resolve) => {
        const socket = connect(server.port, "127.0.0.1", () => {
          socket.write(head);
          if (isUpload) socket.write(large.subarray(0, 1 + 30_000 * i));
          setTimeout(() => (i % 3 === 0 ? socket.resetAndDestroy() : socket.destroy()), i % 40);
        });
        socket.on("error", () => undefined);
        socket.on("close", () => resolve());
      });
    });
    await Promise.all(leaving);
    const whole = await client.send("GET", `/repository/data/${sha256(large)}`);
    expect(whole.body.equals(large)).to.equal(true);
    client.close();
    // Every file that was open for one of them is closed again, and every unfinished one removed.
    const openFiles = (): number => countOpenFiles(pid, server.dataPath);
    const unfinished = (): number => unfinishedUploads(server.dataPath).length;
    for (let i = 0; i < 1500 && (openFiles() > 0 || unfinished() > 0); i++) await sleep(20);
    expect(unfinished()).to.equal(0);
    expect(openFiles()).to.equal(0);
  });
});

/** Descriptors of files below a folder that a process holds. */
function countOpenFiles(pid: number, folder: string): number {
  return readdirSync(`/proc/${pid}/fd`).filter((descriptor) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${descriptor}`).startsWith(folder);
    } catch {
      return false;
    }
  }).length;
}
