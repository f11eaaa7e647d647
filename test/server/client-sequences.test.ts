/**
 * restic's own suite for backends (cases M1 to M11 of section 3.2 of docs/protocol.md), each line as the requests that restic makes of it. What it asks
 * of the client alone (M6, M9, M12, N to R) is tested with the client.
 */
import { connect } from "node:net";
import { expect } from "chai";
import fc from "fast-check";
import { listMediaTypes } from "../../shared/rest/media-types.ts";
import { collectText, type Reply, type RequestSettings } from "../support/http.ts";
import { type ServedApp, serveApp } from "../support/served-app.ts";
import { sha256, testBytes } from "../support/stored-files.ts";

const types = ["data", "keys", "locks", "snapshots", "index"] as const;

const accept = { Accept: listMediaTypes[2] };
const uploadHeaders = { ...accept, "Content-Type": "application/octet-stream" };

describe("the sequences of restic's backend suite", function () {
  this.timeout(60_000);
  let served: ServedApp;

  beforeEach(async () => {
    served = await serveApp();
    await expectReply("HEAD", "/r/config", 404);
    // restic 0.19 sends an empty body in chunks.
    const headers = { "Content-Type": "binary/octet-stream", "Transfer-Encoding": "chunked" };
    await expectReply("POST", "/r/?create=true", 200, { headers });
  });

  afterEach(() => served.stop());

  async function expectReply(method: string, path: string, status: number, settings?: RequestSettings): Promise<Reply> {
    const reply = await served.client.send(method, path, settings);
    expect(reply.status, `${method} ${path}`).to.equal(status);
    return reply;
  }

  const save = (path: string, body: Uint8Array | string): Promise<Reply> =>
    expectReply("POST", path, 200, { body, headers: uploadHeaders });

  const load = (path: string, range: string, status = 206): Promise<Reply> =>
    expectReply("GET", path, status, { headers: { ...accept, Range: range } });

  async function list(type: string): Promise<{ name: string; size: number }[]> {
    const reply = await expectReply("GET", `/r/${type}/`, 200, { headers: accept });
    expect(reply.headers["content-type"]).to.equal(listMediaTypes[2]);
    return JSON.parse(reply.text) as { name: string; size: number }[];
  }

  it("M1: a second create sees the configuration of the first, and cannot replace it", async () => {
    await save("/r/config", "first");
    const head = await expectReply("HEAD", "/r/config", 200, { headers: accept });
    expect(head.headers["content-length"]).to.equal("5");
    await expectReply("POST", "/r/?create=true", 200, { headers: { "Transfer-Encoding": "chunked" } });
    await expectReply("POST", "/r/config", 403, { body: "second" });
    expect((await load("/r/config", "bytes=0-", 200)).text).to.equal("first");
  });

  it("M2: a configuration is absent, saved, loaded and removed", async () => {
    await load("/r/config", "bytes=0-", 404);
    await save("/r/config", "configuration");
    expect((await load("/r/config", "bytes=0-", 200)).text).to.equal("configuration");
    await expectReply("DELETE", "/r/config", 200, { headers: accept });
    await expectReply("HEAD", "/r/config", 404, { headers: accept });
    await save("/r/config", "another");
  });

  it("M3: every part of an object comes as it was saved", async () => {
    const content = testBytes("M3", 1_050_000);
    const path = `/r/data/${sha256(content)}`;
    await save(path, content);
    const part = fc.record({ offset: fc.nat(content.length - 1), length: fc.nat(content.length) });
    await fc.assert(
      fc.asyncProperty(part, async ({ offset, length }) => {
        const rest = content.length - offset;
        const wanted = length === 0 ? rest : Math.min(length, rest);
        const range = length === 0 ? `bytes=${offset}-` : `bytes=${offset}-${offset + wanted - 1}`;
        const reply = await load(path, range);
        expect(reply.headers["content-length"]).to.equal(String(wanted));
        expect(reply.body.equals(content.subarray(offset, offset + wanted))).to.equal(true);
      }),
      { numRuns: 50 },
    );
  });

  it("M4: a part beyond the end is refused or shorter than asked for, never made up", async () => {
    const content = testBytes("M4", 5_000);
    const path = `/r/data/${sha256(content)}`;
    await save(path, content);
    for (const [offset, status, lengthBytes] of [
      [content.length - 99, 206, 99],
      [content.length - 50, 206, 50],
      [content.length, 416, undefined],
      [content.length + 100, 416, undefined],
    ] as const) {
      const reply = await load(path, `bytes=${offset}-${offset + 99}`, status);
      if (lengthBytes !== undefined) expect(reply.body.equals(content.subarray(offset))).to.equal(true);
      else expect(reply.headers["content-range"]).to.equal(`bytes */${content.length}`);
    }
  });

  it("M5: a list is empty, then has exactly what was saved in parallel, then is empty", async () => {
    expect(await list("data")).to.deep.equal([]);
    const contents = Array.from({ length: 39 }, (_, i) => testBytes(`M5 ${i}`, 55 + ((i * 37) % 100)));
    await Promise.all(contents.map((content) => save(`/r/data/${sha256(content)}`, content)));
    const expected = contents.map((content) => ({ name: sha256(content), size: content.length }));
    expect(await list("data")).to.have.deep.members(expected);
    await Promise.all(expected.map(({ name }) => expectReply("DELETE", `/r/data/${name}`, 200)));
    expect(await list("data")).to.deep.equal([]);
  });

  it("M7: packs of all sizes are saved, loaded, sized and removed", async () => {
    for (let i = 0; i < 10; i++) {
      const content = testBytes(`M7 ${i}`, 200_000 + i * 930_000);
      const path = `/r/data/${sha256(content)}`;
      await save(path, content);
      expect((await load(path, "bytes=0-")).body.equals(content)).to.equal(true);
      const head = await expectReply("HEAD", path, 200, { headers: accept });
      expect(head.headers["content-length"]).to.equal(String(content.length));
      await expectReply("DELETE", path, 200);
    }
    expect(await list("data")).to.deep.equal([]);
  });

  it("M8: an upload that ends 42 bytes early leaves nothing under its name", async () => {
    const content = testBytes("M8", 100_000);
    const path = `/r/data/${sha256(content)}`;
    const socket = connect(served.port, "127.0.0.1");
    const answered = collectText(socket);
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${content.length + 42}\r\n\r\n`);
    socket.end(content);
    expect(await answered).to.not.match(/^HTTP\/1\.1 200/);
    await expectReply("HEAD", path, 404);
    expect(await list("data")).to.deep.equal([]);
    await save(path, content);
  });

  const contents = ["foobar", "foo/../../baz", "bar/baz", "more content, a little longer than the others"];

  it("M10: the names of its contents are those that restic's suite gives", () => {
    expect(contents.slice(0, 2).map(sha256)).to.deep.equal([
      "c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2",
      "4e54d2c721cbdb730f01b10b62dec622962b36966ec685880effa63d71c808f2",
    ]);
  });

  for (const type of types) {
    it(`M10: ${type} are absent, saved, loaded in parts, deleted, saved again and listed`, async () => {
      for (const content of contents) {
        const path = `/r/${type}/${sha256(content)}`;
        await expectReply("HEAD", path, 404, { headers: accept });
        await load(path, "bytes=0-", 404);
        await save(path, content);
        expect((await load(path, "bytes=0-")).text).to.equal(content);
        expect((await load(path, `bytes=1-${content.length - 3}`)).text).to.equal(content.slice(1, -2));
        await expectReply("DELETE", path, 200);
        await expectReply("HEAD", path, 404, { headers: accept });
        await save(path, content);
      }
      const expected = contents.map((content) => ({ name: sha256(content), size: content.length }));
      expect(await list(type)).to.have.deep.members(expected);
      for (const { name } of expected) await expectReply("DELETE", `/r/${type}/${name}`, 200);
      expect(await list(type)).to.deep.equal([]);
    });
  }

  it("M11: everything can be deleted by listing it, also twice at the same time", async () => {
    await save("/r/config", "configuration");
    for (const type of types) for (const content of contents) await save(`/r/${type}/${sha256(content)}`, content);
    for (const type of types) {
      const names = (await list(type)).map(({ name }) => name);
      expect(names).to.have.length(contents.length);
      await Promise.all([...names, ...names].map((name) => expectReply("DELETE", `/r/${type}/${name}`, 200)));
      expect(await list(type)).to.deep.equal([]);
    }
    await expectReply("DELETE", "/r/config", 200);
    await expectReply("HEAD", "/r/config", 404);
  });

  it("3.3: restic init's requests get the answers that it expects", async () => {
    for (const [method, path, status, body] of [
      ["HEAD", "/new/config", 404, undefined],
      ["POST", "/new/?create=true", 200, ""],
      ["HEAD", "/new/config", 404, undefined],
      ["GET", "/new/keys/", 200, undefined],
      ["GET", "/new/snapshots/", 200, undefined],
      ["POST", `/new/keys/${sha256("key")}`, 200, "key"],
      ["POST", "/new/config", 200, "config"],
      ["HEAD", "/new/config", 200, undefined],
      ["GET", "/new/keys/", 200, undefined],
    ] as const) {
      await expectReply(method, path, status, { headers: accept, ...(body === undefined ? {} : { body }) });
    }
    expect((await load(`/new/keys/${sha256("key")}`, "bytes=0-")).text).to.equal("key");
    expect((await load("/new/config", "bytes=0-", 200)).text).to.equal("config");
  });

  it("J: a server without users tolerates the empty pair that restic sends, and any other", async () => {
    for (const authorization of ["Basic Og==", `Basic ${btoa("a:b")}`, "Bearer x", "nonsense"]) {
      await expectReply("GET", "/r/keys/", 200, { headers: { ...accept, Authorization: authorization } });
    }
  });
});
