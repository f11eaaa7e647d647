/**
 * The server is killed under load, at random moments, twenty times. After each restart everything that it acknowledged is there
 * and whole, nothing else is listed, and nothing unfinished is left.
 */
import { createHash, randomInt } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { type FileType, fileTypes, isId, pathOf } from "../../shared/format/layout.ts";
import { listMediaTypes } from "../../shared/rest/media-types.ts";
import { HttpTestClient } from "../support/http.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { type TestObject, testObject } from "../support/stored-files.ts";

const kills = 20;
const workers = 8;
const sizes = [0, 100, 4_000, 70_000, 400_000, 1_500_000];

/** What the clients know about the stored files. */
class Ledger {
  /** Acknowledged uploads. */
  readonly stored = new Map<string, TestObject>();
  /** Uploads and deletions without an answer: such a file may be there or not. */
  readonly uncertain = new Map<string, TestObject>();

  isKnown(place: string): boolean {
    return this.stored.has(place) || this.uncertain.has(place);
  }
}

const placeOf = ({ type, id }: TestObject): string => `${type}/${id}`;

describe("a server that is killed under load", function () {
  this.timeout(180_000);
  let server: TestServer;
  let ledger: Ledger;
  let serial = 0;

  before(async () => {
    ledger = new Ledger();
    server = await startServer();
  });

  after(() => server.stop());

  it(`keeps what it acknowledged, ${kills} times`, async () => {
    for (let round = 0; round < kills; round++) {
      const load = runLoad();
      await sleep(randomInt(10, 250));
      await server.kill();
      await load;
      await server.restart();
      await verify(`after kill ${round + 1}`);
    }
    expect(ledger.stored.size).to.be.greaterThan(kills);
  });

  /** Uploads and deletes until the server is gone. */
  async function runLoad(): Promise<void> {
    const client = new HttpTestClient({ port: server.port });
    await Promise.all(Array.from({ length: workers }, () => work(client)));
    client.close();
  }

  async function work(client: HttpTestClient): Promise<void> {
    let isAlive = true;
    while (isAlive) {
      serial += 1;
      const type = fileTypes[randomInt(fileTypes.length)] ?? "data";
      const object = testObject(`object ${serial}`, sizes[randomInt(sizes.length)] ?? 0, type);
      isAlive = await upload(client, object);
      // All empty files are the same one: one worker may not remove what another one is about to store again.
      if (isAlive && type === "locks" && object.content.length > 0) isAlive = await remove(client, object);
    }
  }

  async function upload(client: HttpTestClient, object: TestObject): Promise<boolean> {
    const place = placeOf(object);
    if (!ledger.stored.has(place)) ledger.uncertain.set(place, object);
    const isChunked = randomInt(2) === 0;
    const headers = isChunked ? { "Transfer-Encoding": "chunked" } : {};
    const status = await statusOf(client, "POST", place, { headers, body: object.content });
    if (status === undefined) return false;
    expect(status).to.equal(200);
    ledger.uncertain.delete(place);
    ledger.stored.set(place, object);
    return true;
  }

  async function remove(client: HttpTestClient, object: TestObject): Promise<boolean> {
    const place = placeOf(object);
    ledger.stored.delete(place);
    ledger.uncertain.set(place, object);
    const status = await statusOf(client, "DELETE", place, {});
    if (status === undefined) return false;
    expect(status).to.equal(200);
    ledger.uncertain.delete(place);
    return true;
  }

  /** The status, or undefined when the server is gone. */
  async function statusOf(
    client: HttpTestClient,
    method: string,
    place: string,
    settings: Parameters<HttpTestClient["send"]>[2],
  ): Promise<number | undefined> {
    try {
      return (await client.send(method, `/${place}`, settings)).status;
    } catch {
      return undefined;
    }
  }

  async function verify(when: string): Promise<void> {
    const client = new HttpTestClient({ port: server.port });
    const listed = new Set<string>();
    for (const type of fileTypes) {
      for (const { name, size } of await list(client, type)) {
        const place = `${type}/${name}`;
        listed.add(place);
        expect(ledger.isKnown(place), `${when}, listed: ${place}`).to.equal(true);
        const content = readFileSync(join(server.dataPath, pathOf({ type, id: name })));
        expect(content.length, place).to.equal(size);
        expect(createHash("sha256").update(content).digest("hex"), `${when}, content`).to.equal(name);
      }
    }
    for (const place of ledger.stored.keys()) expect(listed.has(place), `${when}, missing: ${place}`).to.equal(true);
    const unfinished = readdirSync(server.dataPath, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && !isId(entry.name))
      .map((entry) => join(entry.parentPath, entry.name));
    expect(unfinished, when).to.deep.equal([]);
    await settleUncertain(client, listed);
    client.close();
  }

  async function list(client: HttpTestClient, type: FileType): Promise<{ name: string; size: number }[]> {
    const reply = await client.send("GET", `/${type}/`, { headers: { Accept: listMediaTypes[2] } });
    // No folder yet: the server was killed before the first file of the type.
    if (reply.status === 404) return [];
    expect(reply.status).to.equal(200);
    return JSON.parse(reply.text) as { name: string; size: number }[];
  }

  /** What is there after the restart, stays; what is not, can be stored again, as a client would. */
  async function settleUncertain(client: HttpTestClient, listed: ReadonlySet<string>): Promise<void> {
    for (const [place, object] of ledger.uncertain) {
      if (listed.has(place)) ledger.stored.set(place, object);
      else if (object.content.length < 100_000) {
        expect((await client.send("POST", `/${place}`, { body: object.content })).status).to.equal(200);
        ledger.stored.set(place, object);
      }
    }
    ledger.uncertain.clear();
  }
});
