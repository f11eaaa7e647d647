/**
 * The story that must never break: however many requests a command makes, it opens no more connections than it has slots. Our
 * client, as every command uses it, against our server, which counts what it accepts.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { Agent, type Dispatcher, Pool } from "undici";
import type { Backend } from "../../client/backends/backend.ts";
import { LimitedBackend } from "../../client/backends/limit.ts";
import { RestBackend } from "../../client/backends/rest.ts";
import { describeRetry } from "../../client/backends/retry.ts";
import { type BackendOptions, type OpenedBackend, openBackend } from "../../client/platform/open-backend.ts";
import { UndiciTransport, type UndiciTransportOptions } from "../../client/platform/undici-transport.ts";
import { expectCode, handleOf } from "../conformance/backend.ts";
import { type CountedServer, startCountedServer } from "../support/counted-server.ts";

const program = fileURLToPath(new URL("../../server/main.ts", import.meta.url));
const requestCount = 5000;
/** Races between an answer and the next request may cost a connection or two; the bug costs one per request. */
const spareConnections = 2;
const mebibyte = 1024 * 1024;

async function inParallel(workers: number, count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: workers }, worker));
}

describe("connections", function () {
  this.timeout(120_000);
  let folder: string;
  let server: CountedServer;
  let origin: string;
  const objects = Array.from({ length: 50 }, () => randomBytes(4096));
  const handles = objects.map((content) => handleOf(content));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "coffer-connections-"));
    server = await startCountedServer(["--no-auth", "--path", folder], { program });
    origin = `http://${server.address}`;
    const backend = await open();
    await backend.create();
    await inParallel(10, objects.length, (index) => backend.save(handles[index]!, objects[index]!));
    await backend.close();
  });

  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  function open(options: BackendOptions = {}): Promise<OpenedBackend> {
    return openBackend(`rest:${origin}/r/`, {
      onRetry: (report) => expect.fail(describeRetry(report)),
      ...options,
    });
  }

  /** Without retries, which would hide errors, but with the limit. */
  function openBare(options: Partial<UndiciTransportOptions> & { connections: number }): Backend {
    const transport = new UndiciTransport({ origin, ...options });
    const { connections } = options;
    return new LimitedBackend(new RestBackend({ transport, location: origin, basePath: "/r/", connections }));
  }

  async function countAccepted(work: () => Promise<void>): Promise<number> {
    const before = await server.acceptedConnections();
    await work();
    return (await server.acceptedConnections()) - before;
  }

  for (const limit of [10, 40]) {
    describe(`with ${limit} workers and ${limit} slots`, () => {
      let backend: OpenedBackend;

      beforeEach(async () => {
        backend = await open({ connections: limit });
      });

      async function expectFewConnections(work: (index: number) => Promise<unknown>): Promise<void> {
        const accepted = await countAccepted(() => inParallel(limit, requestCount, work));
        expect(accepted).to.be.at.most(limit + spareConnections);
        expect(backend.openedConnections).to.equal(accepted);
        await backend.close();
      }

      it(`opens few for ${requestCount} reads`, async () => {
        const range = { offsetBytes: 100, lengthBytes: 1000 };
        await expectFewConnections(async (index) => {
          const at = index % objects.length;
          const loaded = await backend.load(handles[at]!, index % 2 === 0 ? {} : { range });
          expect(loaded).to.have.length(index % 2 === 0 ? 4096 : 1000);
        });
      });

      it(`opens few for ${requestCount} HEADs`, async () => {
        await expectFewConnections(async (index) => {
          expect(await backend.stat(handles[index % objects.length]!)).to.equal(4096);
        });
      });

      it(`opens few for ${requestCount} uploads`, async () => {
        await expectFewConnections((index) => {
          const content = Buffer.from(`${limit} ${index}`);
          return backend.save(handleOf(content, "index"), content);
        });
      });
    });
  }

  it("opens no more for 40 workers that share 5 slots", async () => {
    const backend = await open({ connections: 5 });
    const accepted = await countAccepted(() =>
      inParallel(40, requestCount, (index) => backend.load(handles[index % handles.length]!)),
    );
    expect(accepted).to.be.at.most(5);
    await backend.close();
  });

  describe("on error paths", () => {
    const limit = 10;
    const existing = randomBytes(mebibyte);
    const other = randomBytes(mebibyte);
    const cases: Record<string, { count: number; work: (backend: Backend, index: number) => Promise<unknown> }> = {
      "404": {
        count: requestCount,
        work: (backend, index) => expectCode("not-found", backend.load(handleOf(Buffer.from(`absent ${index}`)))),
      },
      "404 to HEAD": {
        count: requestCount,
        work: (backend, index) => expectCode("not-found", backend.stat(handleOf(Buffer.from(`absent ${index}`)))),
      },
      "403 with a body of 1 MiB": {
        count: requestCount,
        work: (backend) => expectCode("already-exists", backend.save(handleOf(existing), other)),
      },
      "416": {
        count: requestCount,
        work: (backend) => {
          const range = { offsetBytes: 5000, lengthBytes: 10 };
          return expectCode("out-of-range", backend.load(handles[0]!, { range }));
        },
      },
    };

    before(async () => {
      const backend = await open();
      await backend.save(handleOf(existing), existing);
      await backend.close();
    });

    for (const [name, { count, work }] of Object.entries(cases)) {
      it(`opens few for ${count} answers ${name}`, async () => {
        const backend = openBare({ connections: limit });
        const accepted = await countAccepted(() => inParallel(limit, count, (index) => work(backend, index)));
        expect(accepted).to.be.at.most(limit + spareConnections);
        await backend.close();
      });
    }
  });

  describe("negative control: the same client with its cures taken away", () => {
    /** A pool that behaves as if the client had forgotten something. */
    function poolWith(
      dispatch: (pool: Pool, ...call: Parameters<Pool["dispatch"]>) => boolean,
    ): Partial<UndiciTransportOptions> {
      return {
        createPool: (poolOrigin, options): Dispatcher => {
          const pool = new Pool(poolOrigin, options);
          return Object.assign(new Agent(), {
            dispatch: (...call: Parameters<Pool["dispatch"]>) => dispatch(pool, ...call),
            close: () => pool.close(),
          });
        },
      };
    }

    it("opens a connection for nearly every HEAD when undici's reset is left at its default", async () => {
      const forgetful = poolWith((pool, { reset: _, ...options }, handler) => pool.dispatch(options, handler));
      const backend = openBare({ connections: 10, ...forgetful });
      const accepted = await countAccepted(() =>
        inParallel(10, requestCount, (index) => backend.stat(handles[index % handles.length]!)),
      );
      expect(accepted).to.be.above(0.9 * requestCount);
      await backend.close();
    });

    it("opens a connection for nearly every read when bodies are not read to their end", async () => {
      const forgetful = poolWith((pool, options, handler) =>
        pool.dispatch(options, {
          onRequestStart: (...call) => handler.onRequestStart?.(...call),
          onResponseStart: (controller, ...call) => {
            handler.onResponseStart?.(controller, ...call);
            handler.onResponseError?.(controller, new Error("the caller has seen enough"));
            controller.abort(new Error("the body is left alone"));
          },
          onResponseData: () => undefined,
          onResponseEnd: () => undefined,
          onResponseError: () => undefined,
        }),
      );
      const backend = openBare({ connections: 10, ...forgetful });
      const accepted = await countAccepted(() =>
        inParallel(10, requestCount, (index) =>
          expectCode("unavailable", backend.load(handles[index % handles.length]!)),
        ),
      );
      expect(accepted).to.be.above(0.9 * requestCount);
      await backend.close();
    });
  });
});
