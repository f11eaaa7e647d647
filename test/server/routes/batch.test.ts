/** Batches of small objects: each part is treated as a single upload would be, and the answer says what became of each. */
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import supertest from "supertest";
import { createApp } from "../../../server/app.ts";
import { noAuthentication } from "../../../server/auth/authenticator.ts";
import { readParts } from "../../../server/http/multipart.ts";
import { batchLimits } from "../../../server/routes/batch.ts";
import { BatchParts } from "../../../server/routes/batch-parts.ts";
import { MemoryRepositories } from "../../../server/storage/memory.ts";
import type { Storage } from "../../../server/storage/storage.ts";
import { StorageWrapper } from "../../../server/storage/wrapper.ts";
import { CofferError } from "../../../shared/errors.ts";
import { describeHandle, type FileHandle } from "../../../shared/format/layout.ts";
import { encodeBatchCapability, type PartResult } from "../../../shared/rest/batch.ts";
import type { Reply } from "../../support/http.ts";
import { boundary, encodeForm, type FormPart, formType, objectPart } from "../../support/multipart.ts";
import { type ServedApp, type ServedAppSettings, serveApp } from "../../support/served-app.ts";
import { sha256 } from "../../support/stored-files.ts";
import { unfinishedUploads } from "../../support/unfinished-uploads.ts";

const path = "/r/-/batch";

describe("batch uploads", () => {
  let app: ServedApp;

  async function start(settings: ServedAppSettings = {}): Promise<void> {
    app = await serveApp(settings);
    await app.client.send("POST", "/r/?create=true");
  }

  function send(parts: readonly FormPart[], at = path): Promise<Reply> {
    return app.client.send("POST", at, { headers: { "Content-Type": formType }, body: encodeForm(parts) });
  }

  function resultsOf(reply: Reply): PartResult[] {
    expect(reply.status, reply.text).to.equal(200);
    expect(reply.headers["content-type"]).to.equal("application/json");
    return (JSON.parse(reply.text) as { results: PartResult[] }).results;
  }

  function statusesOf(reply: Reply): number[] {
    return resultsOf(reply).map(({ status }) => status);
  }

  afterEach(async () => {
    await app.stop();
  });

  it("stores every part under its name, and answers in their order", async () => {
    await start();
    const parts = [
      objectPart("a"),
      objectPart("", "index"),
      objectPart(randomBytes(100_000), "snapshots"),
      objectPart(randomBytes(300_000)),
      objectPart("b", "keys"),
      objectPart(randomBytes(2_000_000)),
      objectPart("c", "locks"),
    ];
    const results = resultsOf(await send(parts));
    expect(results).to.deep.equal(parts.map(({ name }) => ({ name, status: 200 })));
    for (const { name, content } of parts) {
      const stored = await app.client.send("GET", `/r/${name}`);
      expect(stored.body.equals(Buffer.from(content)), name).to.equal(true);
    }
    expect(unfinishedUploads(app.dataPath)).to.deep.equal([]);
  });

  it("stores as many parts as one request may have", async () => {
    await start();
    const parts = Array.from({ length: batchLimits.parts }, (_, i) => objectPart(`object ${i}`));
    expect(new Set(statusesOf(await send(parts)))).to.deep.equal(new Set([200]));
    const list = await app.client.send("GET", "/r/data/");
    expect(JSON.parse(list.text)).to.have.members(parts.map(({ name }) => name!.slice("data/".length)));
  });

  it("serves the root and repositories two folders deep, which nobody can call -", async () => {
    await start();
    for (const repository of ["", "/a", "/a/b"]) {
      expect(statusesOf(await send([objectPart("x")], `${repository}/-/batch`)), repository).to.deep.equal([200]);
      expect((await app.client.send("HEAD", `${repository}/data/${sha256("x")}`)).status).to.equal(200);
    }
    expect((await send([objectPart("x")], "/a/b/c/-/batch")).status).to.equal(404);
    for (const other of ["/-/", "/-/?create=true", "/r/-/?create=true", "/-/r/?create=true", "/r/-/batch/", "/r/-/x"]) {
      expect((await app.client.send("POST", other)).status, other).to.equal(404);
    }
    for (const method of ["GET", "HEAD", "PUT", "DELETE"]) {
      const reply = await app.client.send(method, path);
      expect([reply.status, reply.headers["allow"]]).to.deep.equal([405, "POST"]);
    }
  });

  it("tells of itself in every answer about the configuration, and nowhere else", async () => {
    await start();
    const capability = encodeBatchCapability(batchLimits);
    const told = async (method: string, at: string): Promise<unknown> =>
      (await app.client.send(method, at)).headers["coffer-capabilities"];
    expect(await told("HEAD", "/r/config")).to.equal(capability);
    await app.client.send("POST", "/r/config", { body: "configuration" });
    expect(await told("HEAD", "/r/config")).to.equal(capability);
    expect(await told("GET", "/r/config")).to.equal(capability);
    expect(await told("GET", "/r/keys/")).to.equal(undefined);
    expect(await told("DELETE", "/r/config")).to.equal(undefined);
  });

  it("refuses parts one by one, and stores the others", async () => {
    await start();
    const taken = sha256("taken");
    await app.client.send("POST", `/r/data/${taken}`, { body: "taken" });
    const large = randomBytes(400_000);
    const parts: (FormPart & { status: number })[] = [
      { ...objectPart("first"), status: 200 },
      { name: `data/${sha256("something")}`, content: "something else", status: 400 },
      { ...objectPart("taken"), status: 200 },
      { name: `data/${taken}`, content: "other bytes", status: 403 },
      { name: `data/${taken}`, content: large, status: 403 },
      { name: `data/${sha256("large")}`, content: large, status: 400 },
      { name: "config", content: "configuration", status: 400 },
      { name: "data/", content: "x", status: 400 },
      { name: `data/${sha256("x").toUpperCase()}`, content: "x", status: 400 },
      { name: `packs/${sha256("x")}`, content: "x", status: 400 },
      { name: `../data/${sha256("x")}`, content: large, status: 400 },
      { name: `data/../${sha256("x")}`, content: "x", status: 400 },
      { name: "__proto__", content: "x", status: 400 },
      { name: "constructor", content: "x", status: 400 },
      { name: "a[b][9999999]", content: "x", status: 400 },
      { ...objectPart("last", "index"), status: 200 },
    ];
    const results = resultsOf(await send(parts));
    expect(results.map(({ name, status }) => ({ name, status }))).to.deep.equal(
      parts.map(({ name, status }) => ({ name, status })),
    );
    expect(results[1]?.error).to.equal("Bad Request");
    expect(results[6]?.error).to.include("TYPE/ID");
    expect((await app.client.send("GET", `/r/data/${taken}`)).text).to.equal("taken");
    const list = await app.client.send("GET", "/r/data/");
    expect(JSON.parse(list.text)).to.have.members([sha256("first"), taken]);
    expect(unfinishedUploads(app.dataPath)).to.deep.equal([]);
    expect(app.logged).to.deep.equal([]);
  });

  it("says so for parts without a file name", async () => {
    await start();
    const headers = ["Content-Type: application/octet-stream"];
    const anonymous = { ...objectPart("x"), fileName: "", headers };
    expect(statusesOf(await send([objectPart("a"), anonymous, objectPart("b")]))).to.deep.equal([200, 400, 200]);
  });

  it("takes the same object twice in one batch, and again in another", async () => {
    await start();
    const parts = [objectPart("twice"), objectPart("twice"), objectPart(randomBytes(300_000)), objectPart("twice")];
    expect(statusesOf(await send(parts))).to.deep.equal([200, 200, 200, 200]);
    expect(statusesOf(await send(parts))).to.deep.equal([200, 200, 200, 200]);
  });

  it("is append-only where single uploads are", async () => {
    await start({ appendOnly: true });
    expect(statusesOf(await send([objectPart("x")]))).to.deep.equal([200]);
    const other = { name: `data/${sha256("x")}`, content: "y" };
    expect(statusesOf(await send([objectPart("x"), other]))).to.deep.equal([200, 403]);
  });

  it("serves nobody in the folder of another user", async () => {
    await start({ privateRepositories: true, authenticator: { authenticate: async () => "alice" } });
    expect((await send([objectPart("x")], "/bob/-/batch")).status).to.equal(401);
    expect((await send([objectPart("x")], "/-/batch")).status).to.equal(401);
    expect(statusesOf(await send([objectPart("x")], "/alice/-/batch"))).to.deep.equal([200]);
  });

  it("refuses a part that is too long, and stores the others", async () => {
    await start();
    const content = Buffer.alloc(batchLimits.partBytes + 1);
    const parts = [objectPart("before"), objectPart(content), objectPart("after"), objectPart(content.subarray(1))];
    const results = resultsOf(await send(parts));
    expect(results.map(({ status }) => status)).to.deep.equal([200, 413, 200, 200]);
    expect(results[1]?.error).to.include(`at most ${batchLimits.partBytes} bytes`);
    expect(unfinishedUploads(app.dataPath)).to.deep.equal([]);
  });

  it("refuses more parts than a request may have", async () => {
    await start();
    const parts = Array.from({ length: batchLimits.parts + 1 }, (_, i) => objectPart(`object ${i}`));
    const reply = await send(parts);
    expect([reply.status, reply.text]).to.deep.equal([413, "body has too many parts; send fewer in each request\n"]);
    expect(unfinishedUploads(app.dataPath)).to.deep.equal([]);
  });

  it("refuses a body that is too long, whether or not it says so beforehand", async () => {
    await start();
    const parts = Array.from({ length: 5 }, () => objectPart(Buffer.alloc(batchLimits.partBytes)));
    const announced = await send(parts);
    expect(announced.status).to.equal(413);
    expect(announced.text).to.include(`at most ${batchLimits.totalBytes} bytes`);
    const headers = { "Content-Type": formType, "Transfer-Encoding": "chunked" };
    const chunked = await app.client.send("POST", path, { headers, body: encodeForm(parts) });
    expect(chunked.status).to.equal(413);
    expect(unfinishedUploads(app.dataPath)).to.deep.equal([]);
  });

  const whole = encodeForm([objectPart("a"), objectPart("b")]).toString();
  const malformed: Readonly<Record<string, { type?: string; body: string }>> = {
    "of another type": { type: "application/octet-stream", body: whole },
    "without a type": { type: "", body: whole },
    "without a boundary": { type: "multipart/form-data", body: whole },
    "with an empty boundary": { type: "multipart/form-data; boundary=", body: whole },
    "of another kind of parts": { type: `multipart/mixed; boundary=${boundary}`, body: whole },
    "with another boundary": { type: "multipart/form-data; boundary=other", body: whole },
    "that is empty": { body: "" },
    "without its end": { body: whole.replace(`--${boundary}--`, "") },
    "cut in a part": { body: whole.slice(0, whole.indexOf("b\r\n")) },
    "with a part behind its end": {
      body: `${whole}${encodeForm([objectPart("c"), objectPart(Buffer.alloc(100_000))])}`,
    },
    "with a field": { body: encodeForm([{ name: "x", content: "y", fileName: "" }]).toString() },
    "with a part without a name": { body: whole.replace(/ name="[^"]*";/, "") },
    "with a long name": { body: encodeForm([{ name: "x".repeat(101), content: "y" }]).toString() },
    "with headers that do not end": { body: `--${boundary}\r\n${"x-header: y\r\n".repeat(3000)}` },
    "with headers that are none": { body: `--${boundary}\r\n\0\x01: y\r\n\r\nz\r\n--${boundary}--\r\n` },
  };

  for (const [name, { type, body }] of Object.entries(malformed)) {
    it(`refuses a body ${name}`, async () => {
      await start();
      const headers = type === "" ? {} : { "Content-Type": type ?? formType };
      const reply = await app.client.send("POST", path, { headers, body });
      expect(reply.status).to.equal(400);
      expect(reply.headers["content-type"]).to.equal("text/plain; charset=utf-8");
      expect(reply.text).to.match(/^body expected .*\n$/);
      expect(app.logged).to.deep.equal([]);
      // The connection is good for the next request.
      expect(statusesOf(await send([objectPart("x")]))).to.deep.equal([200]);
    });
  }

  for (const size of [1000, 3_000_000]) {
    it(`keeps nothing of a part of ${size} bytes that is cut, and all that came whole before it`, async () => {
      await start();
      const parts = Array.from({ length: 20 }, (_, i) => objectPart(`whole ${i}`));
      const cut = objectPart(randomBytes(size));
      const body = encodeForm([...parts, cut]);
      const socket = connect(app.port, "127.0.0.1");
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${formType}\r\nContent-Length: ${body.length}\r\n\r\n`,
      );
      socket.write(body.subarray(0, body.length - size / 2));
      const isStored = async ({ name }: FormPart): Promise<boolean> =>
        (await app.client.send("HEAD", `/r/${name}`)).status === 200;
      // Each is stored when it is there: none waits for the end of the request.
      for (const part of parts) while (!(await isStored(part))) await sleep(5);
      socket.resetAndDestroy();
      await new Promise((resolve) => socket.once("close", resolve));
      while (unfinishedUploads(app.dataPath).length > 0) await sleep(5);
      expect(await isStored(cut)).to.equal(false);
      expect(await isStored(parts[0]!)).to.equal(true);
      expect(app.logged).to.deep.equal([]);
    });
  }
});

describe("batch uploads to a storage", () => {
  type Put = (handle: FileHandle, body: AsyncIterable<Uint8Array>, inner: Storage) => Promise<void>;

  /** In memory, with a `put` of the test's own in front. */
  class Watched extends StorageWrapper {
    readonly #put: Put;

    constructor(inner: Storage, put: Put) {
      super(inner);
      this.#put = put;
    }

    override put(handle: FileHandle, body: AsyncIterable<Uint8Array>): Promise<void> {
      return this.#put(handle, body, this.inner);
    }
  }

  async function post(put: Put, parts: readonly FormPart[], logged: string[] = []): Promise<PartResult[]> {
    const repositories = new MemoryRepositories();
    const app = createApp({
      repositories: { at: (folders) => new Watched(repositories.at(folders), put) },
      authenticator: noAuthentication,
      log: (line) => logged.push(line),
    });
    const { body } = await supertest(app).post(path).set("Content-Type", formType).send(encodeForm(parts)).expect(200);
    return (body as { results: PartResult[] }).results;
  }

  it("store a few small parts at once, and a large one alone", async () => {
    let running = 0;
    let most = 0;
    const besideLarge: number[] = [];
    const put: Put = async (handle, body, inner) => {
      running += 1;
      most = Math.max(most, running);
      let bytes = 0;
      async function* counted(): AsyncGenerator<Uint8Array> {
        for await (const chunk of body) {
          bytes += chunk.length;
          if (bytes > 300_000) besideLarge.push(running);
          yield chunk;
        }
      }
      await sleep(5);
      await inner.put(handle, counted());
      running -= 1;
    };
    const small = (): FormPart => objectPart(randomBytes(1000));
    const parts = [...Array.from({ length: 40 }, small), objectPart(randomBytes(900_000)), small(), small()];
    const results = await post(put, parts);
    expect(results.map(({ status }) => status)).to.deep.equal(parts.map(() => 200));
    expect(most).to.be.within(2, 8);
    expect(new Set(besideLarge)).to.deep.equal(new Set([1]));
  });

  it("read no more of the line than may wait for a slow storage", async () => {
    const held: (() => void)[] = [];
    const storage = new Watched(new MemoryRepositories().at([]), async (handle, body, inner) => {
      await new Promise<void>((resolve) => held.push(resolve));
      await inner.put(handle, body);
    });
    const sizeBytes = 200_000;
    const body = encodeForm(Array.from({ length: 60 }, () => objectPart(randomBytes(sizeBytes))));
    let takenBytes = 0;
    async function* content(): AsyncGenerator<Uint8Array> {
      for (; takenBytes < body.length; takenBytes += 65_536) yield body.subarray(takenBytes, takenBytes + 65_536);
    }
    const parts = new BatchParts({ storage, limits: batchLimits, reportFailure: expect.fail });
    const headers = { "content-type": formType, "content-length": `${body.length}` };
    let isRead = false;
    let releasedBytes = 0;
    const reading = readParts({ headers, content: content() }, batchLimits, parts).then(() => {
      isRead = true;
    });
    while (!isRead) {
      for (let last = -1; last !== takenBytes; ) {
        last = takenBytes;
        for (let turn = 0; turn < 20; turn++) await nextTurn();
      }
      // The storage stands still, and so does the line.
      expect(held.length).to.be.at.most(8);
      expect(takenBytes - releasedBytes).to.be.at.most(2_000_000);
      held.shift()?.();
      releasedBytes += sizeBytes;
    }
    await reading;
    expect(parts.results.map(({ status }) => status)).to.deep.equal(Array.from({ length: 60 }, () => 200));
  });

  it("tell the operator what is the server's own trouble, and the client only its status", async () => {
    const logged: string[] = [];
    const put: Put = async (handle, body, inner) => {
      const text = describeHandle(handle);
      if (handle.type === "index") throw new CofferError("out-of-space", `no room for ${text} in /srv/secret`);
      if (handle.type === "keys") throw new TypeError("a mistake");
      await inner.put(handle, body);
    };
    const results = await post(put, [objectPart("a", "index"), objectPart("b"), objectPart("c", "keys")], logged);
    expect(results.map(({ status, error }) => [status, error])).to.deep.equal([
      [507, "Insufficient Storage"],
      [200, undefined],
      [500, "Internal Server Error"],
    ]);
    expect(logged).to.have.length(2);
    expect(logged.join()).to.include("/srv/secret").and.include("TypeError: a mistake");
  });
});
