/** The kinds of work that a load does, each as one request of many. */
import { createHash } from "node:crypto";
import type { LoadClient, LoadRequest } from "./client.ts";
import { abortUpload, liveOnce } from "./cycle.ts";
import { type LoadObject, type ObjectSet, objectsOf } from "./objects.ts";

export interface LoadOrder {
  readonly work: WorkName;
  /** Of the repository, with a slash at its end. */
  readonly url: string;
  readonly connections: number;
  readonly requests: number;
  /** What to upload, or what was uploaded before. */
  readonly objects: ObjectSet;
}

export type WorkName = "create" | "put" | "get" | "range" | "head" | "list" | "lock" | "cycle" | "verify" | "remove";

/** Does the i-th request and throws when the answer is not what it should be. */
type Work = (client: LoadClient, i: number) => Promise<void>;

const rangeBytes = 65_536;
/** An entry of a list: name and size of an object of one digit's size. */
const smallestEntryBytes = 80;
const abortEvery = 20;

export function workOf({ work, url, objects: set }: LoadOrder): Work {
  const objects = work === "list" || work === "create" ? [] : objectsOf(set);
  const objectAt = (i: number): LoadObject => objects[i % objects.length] ?? fail("no objects to work on");
  return works[work]({ objectAt, set, url });
}

interface Scene {
  readonly objectAt: (i: number) => LoadObject;
  readonly set: ObjectSet;
  readonly url: string;
}

const works: Readonly<Record<WorkName, (scene: Scene) => Work>> = {
  create: () => (client) => expectAnswer(client, { method: "POST", path: "?create=true", pieces: [] }, 200, 0),
  put: (scene) => (client, i) => {
    const { id, pieces } = scene.objectAt(i);
    return expectAnswer(client, { method: "POST", path: `data/${id}`, pieces }, 200, 0);
  },
  // restic always sends a range.
  get: (scene) => (client, i) => {
    const { id, sizeBytes } = scene.objectAt(i);
    return expectAnswer(client, { method: "GET", path: `data/${id}`, range: "bytes=0-" }, 206, sizeBytes);
  },
  range: (scene) => (client, i) => {
    const { id, sizeBytes } = scene.objectAt(i);
    // Scattered over the whole file, the same for every server.
    const first = (Math.imul(i + 1, 2_654_435_761) >>> 0) % (sizeBytes - rangeBytes + 1);
    const range = `bytes=${first}-${first + rangeBytes - 1}`;
    return expectAnswer(client, { method: "GET", path: `data/${id}`, range }, 206, rangeBytes);
  },
  head: (scene) => (client, i) =>
    expectAnswer(client, { method: "HEAD", path: `data/${scene.objectAt(i).id}` }, 200, 0),
  list: (scene) => async (client) => {
    const { status, bodyBytes } = await client.send({ method: "GET", path: "data/" });
    if (status !== 200 || bodyBytes < scene.set.count * smallestEntryBytes) {
      fail(`list of ${scene.set.count}: status ${status}, ${bodyBytes} bytes`);
    }
  },
  lock: (scene) => (client, i) => {
    const { id, pieces } = scene.objectAt(i);
    return expectAnswer(client, { method: "POST", path: `locks/${id}`, pieces }, 200, 0);
  },
  cycle: (scene) => async (client, i) => {
    await liveOnce(client, scene.objectAt(i));
    if (i % abortEvery === 0) await abortUpload(scene.url);
  },
  verify: (scene) => async (client, i) => {
    const { id } = scene.objectAt(i);
    const hash = createHash("sha256");
    await client.send({ method: "GET", path: `data/${id}`, onData: (piece) => hash.update(piece) });
    if (hash.digest("hex") !== id) fail(`object ${id} came back with other bytes`);
  },
  remove: (scene) => (client, i) =>
    expectAnswer(client, { method: "DELETE", path: `data/${scene.objectAt(i).id}` }, 200, 0),
};

async function expectAnswer(
  client: LoadClient,
  request: LoadRequest,
  status: number,
  bodyBytes: number,
): Promise<void> {
  const answer = await client.send(request);
  if (answer.status === status && answer.bodyBytes === bodyBytes) return;
  fail(
    `${request.method} ${request.path}: expected status ${status} with ${bodyBytes} bytes, got ${answer.status} with ${answer.bodyBytes}`,
  );
}

function fail(message: string): never {
  throw new Error(message);
}
