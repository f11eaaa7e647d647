/**
 * Our client and our server over lines that are cut, stall or crawl, and with a server that dies: what was saved is there, what was
 * loaded is right, and it costs nothing but time.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { RetryReport } from "../../client/backends/retry.ts";
import { type BackendOptions, type OpenedBackend, openBackend } from "../../client/platform/open-backend.ts";
import { hasErrorCode } from "../../shared/errors.ts";
import { handleOf, idOf } from "../conformance/backend.ts";
import { type CountedServer, startCountedServer } from "../support/counted-server.ts";
import { waitUntil } from "../support/wait-until.ts";

const program = fileURLToPath(new URL("../../server/main.ts", import.meta.url));
const mebibyte = 1024 * 1024;

/** A proxy that hands each new connection to the test: `forward` passes bytes on as usual. */
async function startProxy(
  targetPort: number,
  onConnection: (client: Socket, target: Socket, index: number) => void,
): Promise<{ url: string; stop: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createServer((client) => {
    const target = connect(targetPort, "127.0.0.1");
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
    onConnection(client, target, count);
    count += 1;
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  };
  return { url: `http://127.0.0.1:${port}/r/`, stop };
}

function forward(client: Socket, target: Socket): void {
  client.pipe(target);
  target.pipe(client);
}

describe("bad lines", function () {
  this.timeout(60_000);
  let folder: string;
  let server: CountedServer;
  let port: number;
  /** Also after a failure: what stays open would keep the test run from ending. */
  const cleanUps: (() => Promise<void>)[] = [];

  async function open(location: string, options: BackendOptions = {}): Promise<OpenedBackend> {
    const backend = await openBackend(location, { retryMaximumMs: 20_000, ...options });
    cleanUps.push(() => backend.close());
    return backend;
  }

  async function use<Proxy extends { stop: () => Promise<void> }>(starting: Promise<Proxy>): Promise<Proxy> {
    const proxy = await starting;
    cleanUps.push(() => proxy.stop());
    return proxy;
  }

  afterEach(async () => {
    // Proxies come first: a backend closes when its requests have ended.
    for (const cleanUp of cleanUps.splice(0)) await cleanUp();
  });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "coffer-lines-"));
    server = await startCountedServer(["--no-auth", "--path", folder], { program });
    port = Number(server.address.split(":").at(-1));
    const backend = await openBackend(`rest:http://${server.address}/r/`);
    await backend.create();
    await backend.close();
  });

  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("a server that is killed and started again costs nothing but time", async () => {
    const reports: RetryReport[] = [];
    const backend = await open(`rest:http://127.0.0.1:${port}/r/`, {
      onRetry: (report) => reports.push(report),
    });
    const contents = Array.from({ length: 120 }, () => randomBytes(200_000));
    let savedCount = 0;
    const work = (async () => {
      for (let at = 0; at < contents.length; at += 4) {
        await Promise.all(contents.slice(at, at + 4).map((content) => backend.save(handleOf(content), content)));
        savedCount += 4;
        const content = contents[at] ?? randomBytes(0);
        expect(content.equals(await backend.load(handleOf(content)))).to.equal(true);
      }
    })();
    await waitUntil(() => savedCount >= 20);
    await server.kill();
    await sleep(700);
    server = await startCountedServer(["--no-auth", "--path", folder], { program, port });
    await work;
    expect(reports.some((report) => report.kind === "recovered")).to.equal(true);
    const listed = await backend.list("data");
    expect(listed).to.have.deep.members(contents.map((content) => ({ id: idOf(content), sizeBytes: 200_000 })));
    for (const content of contents) expect(content.equals(await backend.load(handleOf(content)))).to.equal(true);
    await Promise.all(listed.map(({ id }) => backend.remove({ type: "data", id })));
  });

  it("a line that is cut in the middle of uploads and downloads is taken up again", async () => {
    let cutsLeft = 0;
    const proxy = await use(
      startProxy(port, (client, target) => {
        let passedBytes = 0;
        const pass = (to: Socket) => (data: Buffer) => {
          to.write(data);
          passedBytes += data.length;
          if (passedBytes < mebibyte || cutsLeft === 0) return;
          cutsLeft -= 1;
          client.resetAndDestroy();
        };
        client.on("data", pass(target));
        target.on("data", pass(client));
      }),
    );
    const reports: RetryReport[] = [];
    const backend = await open(`rest:${proxy.url}`, { onRetry: (report) => reports.push(report) });
    const contents = [randomBytes(3 * mebibyte), randomBytes(3 * mebibyte)];
    cutsLeft = 3;
    await Promise.all(contents.map((content) => backend.save(handleOf(content), content)));
    const saved = reports.filter((report) => report.operation.startsWith("Save"));
    expect(saved.map((report) => report.kind)).to.include.members(["retrying", "recovered"]);
    cutsLeft = 3;
    const loads = contents.map(async (content) => {
      const into = new Uint8Array(new SharedArrayBuffer(3 * mebibyte));
      expect(content.equals(await backend.load(handleOf(content), { into }))).to.equal(true);
    });
    await Promise.all(loads);
    const loaded = reports.filter((report) => report.operation.startsWith("Load"));
    expect(loaded.map((report) => report.kind)).to.include.members(["retrying", "recovered"]);
    expect(cutsLeft).to.equal(0);
  });

  it("a request that stalls is ended and repeated", async () => {
    const proxy = await use(
      startProxy(port, (client, target, index) => {
        // The first connection is a black hole.
        if (index === 0) client.resume();
        else forward(client, target);
      }),
    );
    const reports: RetryReport[] = [];
    const backend = await open(`rest:${proxy.url}`, {
      stuckRequestTimeoutMs: 700,
      onRetry: (report) => reports.push(report),
    });
    const content = randomBytes(1000);
    await backend.save(handleOf(content), content);
    expect(content.equals(await backend.load(handleOf(content)))).to.equal(true);
    expect(reports.map((report) => report.kind)).to.deep.equal(["retrying", "recovered"]);
    const [first] = reports;
    expect(first?.kind === "retrying" && hasErrorCode(first.error, "request-timeout")).to.equal(true);
  });

  it("an answer that is lost after the file was stored is not a failure, nor a second file", async () => {
    const proxy = await use(
      startProxy(port, (client, target, index) => {
        client.pipe(target);
        if (index > 0) target.pipe(client);
        else target.once("data", () => client.destroy());
      }),
    );
    const reports: RetryReport[] = [];
    const backend = await open(`rest:${proxy.url}`, { onRetry: (report) => reports.push(report) });
    const content = randomBytes(50_000);
    await backend.save(handleOf(content, "snapshots"), content);
    expect(reports.map((report) => report.kind)).to.deep.equal(["retrying", "recovered"]);
    expect(await backend.list("snapshots")).to.deep.equal([{ id: idOf(content), sizeBytes: 50_000 }]);
    await backend.remove(handleOf(content, "snapshots"));
  });

  it("a lock is refreshed at once while all other connections are stuck in uploads", async () => {
    const connections = 5;
    const stalled: Socket[] = [];
    const proxy = await use(
      startProxy(port, (client, target) => {
        let passedBytes = 0;
        target.pipe(client);
        client.on("data", (data) => {
          target.write(data);
          passedBytes += data.length;
          if (passedBytes < 256 * 1024) return;
          client.pause();
          stalled.push(client);
        });
      }),
    );
    const backend = await open(`rest:${proxy.url}`, { connections });
    const stop = new AbortController();
    const uploads = Array.from({ length: 2 * connections }, () => {
      const content = randomBytes(16 * mebibyte);
      return backend.save(handleOf(content), content, stop.signal).catch((error: unknown) => error);
    });
    await waitUntil(() => stalled.length === connections);

    const startMs = performance.now();
    const [older, newer] = [randomBytes(150), randomBytes(150)];
    await backend.save(handleOf(older, "locks"), older);
    for (let round = 0; round < 3; round += 1) {
      await backend.save(handleOf(newer, "locks"), newer);
      expect(await backend.list("locks")).to.have.length(2);
      await backend.remove(handleOf(newer, "locks"));
    }
    await backend.remove(handleOf(older, "locks"));
    // Eleven small requests; the uploads would take for ever.
    expect(performance.now() - startMs).to.be.below(5000);
    expect(backend.openedConnections).to.equal(connections + 1);

    stop.abort();
    for (const error of await Promise.all(uploads)) expect(hasErrorCode(error, "cancelled")).to.equal(true);
  });
});
