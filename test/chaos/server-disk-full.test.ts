/** A disk without room: 507 for what does not fit, and nothing that was stored is lost. */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { MemoryRepositories } from "../../server/storage/memory.ts";
import type { Storage } from "../../server/storage/storage.ts";
import { CofferError } from "../../shared/errors.ts";
import { HttpTestClient } from "../support/http.ts";
import { requireRoot } from "../support/programs.ts";
import { serveApp } from "../support/served-app.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { type TestObject, testObject } from "../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";
import { unfinishedUploads } from "../support/unfinished-uploads.ts";

describe("a server whose disk is full", function () {
  this.timeout(60_000);
  let folder: TemporaryFolder;
  let mounted: string | undefined;
  let server: TestServer | undefined;
  let client: HttpTestClient;

  async function serveFrom(tmpfsOptions: string): Promise<void> {
    folder = makeTemporaryFolder("full");
    const path = join(folder.path, "data");
    mkdirSync(path);
    const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", tmpfsOptions, "tmpfs", path], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`cannot mount a tmpfs: ${stderr}`);
    mounted = path;
    server = await startServer({ path });
    client = new HttpTestClient({ port: server.port });
  }

  beforeEach(function () {
    requireRoot(this);
  });

  afterEach(async () => {
    client?.close();
    await server?.stop();
    if (mounted !== undefined) spawnSync("umount", [mounted]);
    mounted = undefined;
    folder?.remove();
  });

  async function upload(object: TestObject): Promise<number> {
    return (await client.send("POST", `/${object.type}/${object.id}`, { body: object.content })).status;
  }

  async function expectStored(objects: readonly TestObject[]): Promise<void> {
    for (const object of objects) {
      const reply = await client.send("GET", `/${object.type}/${object.id}`);
      expect(reply.status).to.equal(200);
      expect(reply.body.equals(object.content)).to.equal(true);
    }
    const listed = JSON.parse((await client.send("GET", "/data/")).text) as string[];
    const expected = objects.filter(({ type }) => type === "data").map(({ id }) => id);
    expect(listed.sort()).to.deep.equal(expected.sort());
  }

  it("answers 507 when there is no room for bytes, to one and to many at once", async () => {
    await serveFrom("size=16m");
    expect((await client.send("POST", "/?create=true")).status).to.equal(200);
    const stored: TestObject[] = [];
    for (let i = 0; ; i++) {
      const object = testObject(`fills ${i}`, 1_500_000);
      const status = await upload(object);
      if (status === 507) break;
      expect(status).to.equal(200);
      stored.push(object);
    }
    expect(stored.length).to.be.greaterThan(5);
    const many = Array.from({ length: 20 }, (_, i) => testObject(`too much ${i}`, 2_500_000));
    expect(new Set(await Promise.all(many.map(upload)))).to.deep.equal(new Set([507]));
    await expectStored(stored);
    expect(unfinishedUploads(mounted ?? "")).to.deep.equal([]);
    // What was acknowledged already is not refused because there is no room for it twice.
    expect(await upload(stored[0]!)).to.equal(200);
    const [removed, ...kept] = stored;
    expect((await client.send("DELETE", `/data/${removed?.id}`)).status).to.equal(200);
    const fits = testObject("fits", 1_000_000);
    expect(await upload(fits)).to.equal(200);
    await expectStored([...kept, fits]);
  });

  it("answers 507 when there is no room for names", async () => {
    await serveFrom("size=64m,nr_inodes=400");
    expect((await client.send("POST", "/?create=true")).status).to.equal(200);
    const stored: TestObject[] = [];
    for (let i = 0; i < 300; i++) {
      const object = testObject(`name ${i}`, 100);
      const status = await upload(object);
      if (status === 507) break;
      expect(status).to.equal(200);
      stored.push(object);
    }
    expect(stored.length).to.be.within(50, 200);
    expect(await upload(testObject("one more", 100))).to.equal(507);
    expect((await client.send("POST", "/another/?create=true")).status).to.equal(507);
    await expectStored(stored);
  });
});

describe("a storage with a quota", () => {
  it("is answered with 507, and what was stored stays", async () => {
    const inner = new MemoryRepositories();
    const limitBytes = 100_000;
    const limited = (storage: Storage): Storage => ({
      create: () => storage.create(),
      list: (type) => storage.list(type),
      stat: (handle) => storage.stat(handle),
      read: (handle, selection) => storage.read(handle, selection),
      remove: (handle) => storage.remove(handle),
      put: (handle, body) => storage.put(handle, limitedBody(body, limitBytes)),
    });
    const served = await serveApp({ repositories: { at: (folders) => limited(inner.at(folders)) } });
    try {
      const small = testObject("small", 100_000);
      const large = testObject("large", 100_001);
      const paths = [small, large].map(({ type, id }) => `/${type}/${id}`);
      expect((await served.client.send("POST", paths[0]!, { body: small.content })).status).to.equal(200);
      const reply = await served.client.send("POST", paths[1]!, { body: large.content });
      expect(reply.status).to.equal(507);
      expect(reply.text).to.equal("Insufficient Storage\n");
      expect((await served.client.send("GET", paths[1]!)).status).to.equal(404);
      expect((await served.client.send("GET", paths[0]!)).body.equals(small.content)).to.equal(true);
      expect(served.logged).to.have.length(1);
    } finally {
      await served.stop();
    }
  });
});

async function* limitedBody(body: AsyncIterable<Uint8Array>, limitBytes: number): AsyncIterable<Uint8Array> {
  let receivedBytes = 0;
  for await (const chunk of body) {
    receivedBytes += chunk.length;
    if (receivedBytes > limitBytes) throw new CofferError("out-of-space", `quota of ${limitBytes} bytes is used up`);
    yield chunk;
  }
}
