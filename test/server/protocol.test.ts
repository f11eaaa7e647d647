/**
 * The protocol over HTTP, case by case. The letters and numbers in the names are those of the cases in docs/protocol.md 3.1
 * and 3.3.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { listMediaTypes } from "../../shared/rest/media-types.ts";
import { collectText, exchangeRaw, type Reply, type RequestSettings } from "../support/http.ts";
import { type ServedApp, type ServedAppSettings, serveApp } from "../support/served-app.ts";
import { sha256, testBytes } from "../support/stored-files.ts";
import { unfinishedUploads } from "../support/unfinished-uploads.ts";
import { waitUntil } from "../support/wait-until.ts";

const id = (content: string | Uint8Array): string => sha256(content);
const content = "content of an object";
const contentId = id(content);

let served: ServedApp;

function send(method: string, path: string, settings?: RequestSettings): Promise<Reply> {
  return served.client.send(method, path, settings);
}

async function expectReply(
  method: string,
  path: string,
  status: number,
  settings: RequestSettings = {},
): Promise<Reply> {
  const reply = await send(method, path, settings);
  expect(reply.status, `${method} ${path}`).to.equal(status);
  return reply;
}

function withServer(settings: ServedAppSettings = {}): void {
  before(async () => {
    served = await serveApp(settings);
  });
  after(() => served.stop());
}

async function createRepositories(...names: string[]): Promise<void> {
  for (const name of names) await expectReply("POST", `${name}/?create=true`, 200);
}

describe("REST protocol", () => {
  describe("A: append-only sequences", () => {
    withServer({ appendOnly: true });

    before(() => createRepositories("", "/parent1/sub1", "/parent1", "/parent2"));

    for (const repository of ["", "/parent1/sub1", "/parent1", "/parent2"]) {
      for (const name of ["config", `data/${contentId}`, `locks/${contentId}`]) {
        const path = `${repository}/${name}`;
        it(`A1-A8 for ${path.slice(0, 40)}`, async () => {
          await expectReply("GET", path, 404);
          if (name !== "config") await expectReply("POST", path, 400, { body: `${content}broken` });
          await expectReply("POST", path, 200, { body: content });
          expect((await expectReply("GET", path, 200)).text).to.equal(content);
          await expectReply("POST", path, 403, { body: `${content}other stuff` });
          expect((await expectReply("GET", path, 200)).text).to.equal(content);
          if (name.startsWith("locks")) {
            await expectReply("DELETE", path, 200);
            await expectReply("GET", path, 404);
          } else {
            await expectReply("DELETE", path, 403);
            expect((await expectReply("GET", path, 200)).text).to.equal(content);
          }
        });
      }
    }

    it("X19: refuses to delete what is absent, except locks", async () => {
      for (const type of ["data", "index", "keys", "snapshots"]) {
        await expectReply("DELETE", `/${type}/${id("absent")}`, 403);
      }
      await expectReply("DELETE", "/elsewhere/config", 403);
      await expectReply("DELETE", `/locks/${id("absent")}`, 200);
    });

    it("accepts an upload again whose answer was lost", async () => {
      await expectReply("POST", `/keys/${id("key")}`, 200, { body: "key" });
      await expectReply("POST", `/keys/${id("key")}`, 200, { body: "key" });
      await expectReply("POST", `/keys/${id("key")}`, 403, { body: "other" });
      expect((await expectReply("GET", `/keys/${id("key")}`, 200)).text).to.equal("key");
    });

    it("allows to create repositories", () => createRepositories("/new", "/new/sub"));
  });

  describe("B, C, D, E: files and lists", () => {
    withServer();

    before(() => createRepositories("", "/r"));

    for (const path of ["/config", `/data/${contentId}`]) {
      it(`B: deletes ${path.slice(0, 12)} again and again`, async () => {
        await expectReply("POST", path, 200, { body: content });
        await expectReply("DELETE", path, 200);
        await expectReply("GET", path, 404);
        await expectReply("DELETE", path, 200);
      });
    }

    it("C: answers 500 for a file that it cannot read, and 404 for none", async () => {
      await expectReply("POST", "/r/config", 200, { body: "config" });
      await expectReply("GET", "/parent4/config", 404);
      const path = join(served.dataPath, "r/config");
      chmodSync(path, 0);
      await expectReply("HEAD", "/r/config", 200);
      // Root reads everything.
      if (process.getuid?.() !== 0) await expectReply("GET", "/r/config", 500);
      chmodSync(path, 0o600);
      expect((await expectReply("GET", "/r/config", 200)).text).to.equal("config");
    });

    it("D: sends an empty list as []", async () => {
      for (const accept of [undefined, listMediaTypes[2]]) {
        const settings = accept === undefined ? {} : { headers: { Accept: accept } };
        expect((await expectReply("GET", "/data/", 200, settings)).text).to.equal("[]");
        expect((await expectReply("GET", "/r/locks/", 200, settings)).text).to.equal("[]");
      }
    });

    it("E: lists in spite of a stray file", async () => {
      writeFileSync(join(served.dataPath, "data", "stray"), "stray");
      for (const accept of [listMediaTypes[1], listMediaTypes[2]]) {
        expect((await expectReply("GET", "/data/", 200, { headers: { Accept: accept } })).text).to.equal("[]");
      }
    });

    it("F: an aborted upload does not take away one that succeeded", async () => {
      const path = "/data/b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c";
      const stalled = connect(served.port, "127.0.0.1");
      const closed = collectText(stalled);
      stalled.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n${"x".repeat(1_000_000)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
      await expectReply("DELETE", path, 200);
      await expectReply("POST", path, 200, { body: "foo\n" });
      stalled.destroy();
      await closed;
      expect((await expectReply("GET", path, 200)).text).to.equal("foo\n");
    });

    it("X7, 1.5: sends version 2 only for exactly its media type", async () => {
      await expectReply("POST", `/r/keys/${contentId}`, 200, { body: content });
      const version1 = JSON.stringify([contentId]);
      const version2 = JSON.stringify([{ name: contentId, size: content.length }]);
      for (const accept of [
        undefined,
        listMediaTypes[1],
        `${listMediaTypes[2]};q=1`,
        `${listMediaTypes[2]}, ${listMediaTypes[1]}`,
        "*/*",
        "application/json",
      ]) {
        const reply = await expectReply(
          "GET",
          "/r/keys/",
          200,
          accept === undefined ? {} : { headers: { Accept: accept } },
        );
        expect(reply.headers["content-type"]).to.equal(listMediaTypes[1]);
        expect(reply.text).to.equal(version1);
      }
      const reply = await expectReply("GET", "/r/keys/?x=y", 200, { headers: { Accept: listMediaTypes[2] } });
      expect(reply.headers["content-type"]).to.equal(listMediaTypes[2]);
      expect(reply.headers["vary"]).to.equal("Accept");
      expect(reply.text).to.equal(version2);
      await expectReply("DELETE", `/r/keys/${contentId}`, 200);
    });

    it("1.4: answers 404 for lists of repositories that do not exist", async () => {
      for (const type of ["data", "index", "keys", "locks", "snapshots"])
        await expectReply("GET", `/absent/${type}/`, 404);
    });

    it("1.7: an upload makes its repository, a configuration does not", async () => {
      await expectReply("POST", "/uncreated/config", 404, { body: "config" });
      await expectReply("POST", `/uncreated/data/${contentId}`, 200, { body: content });
      await expectReply("GET", "/uncreated/data/", 200);
      await expectReply("POST", "/uncreated/config", 200, { body: "config" });
      await expectReply("DELETE", "/never/config", 200);
      await expectReply("DELETE", `/never/data/${contentId}`, 200);
      expect(existsSync(join(served.dataPath, "never"))).to.equal(false);
    });

    it("1.7: takes chunked and empty bodies, and asks for nothing but the right bytes", async () => {
      const empty = id("");
      await expectReply("POST", `/r/index/${empty}`, 200);
      await expectReply("DELETE", `/r/index/${empty}`, 200);
      await expectReply("POST", `/r/index/${empty}`, 200, { body: "" });
      await expectReply("DELETE", `/r/index/${empty}`, 200);
      const chunked = { headers: { "Transfer-Encoding": "chunked", "Content-Type": "text/html" }, body: content };
      await expectReply("POST", `/r/index/${contentId}`, 200, { ...chunked });
      expect((await expectReply("GET", `/r/index/${contentId}`, 200)).text).to.equal(content);
      await expectReply("POST", "/chunked/?create=true", 200, { headers: { "Transfer-Encoding": "chunked" } });
    });

    it("1.7: takes no more of a body than its length, and goes on with the next request", async () => {
      const next = "GET /r/config HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
      const request = `POST /r/data/${contentId} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n${content.slice(0, 5)}${next}`;
      const answers = await exchangeRaw(served.port, request);
      expect(answers.match(/^HTTP\/1\.1 \d+/gm)).to.deep.equal(["HTTP/1.1 400", "HTTP/1.1 200"]);
    });
  });

  describe("G, H, X9-X12: paths", () => {
    withServer();

    const repositories = ["", "/foo", "/foo/bar"];

    before(async () => {
      await createRepositories(...repositories);
      for (const [i, repository] of repositories.entries()) {
        await expectReply("POST", `${repository}/locks/${id(`lock ${i}`)}`, 200, { body: `lock ${i}` });
      }
      writeFileSync(join(served.dataPath, ".htpasswd"), "secret");
      writeFileSync(join(served.dataPath, "foo/.htpasswd"), "secret");
      writeFileSync(join(served.dataPath, "../coffer-outside"), "outside");
    });

    for (const [i, repository] of repositories.entries()) {
      it(`G: ${repository}/locks/ belongs to the repository ${repository || "/"}`, async () => {
        const name = id(`lock ${i}`);
        expect((await expectReply("GET", `${repository}/locks/`, 200)).text).to.equal(JSON.stringify([name]));
        expect((await expectReply("GET", `${repository}/locks/${name}`, 200)).text).to.equal(`lock ${i}`);
        await expectReply("GET", `${repository}/locks/${id(`lock ${(i + 1) % 3}`)}`, 404);
      });
    }

    const absentPaths = [
      "/foo",
      "/foo/bar",
      `/foo/bar/zzz/locks/${id("lock 0")}`,
      "/foo/bar/zzz/config",
      "/foo/bar/zzz/",
      "/r",
      "/data",
      "/foo/data",
      "/config/",
      "/config/config",
      "/data/config",
      "/foo/data/config",
      `/foo/packs/${contentId}`,
      "/foo/packs",
      // X9
      `/foo/data/${contentId.toUpperCase()}`,
      `/foo/data/${contentId.slice(0, 10)}`,
      `/foo/data/${contentId}0`,
      `/foo/data/${contentId}/`,
      `/foo/data/${contentId.slice(0, 2)}/${contentId}`,
      `/foo/Data/${contentId}`,
      // X10
      "/foo/%2e%2e/config",
      "/%2e%2e/coffer-outside",
      "/%2e%2e/config",
      "/%2e/config",
      "/foo/..%2fconfig",
      "/foo%2f..%2fconfig",
      "/..%2f..%2f..%2fetc/config",
      "/foo/%00/config",
      "/foo%00/config",
      "/%2f/config",
      "/foo/%2Fbar/config",
      // X12
      "/.htpasswd",
      "/foo/.htpasswd",
      "/.htpasswd/config",
      "/.htpasswd/",
      "/.coffer/config",
      "/.coffer/uploads/config",
      `/.coffer/data/${contentId}`,
    ];

    for (const path of absentPaths.filter((path) => path !== "/.htpasswd/")) {
      it(`G, X9, X10, X12: ${path.replaceAll(/[0-9a-fA-F]{50,}/g, "ID…")} is nothing`, async () => {
        for (const method of ["GET", "HEAD", "POST", "DELETE"]) {
          if (method === "DELETE" && path.startsWith("/.htpasswd/")) continue;
          await expectReply(method, path, 404, method === "POST" ? { body: "x" } : {});
        }
      });
    }

    it("X10: nothing can be created outside the data folder", async () => {
      for (const path of [
        "/%2e%2e/x/?create=true",
        "/..%2fx/?create=true",
        "/foo/%2e%2e/?create=true",
        "/%2e%2e/?create=true",
      ]) {
        await expectReply("POST", path, 404);
      }
      expect(existsSync(join(served.dataPath, "../x"))).to.equal(false);
      expect(served.logged.filter((line) => line.includes("/foo/%2e%2e/"))).to.have.length.greaterThan(0);
    });

    const cleaned: readonly (readonly [string, string])[] = [
      ["/foo//config", "/foo/config"],
      ["/./config", "/config"],
      ["/foo/../config", "/config"],
      ["/./././locks/", "/locks/"],
      ["/../../locks/", "/locks/"],
      ["///locks/", "/locks/"],
      ["//evil.example/x/", "/evil.example/x/"],
      ["/foo/.", "/foo"],
      ["/foo/bar/..", "/foo"],
      ["/foo//?create=true&x=%2F", "/foo/?create=true&x=%2F"],
      ["/a%20b//config", "/a%20b/config"],
    ];

    for (const [path, location] of cleaned) {
      it(`G, H, X11: ${path} is sent on to ${location}`, async () => {
        for (const method of ["GET", "POST", "DELETE", "PUT"]) {
          const reply = await expectReply(method, path, 307);
          expect(reply.headers.location).to.equal(location);
        }
      });
    }

    it("1.1: decodes escapes before it splits", async () => {
      for (const path of ["/foo%2Fbar/", "/foo/%62ar/", "/%66oo/bar/"]) {
        expect((await expectReply("GET", `${path}locks/`, 200)).text).to.equal(JSON.stringify([id("lock 2")]));
      }
      const name = id("lock 1");
      const escaped = name.replaceAll("a", "%61");
      expect((await expectReply("GET", `/foo/locks/${escaped}`, 200)).text).to.equal("lock 1");
      await createRepositories("/with%20blank", "/%C3%BCmlaut", "/back%5Cslash");
      expect(readdirSync(served.dataPath)).to.include.members(["with blank", "ümlaut", "back\\slash"]);
    });

    it("1.1: takes the absolute form of a proxy", async () => {
      const request = "GET http://somewhere.example/foo/locks/?x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
      expect(await exchangeRaw(served.port, request)).to.match(/^HTTP\/1\.1 200 /);
    });

    it("refuses escapes that mean nothing", async () => {
      for (const path of ["/%zz/config", "/%/config", "/%f/config", "/%ff%fe/config"])
        await expectReply("GET", path, 400);
    });

    it("1.1: reserved words are no repositories, in no depth", async () => {
      await expectReply("POST", "/data/?create=true", 405);
      await expectReply("POST", "/config/?create=true", 404);
      await expectReply("POST", "/foo/keys/?create=true", 405);
      expect((await expectReply("GET", "/foo/DATA/", 405)).headers.allow).to.equal("POST");
      expect((await expectReply("GET", "/foo/packs/", 405)).headers.allow).to.equal("POST");
      await expectReply("POST", "/a/b/c/?create=true", 404);
    });

    it("1.8: a name that no file system takes is nowhere", async () => {
      const long = "x".repeat(300);
      await expectReply("GET", `/${long}/config`, 404);
      await expectReply("GET", `/${long}/data/`, 404);
      await expectReply("POST", `/${long}/?create=true`, 500);
    });
  });

  describe("X1-X6, 1.3, 1.4: methods and answers", () => {
    withServer();

    before(() => createRepositories("/r"));

    it("X1: creates again and again, with all folders", async () => {
      await createRepositories("/r", "/r");
      expect(readdirSync(join(served.dataPath, "r"))).to.have.length(5);
      expect(readdirSync(join(served.dataPath, "r/data"))).to.have.length(256);
      expect(statSync(join(served.dataPath, "r/data/a0")).mode & 0o777).to.equal(0o700);
    });

    for (const query of [
      "",
      "?",
      "?create",
      "?create=1",
      "?CREATE=true",
      "?create=True",
      "?create=false&create=true",
      "?x=true",
    ]) {
      it(`X2: refuses to create with "${query}"`, () => expectReply("POST", `/never-made/${query}`, 400));
    }

    it("X2: takes the first value", () => expectReply("POST", "/r/?create=true&create=false", 200));

    it("X3: does not create without the slash", () => expectReply("POST", "/never-made?create=true", 404));

    it("made no repository by the way", () => {
      expect(readdirSync(served.dataPath)).to.deep.equal(["r"]);
    });

    for (const [path, allow, refused] of [
      ["/r/", "POST", ["GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS", "MKCOL"]],
      ["/", "POST", ["GET", "DELETE"]],
      ["/r/data/", "GET", ["HEAD", "POST", "DELETE", "PUT", "OPTIONS"]],
      ["/r/config", "HEAD, GET, POST, DELETE", ["PUT", "PATCH", "OPTIONS"]],
      [`/r/keys/${contentId}`, "HEAD, GET, POST, DELETE", ["PUT", "PATCH", "OPTIONS"]],
    ] as const) {
      it(`X4-X6: ${path.slice(0, 10)} allows ${allow}`, async () => {
        for (const method of refused) {
          const reply = await expectReply(method, path, 405);
          expect(reply.headers.allow).to.equal(allow);
          if (method !== "HEAD") expect(reply.text).to.equal("Method Not Allowed\n");
        }
      });
    }

    it("1.3: errors are a line of plain text", async () => {
      for (const [path, status, text] of [
        [`/r/data/${contentId}`, 404, "Not Found\n"],
        ["/nothing", 404, "Not Found\n"],
      ] as const) {
        const { headers, text: body } = await expectReply("GET", path, status);
        expect(body).to.equal(text);
        expect(headers).to.include({
          "content-type": "text/plain; charset=utf-8",
          "x-content-type-options": "nosniff",
          "content-length": String(text.length),
        });
      }
    });

    it("1.3: success of POST and DELETE has neither body nor type", async () => {
      for (const [method, path] of [
        ["POST", "/r/?create=true"],
        ["POST", `/r/data/${contentId}`],
        ["DELETE", `/r/data/${contentId}`],
      ] as const) {
        const reply = await expectReply(method, path, 200, method === "POST" ? { body: content } : {});
        expect(reply.text).to.equal("");
        expect(reply.headers["content-length"]).to.equal("0");
        expect(reply.headers).to.not.have.property("content-type");
      }
    });

    it("1.3: tells nothing about itself, and allows no caching by name", async () => {
      await expectReply("POST", `/r/data/${contentId}`, 200, { body: content });
      const answers = [
        await send("GET", `/r/data/${contentId}`),
        await send("GET", "/r/data/"),
        await send("GET", "/nothing"),
      ];
      for (const { headers } of answers) {
        for (const name of ["server", "x-powered-by", "etag", "last-modified", "access-control-allow-origin"]) {
          expect(headers).to.not.have.property(name);
        }
      }
    });

    it("1.4: HEAD tells the size and nothing else", async () => {
      await expectReply("POST", "/r/config", 200, { body: "config" });
      for (const [path, sizeBytes] of [
        ["/r/config", 6],
        [`/r/data/${contentId}`, content.length],
      ] as const) {
        const { headers } = await expectReply("HEAD", path, 200, { headers: { Range: "bytes=1-2" } });
        expect(headers["content-length"]).to.equal(String(sizeBytes));
        expect(headers).to.not.have.any.keys("content-type", "accept-ranges", "content-range");
      }
    });

    it("1.4: a configuration is sent whole, whatever range is asked for", async () => {
      const reply = await expectReply("GET", "/r/config", 200, { headers: { Range: "bytes=0-2" } });
      expect(reply.text).to.equal("config");
    });

    it("1.4: a configuration is never replaced", async () => {
      await expectReply("POST", "/r/config", 403, { body: "other" });
      expect((await send("GET", "/r/config")).text).to.equal("config");
    });

    it("1.3: OPTIONS * is answered for the server", async () => {
      const answer = await exchangeRaw(served.port, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      expect(answer).to.match(/^HTTP\/1\.1 200 /);
    });
  });

  describe("X8, X27: ranges", () => {
    withServer();

    const object = Buffer.from(testBytes("ranges", 170));
    const path = `/data/${id(object)}`;
    const emptyPath = `/data/${id("")}`;

    before(async () => {
      await expectReply("POST", path, 200, { body: object });
      await expectReply("POST", emptyPath, 200, { body: "" });
    });

    for (const [range, contentRange, from, to] of [
      ["bytes=0-", "bytes 0-169/170", 0, 170],
      ["bytes=6-10", "bytes 6-10/170", 6, 11],
      ["bytes=-5", "bytes 165-169/170", 165, 170],
      ["bytes=-500", "bytes 0-169/170", 0, 170],
      ["bytes=160-999", "bytes 160-169/170", 160, 170],
      ["bytes=169-", "bytes 169-169/170", 169, 170],
      ["bytes= 6-10", "bytes 6-10/170", 6, 11],
      ["bytes=6-10,", "bytes 6-10/170", 6, 11],
      ["bytes=6-10,999-", "bytes 6-10/170", 6, 11],
      ["bytes=0-99999999999999999", "bytes 0-169/170", 0, 170],
    ] as const) {
      it(`X8: ${range} gives ${contentRange}`, async () => {
        const reply = await expectReply("GET", path, 206, { headers: { Range: range } });
        expect(reply.headers).to.include({
          "content-range": contentRange,
          "content-length": String(to - from),
          "content-type": "application/octet-stream",
          "accept-ranges": "bytes",
        });
        expect(reply.body.equals(object.subarray(from, to))).to.equal(true);
      });
    }

    for (const range of ["bytes=170-", "bytes=999-1000", "bytes=-0", "bytes=200-,300-"]) {
      it(`X8: ${range} does not overlap`, async () => {
        const reply = await expectReply("GET", path, 416, { headers: { Range: range } });
        expect(reply.headers["content-range"]).to.equal("bytes */170");
        expect(reply.text).to.equal("invalid range: failed to overlap\n");
      });
    }

    for (const range of [
      "bytes=10-5",
      "bytes=abc",
      "items=0-5",
      "bytes=",
      "bytes=,",
      "bytes=-",
      "bytes=1--2",
      "bytes=0x1-",
      "bytes=1-2;3",
      "bytes=99999999999999999999-",
    ]) {
      it(`X8: ${range} is no range`, async () => {
        const reply = await expectReply("GET", path, 416, { headers: { Range: range } });
        expect(reply.headers).to.not.have.property("content-range");
        expect(reply.text).to.equal("invalid range\n");
        await expectReply("GET", `/data/${id("absent")}`, 404, { headers: { Range: range } });
      });
    }

    it("X8: several ranges come as parts", async () => {
      const reply = await expectReply("GET", path, 206, { headers: { Range: "bytes=0-1,5-6,-1" } });
      const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(reply.headers["content-type"] ?? "")?.[1];
      const part = (range: string, from: number, to: number): string =>
        `--${boundary}\r\nContent-Range: bytes ${range}/170\r\nContent-Type: application/octet-stream\r\n\r\n${object.toString("latin1", from, to)}\r\n`;
      const expected = `${part("0-1", 0, 2)}${part("5-6", 5, 7)}${part("169-169", 169, 170)}--${boundary}--\r\n`;
      expect(reply.body.toString("latin1")).to.equal(expected);
    });

    it("X8: ranges that ask for more than the whole get the whole", async () => {
      const reply = await expectReply("GET", path, 200, { headers: { Range: `bytes=${"0-,".repeat(1000)}0-1` } });
      expect(reply.body.equals(object)).to.equal(true);
    });

    for (const range of [undefined, "bytes=0-", "bytes=0-0", "bytes=5-9", "bytes=-3", "bytes=0-0,1-1"]) {
      it(`X27: an empty object is sent whole, range ${range}`, async () => {
        const headers = range === undefined ? {} : { Range: range };
        const reply = await expectReply("GET", emptyPath, 200, { headers });
        expect(reply.headers["content-length"]).to.equal("0");
        const head = await expectReply("HEAD", emptyPath, 200, { headers });
        expect(head.headers["content-length"]).to.equal("0");
      });
    }

    for (const [headers, status] of [
      [{ "If-None-Match": "*" }, 304],
      [{ "If-None-Match": '"x"' }, 200],
      [{ "If-Match": '"x"' }, 412],
      [{ "If-Match": "*" }, 200],
      [{ "If-Modified-Since": "Wed, 21 Oct 2099 07:28:00 GMT" }, 200],
      [{ "If-Range": '"x"', Range: "bytes=0-1" }, 200],
      [{ "Accept-Encoding": "gzip" }, 200],
    ] as const) {
      it(`1.6: ${JSON.stringify(headers)} gives ${status}`, async () => {
        const reply = await expectReply("GET", path, status, { headers });
        expect(reply.headers).to.not.have.property("content-encoding");
        if (status === 200) expect(reply.body.equals(object)).to.equal(true);
      });
    }
  });

  describe("X13-X15, X17: uploads", () => {
    withServer();

    const large = testBytes("large", 300_000);
    const largePath = `/data/${id(large)}`;

    before(() => createRepositories(""));

    for (const ending of ["close", "reset", "half-close"] as const) {
      it(`X13: an upload interrupted by ${ending} leaves nothing`, async () => {
        const socket = connect(served.port, "127.0.0.1");
        const answer = collectText(socket);
        socket.write(`POST ${largePath} HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n`);
        await new Promise<void>((resolve) => socket.write(large.subarray(0, 100_000), () => resolve()));
        if (ending === "close") socket.destroy();
        else if (ending === "reset") socket.resetAndDestroy();
        else socket.end();
        const text = await answer;
        if (ending === "half-close") expect(text).to.match(/^HTTP\/1\.1 400 /);
        await expectReply("GET", largePath, 404);
        await waitUntil(() => unfinishedUploads(served.dataPath).length === 0);
        expect((await send("GET", "/data/")).text).to.equal("[]");
      });
    }

    it("X14: the finished file is its owner's alone", async () => {
      await expectReply("POST", largePath, 200, { body: large });
      const name = id(large);
      expect(statSync(join(served.dataPath, "data", name.slice(0, 2), name)).mode & 0o777).to.equal(0o600);
      expect(unfinishedUploads(served.dataPath)).to.deep.equal([]);
    });

    it("X15: a megabyte for an existing object is answered with 403, over one connection", async () => {
      const other = testBytes("other", 1_048_576);
      for (let i = 0; i < 5; i++) {
        const reply = await expectReply("POST", largePath, 403, { body: other });
        expect(reply.headers.connection).to.equal("keep-alive");
      }
      expect((await send("GET", largePath)).body.equals(large)).to.equal(true);
    });

    it("X15: what is refused unread does not cost the connection either", async () => {
      const reply = await expectReply("POST", "/data/", 405, { body: testBytes("unread", 1_048_576) });
      expect(reply.headers.connection).to.equal("keep-alive");
    });

    it("X15: an answer to a body that is too large to be thrown away says that it ends the connection", async () => {
      const socket = connect(served.port, "127.0.0.1");
      const answer = collectText(socket);
      socket.write("POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
      expect(await answer).to.match(/^HTTP\/1\.1 404 (?:.|\s)*Connection: close/i);
    });

    it("1.7: says 100 Continue only to who is going to be heard", async () => {
      const start = (path: string): string =>
        `POST ${path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: ${content.length}\r\n\r\n`;
      const refused = await exchangeRaw(served.port, start("/nothing"));
      expect(refused).to.match(/^HTTP\/1\.1 404 /);
      const accepted = await exchangeRaw(served.port, `${start(`/keys/${contentId}`)}${content}`);
      expect(accepted).to.match(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
    });

    it("X17: parallel uploads of one object all succeed", async () => {
      const body = testBytes("parallel", 500_000);
      const path = `/data/${id(body)}`;
      const replies = await Promise.all(Array.from({ length: 8 }, () => send("POST", path, { body })));
      expect(replies.map((reply) => reply.status)).to.deep.equal(Array.from({ length: 8 }, () => 200));
      expect((await send("GET", path)).body.equals(body)).to.equal(true);
      expect(unfinishedUploads(served.dataPath)).to.deep.equal([]);
    });

    it("1.8: what is no file is absent", async () => {
      const name = "0".repeat(64);
      mkdirSync(join(served.dataPath, "keys", name));
      await expectReply("GET", `/keys/${name}`, 404);
      await expectReply("HEAD", `/keys/${name}`, 404);
      await expectReply("DELETE", `/keys/${name}`, 200);
      expect(existsSync(join(served.dataPath, "keys", name))).to.equal(true);
    });
  });

  describe("1.9: HTTP", () => {
    withServer();

    for (const [what, request, status] of [
      ["no Host", "GET /config HTTP/1.1\r\n\r\n", 400],
      ["a malformed request line", "GET\r\n\r\n", 400],
      ["a negative length", "POST /config HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400],
      ["a length that is no number", "POST /config HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n", 400],
      ["two lengths", "POST /config HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400],
      [
        "a length and chunks",
        "POST /config HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
      ],
      ["a megabyte of headers", `GET /config HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(1_048_576)}\r\n\r\n`, 431],
      [
        "an unknown expectation",
        "GET /config HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\nConnection: close\r\n\r\n",
        417,
      ],
      ["HTTP/1.0", "GET /config HTTP/1.0\r\n\r\n", 404],
      ["chunks that are none", "POST /locks/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400],
    ] as const) {
      it(`answers ${what} with ${status}`, async () => {
        expect(await exchangeRaw(served.port, request)).to.match(new RegExp(`^HTTP/1\\.1 ${status} `));
        await expectReply("GET", "/config", 404);
      });
    }

    it("keeps a connection of HTTP/1.0 if asked to", async () => {
      const ask = "GET /config HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
      const answers = await exchangeRaw(served.port, `${ask}${ask}GET /config HTTP/1.0\r\n\r\n`);
      expect(answers.match(/^HTTP\/1\.1 404/gm)).to.have.length(3);
    });
  });

  describe("progress time-outs", () => {
    withServer({ stallTimeoutMs: 300 });

    it("end a connection whose upload stands still, and keep nothing of it", async () => {
      const socket = connect(served.port, "127.0.0.1");
      const closed = collectText(socket);
      socket.write(`POST /data/${contentId} HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\nabc`);
      await closed;
      await waitUntil(() => unfinishedUploads(served.dataPath).length === 0);
    });

    it("let an upload that is merely slow take longer", async () => {
      const body = testBytes("slow", 20);
      const socket = connect(served.port, "127.0.0.1");
      const answer = collectText(socket);
      socket.write(`POST /data/${id(body)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 20\r\n\r\n`);
      for (const byte of body) {
        await new Promise((resolve) => setTimeout(resolve, 40));
        socket.write(Uint8Array.of(byte));
      }
      expect(await answer).to.match(/^HTTP\/1\.1 200 /);
    });

    it("end a download that nobody takes, and close its file", async () => {
      const body = testBytes("not taken", 24_000_000);
      await expectReply("POST", `/data/${id(body)}`, 200, { body });
      const openBefore = readdirSync("/proc/self/fd").length;
      const socket = connect(served.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.pause();
      const closed = new Promise((resolve) => socket.on("close", resolve));
      socket.write(`GET /data/${id(body)} HTTP/1.1\r\nHost: x\r\n\r\n`);
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      socket.resume();
      await closed;
      expect(socket.bytesRead).to.be.lessThan(24_000_000);
      await waitUntil(() => readdirSync("/proc/self/fd").length <= openBefore);
    });
  });
});
