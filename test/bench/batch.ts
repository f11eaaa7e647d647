/** What batches gain on a line with a high latency: many small objects, one by one and together, over the same connections. */
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Backend } from "../../client/backends/backend.ts";
import { LimitedBackend } from "../../client/backends/limit.ts";
import { RestBackend } from "../../client/backends/rest.ts";
import { openBackend } from "../../client/platform/open-backend.ts";
import { UndiciTransport } from "../../client/platform/undici-transport.ts";
import { configHandle } from "../../shared/format/layout.ts";
import { idOf } from "../conformance/backend.ts";
import { startCountedServer } from "../support/counted-server.ts";
import { startDelayingProxy } from "../support/delaying-proxy.ts";
import { median, printTable } from "./table.ts";

const objects = 500;
const objectBytes = 4096;
const connections = 5;
/** With 100, each direction takes 50 ms. */
const roundTripsMs = [50, 100];

export async function measureBatches(workFolder: string, rounds: number): Promise<void> {
  const rows: string[][] = [];
  for (const roundTripMs of roundTripsMs) {
    const folder = join(workFolder, `batch-${roundTripMs}`);
    mkdirSync(folder);
    const singleMs: number[] = [];
    const batchedMs: number[] = [];
    for (let round = 0; round < rounds; round++) {
      singleMs.push(await measure(folder, roundTripMs, openSingle));
      batchedMs.push(await measure(folder, roundTripMs, openBatching));
    }
    rmSync(folder, { recursive: true });
    const ratio = median(singleMs) / median(batchedMs);
    const cells = [median(singleMs), median(batchedMs)].map((ms) => `${ms.toFixed(0)} ms`);
    rows.push([`round trip ${roundTripMs} ms`, ...cells, `${ratio.toFixed(1)} times`, "5 times"]);
  }
  const title = `${objects} objects of ${objectBytes} bytes, ${connections} connections, median of ${rounds}`;
  printTable([title, "one by one", "in batches", "faster", "at least"], rows);
}

/** As commands use it. */
function openBatching(origin: string): Promise<Backend> {
  return openBackend(`rest:${origin}/r/`, { connections });
}

/** The same without what gathers. */
async function openSingle(origin: string): Promise<Backend> {
  const transport = new UndiciTransport({ origin, connections });
  return new LimitedBackend(new RestBackend({ transport, location: origin, basePath: "/r/", connections }));
}

/** Milliseconds for all objects, fresh ones each time. Connections are opened before. */
async function measure(
  folder: string,
  roundTripMs: number,
  open: (origin: string) => Promise<Backend>,
): Promise<number> {
  const server = await startCountedServer(["--no-auth", "--path", folder]);
  const proxy = await startDelayingProxy(Number(server.address.split(":")[1]), roundTripMs);
  const backend = await open(proxy.url.slice(0, -1));
  const askForConfig = (): Promise<unknown> => backend.stat(configHandle).catch(() => undefined);
  try {
    await backend.create();
    await Promise.all(Array.from({ length: connections }, askForConfig));
    const contents = Array.from({ length: objects }, () => randomBytes(objectBytes));
    const ids = contents.map(idOf);
    const begunMs = performance.now();
    await Promise.all(contents.map((content, i) => backend.save({ type: "index", id: ids[i] ?? "" }, content)));
    const elapsedMs = performance.now() - begunMs;
    const stored = new Set((await backend.list("index")).map(({ id }) => id));
    if (!ids.every((id) => stored.has(id))) throw new Error("an object that was acknowledged is not listed");
    return elapsedMs;
  } finally {
    await backend.close();
    await proxy.stop();
    await server.stop();
  }
}
