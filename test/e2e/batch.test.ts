/** Batches from our client to servers that offer them, and none to those that do not. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Backend } from "../../client/backends/backend.ts";
import { describeRetry, type RetryReport } from "../../client/backends/retry.ts";
import { openBackend } from "../../client/platform/open-backend.ts";
import { configHandle } from "../../shared/format/layout.ts";
import { encodeBatchAnswer, encodeBatchCapability } from "../../shared/rest/batch.ts";
import { end, type Intercept, SimpleServer } from "../client/backends/simple-server.ts";
import { expectCode, handleOf } from "../conformance/backend.ts";
import { type CountedServer, startCountedServer } from "../support/counted-server.ts";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import { type ServedApp, serveApp } from "../support/served-app.ts";

const count = 300;
const contents = Array.from({ length: count }, (_, i) => randomBytes(1 + ((i * 37) % 5000)));

async function saveAll(backend: Backend): Promise<void> {
  await Promise.all(contents.map((content) => backend.save(handleOf(content, "index"), content)));
}

async function expectAll(backend: Backend): Promise<void> {
  const expected = contents.map((content) => ({ id: handleOf(content).id, sizeBytes: content.length }));
  expect(await backend.list("index")).to.have.deep.members(expected);
}

describe("our client and our server", () => {
  let folder: string;
  let server: CountedServer;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "coffer-batch-"));
    const program = fileURLToPath(new URL("../../server/main.ts", import.meta.url));
    const log = join(folder, "access.log");
    server = await startCountedServer(["--no-auth", "--path", join(folder, "data"), "--log", log], { program });
  });

  afterEach(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("move many small objects with few requests over the connections that they have", async () => {
    const reports: RetryReport[] = [];
    const backend = await openBackend(`rest:http://${server.address}/r/`, {
      onRetry: (report) => reports.push(report),
    });
    await backend.create();
    await expectCode("not-found", backend.stat(configHandle));
    await saveAll(backend);
    await expectAll(backend);
    // All of it once more: what is there with the same bytes is success.
    await saveAll(backend);
    expect(backend.openedConnections).to.be.at.most(5);
    expect(await server.acceptedConnections()).to.equal(backend.openedConnections);
    await backend.close();
    await server.stop();
    const posts = readFileSync(join(folder, "access.log"), "utf8").match(/"POST \S+/g) ?? [];
    expect(posts.filter((line) => line.endsWith("/r/-/batch")).length).to.be.within(6, 30);
    expect(posts.length).to.be.at.most(60);
    expect(reports.map(describeRetry)).to.deep.equal([]);
  });
});

describe("our client and our application", () => {
  let app: ServedApp;

  beforeEach(async () => {
    app = await serveApp({ appendOnly: true });
  });

  afterEach(async () => {
    await app.stop();
  });

  it("tell for each object what was wrong with it", async () => {
    const backend = await openBackend(`rest:http://127.0.0.1:${app.port}/r/`, { connections: 1, retryMaximumMs: 0 });
    await backend.create();
    await expectCode("not-found", backend.stat(configHandle));
    const taken = handleOf(contents[0]!);
    await backend.save(taken, contents[0]!);
    const first = backend.save(handleOf(contents[1]!), contents[1]!);
    const saves = [
      backend.save(taken, contents[0]!),
      expectCode("already-exists", backend.save(taken, contents[2]!)),
      backend.save(handleOf(contents[3]!), contents[3]!),
    ];
    await Promise.all([first, ...saves]);
    await backend.close();
  });

  it("lose nothing on a line that is cut in the middle of batches", async () => {
    const proxy = await startCuttingProxy(app.port);
    let cuts = 0;
    const backend = await openBackend(`rest:${proxy.url}r/`, { connections: 2 });
    await backend.create();
    await expectCode("not-found", backend.stat(configHandle));
    const saving = saveAll(backend);
    const cutting = setInterval(() => {
      if (cuts++ < 3) proxy.cut();
    }, 30);
    await saving;
    clearInterval(cutting);
    await expectAll(backend);
    await backend.close();
    await proxy.stop();
  });
});

describe("our client and other servers", () => {
  const announced = encodeBatchCapability({ parts: 1000, partBytes: 1e6, totalBytes: 1e7 });

  /** What was asked of a server after all objects were saved. */
  async function requestsOf(intercept: Intercept): Promise<string[]> {
    const server = await SimpleServer.start({ intercept });
    try {
      const backend = await openBackend(server.location, { onRetry: (report) => expect.fail(describeRetry(report)) });
      await expectCode("not-found", backend.stat(configHandle));
      await saveAll(backend);
      await expectAll(backend);
      await backend.close();
      return server.requests;
    } finally {
      await server.stop();
    }
  }

  const isBatch = ({ url }: IncomingMessage): boolean => url === "/r/-/batch";
  const batchesIn = (requests: readonly string[]): number =>
    requests.filter((line) => line === "POST /r/-/batch").length;

  it("send no batch to one that does not offer it", async () => {
    const requests = await requestsOf(() => false);
    expect(batchesIn(requests)).to.equal(0);
    expect(requests.filter((line) => line.startsWith("POST /r/index/"))).to.have.length(count);
  });

  for (const status of [400, 404, 405, 413, 500, 501]) {
    it(`save everything singly when one offers batches and answers ${status}`, async () => {
      const requests = await requestsOf((request, response) => {
        response.setHeader("coffer-capabilities", announced);
        if (!isBatch(request)) return false;
        end(response, status);
        return true;
      });
      expect(batchesIn(requests)).to.be.within(1, 5);
      expect(requests.filter((line) => line.startsWith("POST /r/index/"))).to.have.length(count);
    });
  }

  const answers: Record<string, string> = {
    "that are no answers": "<html>welcome</html>",
    "about other parts": encodeBatchAnswer(Array.from({ length: 100 }, () => ({ name: "index/x", status: 200 }))),
    "about no part": encodeBatchAnswer([]),
  };
  for (const [name, text] of Object.entries(answers)) {
    it(`believe no answers ${name}`, async () => {
      const requests = await requestsOf((request, response) => {
        response.setHeader("coffer-capabilities", announced);
        if (!isBatch(request)) return false;
        end(response, 200, Buffer.from(text));
        return true;
      });
      expect(batchesIn(requests)).to.be.at.least(1);
      expect(requests.filter((line) => line.startsWith("POST /r/index/"))).to.have.length(count);
    });
  }
});
