import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer as createTlsHttpServer } from "node:https";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { RateLimiter } from "../../../client/backends/rate-limit.ts";
import type { HttpRequest, HttpResponse } from "../../../client/backends/transport.ts";
import { openBackend } from "../../../client/platform/open-backend.ts";
import { readTlsOptions } from "../../../client/platform/tls-files.ts";
import { UndiciTransport, type UndiciTransportOptions } from "../../../client/platform/undici-transport.ts";
import { expectCode, handleOf } from "../../conformance/backend.ts";
import { SimpleServer } from "../backends/simple-server.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/tls/${name}`, import.meta.url));
const mebibyte = 1024 * 1024;

function requestOf(parts: Partial<HttpRequest> = {}): HttpRequest {
  return { method: "GET", path: "/", headers: {}, lane: "files", limitBytes: 1024 * mebibyte, ...parts };
}

/** A server that does with each connection what the test wants, and a transport to it. */
async function withPeer(
  serve: (socket: Socket) => void,
  options: Partial<UndiciTransportOptions>,
  use: (transport: UndiciTransport) => Promise<void>,
): Promise<void> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    serve(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const scheme = options.tls === undefined ? "http" : "https";
  const transport = new UndiciTransport({ origin: `${scheme}://127.0.0.1:${port}`, connections: 2, ...options });
  try {
    await use(transport);
  } finally {
    for (const socket of sockets) socket.destroy();
    await transport.close();
    server.close();
    await once(server, "close");
  }
}

/** Longer than the system's buffers take to empty at the pace below, on a busy machine too. */
const slowTimeoutMs = 2000;

/** Lets 4 MiB through in a quarter of a second. */
class Pace {
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;
  #passedBytes = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#timer = setInterval(() => {
      this.#passedBytes = 0;
      socket.resume();
    }, 250);
    socket.on("close", () => clearInterval(this.#timer));
  }

  passed(bytes: number): void {
    this.#passedBytes += bytes;
    if (this.#passedBytes > 4 * mebibyte) this.#socket.pause();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#socket.pause();
  }
}

/** Calls `answer` for each request head that arrives; bodies are not looked at. */
function onHead(answer: (socket: Socket) => void): (socket: Socket) => void {
  return (socket) => {
    socket.on("data", (data) => {
      if (data.includes("\r\n\r\n")) answer(socket);
    });
  };
}

describe("UndiciTransport", () => {
  describe("progress", () => {
    const stuckRequestTimeoutMs = 1000;

    it("ends an upload that nobody takes", async () => {
      await withPeer(
        (socket) => socket.pause(),
        { stuckRequestTimeoutMs },
        async (transport) => {
          const body = new Uint8Array(32 * mebibyte);
          const error = await expectCode("request-timeout", transport.request(requestOf({ method: "POST", body })));
          expect(error.message).to.include("request timeout");
        },
      );
    });

    it("ends a request that is never answered", async () => {
      await withPeer(
        onHead(() => undefined),
        { stuckRequestTimeoutMs },
        async (transport) => {
          await expectCode("request-timeout", transport.request(requestOf()));
        },
      );
    });

    it("ends a download that stops", async () => {
      const serve = onHead((socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nxxxx"));
      await withPeer(serve, { stuckRequestTimeoutMs }, async (transport) => {
        await expectCode("request-timeout", transport.request(requestOf()));
      });
    });

    it("lets a slow upload go on", async () => {
      const body = new Uint8Array(48 * mebibyte);
      let takenBytes = 0;
      const serve = (socket: Socket): void => {
        const pace = new Pace(socket);
        socket.on("data", (data) => {
          takenBytes += data.length;
          if (takenBytes < body.length) pace.passed(data.length);
          else socket.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        });
      };
      await withPeer(serve, { stuckRequestTimeoutMs: slowTimeoutMs }, async (transport) => {
        const startMs = performance.now();
        expect(await transport.request(requestOf({ method: "POST", body }))).to.include({ status: 200 });
        expect(performance.now() - startMs).to.be.above(slowTimeoutMs);
      });
    });

    it("lets a slow download go on", async () => {
      const serve = onHead((socket) => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n");
        let sent = 0;
        const tick = setInterval(() => {
          socket.write("x");
          sent += 1;
          if (sent === 12) clearInterval(tick);
        }, 250);
      });
      await withPeer(serve, { stuckRequestTimeoutMs: slowTimeoutMs }, async (transport) => {
        expect((await transport.request(requestOf())).body).to.have.length(12);
      });
    });

    it("is not watched when the time is 0", async () => {
      const serve = onHead((socket) => {
        setTimeout(() => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), 100);
      });
      await withPeer(serve, { stuckRequestTimeoutMs: 0, connections: 1 }, async (transport) => {
        for (let round = 0; round < 3; round += 1)
          expect(await transport.request(requestOf())).to.include({ status: 200 });
        expect(transport.openedConnections).to.equal(1);
      });
    });

    it("keeps a cancellation a cancellation", async () => {
      await withPeer(
        (socket) => socket.pause(),
        { stuckRequestTimeoutMs },
        async (transport) => {
          const signal = AbortSignal.timeout(50);
          await expectCode("cancelled", transport.request(requestOf({ signal })));
          // The connection is gone, the next request gets a new one.
          await expectCode("request-timeout", transport.request(requestOf()));
          expect(transport.openedConnections).to.equal(2);
        },
      );
    });
  });

  it("understands answers however they are cut into pieces", async () => {
    const text = `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-long: ${"y".repeat(3000)}\r\ncontent-length: 10\r\n\r\n0123456789`;
    for (const pieceBytes of [1, 7, 1000, 5000]) {
      const serve = onHead((socket) => {
        socket.setNoDelay(true);
        const send = (at: number): void => {
          if (at >= text.length || socket.destroyed) return;
          socket.write(text.slice(at, at + pieceBytes), () => setImmediate(() => send(at + pieceBytes)));
        };
        send(0);
      });
      await withPeer(serve, { connections: 1 }, async (transport) => {
        for (let round = 0; round < 2; round += 1) {
          const { headers, body } = await transport.request(requestOf());
          expect(headers["x-long"]).to.equal("y".repeat(3000));
          expect(headers["content-type"]).to.equal("text/plain");
          expect(Buffer.from(body).toString()).to.equal("0123456789");
        }
        expect(transport.openedConnections).to.equal(1);
      });
    }
  });

  it("refuses answers that are no HTTP, and heads without end", async () => {
    const serve = onHead((socket) => socket.write("SSH-2.0-OpenSSH\r\n\r\n"));
    await withPeer(serve, {}, async (transport) => {
      await expectCode("unavailable", transport.request(requestOf()));
    });
    const endless = onHead((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      const more = (): void => {
        if (!socket.destroyed)
          socket.write(`x-${randomBytes(8).toString("hex")}: y\r\n`.repeat(100), () => setImmediate(more));
      };
      more();
    });
    await withPeer(endless, {}, async (transport) => {
      await expectCode("unavailable", transport.request(requestOf()));
    });
  });

  it("skips informational answers", async () => {
    const serve = onHead((socket) => {
      socket.write("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n");
      setTimeout(() => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), 10);
    });
    await withPeer(serve, {}, async (transport) => {
      expect(await transport.request(requestOf())).to.include({ status: 200 });
    });
  });

  it("reads an error answer to its end up to 8 MiB, keeps the start, and gives up on longer ones", async () => {
    for (const [lengthBytes, connections] of [
      [mebibyte, 1],
      [20 * mebibyte, 3],
    ] as const) {
      const serve = onHead((socket) => {
        socket.write(`HTTP/1.1 403 Forbidden\r\ncontent-length: ${lengthBytes}\r\n\r\n`);
        socket.write(Buffer.alloc(lengthBytes, "z"));
      });
      await withPeer(serve, { connections: 1 }, async (transport) => {
        for (let round = 0; round < 3; round += 1) {
          const { status, body } = await transport.request(requestOf());
          expect(status).to.equal(403);
          expect(body).to.have.length(1024);
        }
        expect(transport.openedConnections).to.equal(connections);
      });
    }
  });

  it("reports what cannot be reached as unavailable", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    const transport = new UndiciTransport({ origin: `http://127.0.0.1:${port}`, connections: 1 });
    const error = await expectCode("unavailable", transport.request(requestOf()));
    expect(error.message).to.include("ECONNREFUSED");
    expect(transport.openedConnections).to.equal(0);
    await transport.close();
  });

  it("does not call its own mistakes a failure of the line", async () => {
    await withPeer(
      onHead(() => undefined),
      {},
      async (transport) => {
        await expectCode("internal", transport.request(requestOf({ headers: { "user-agent": "two\nlines" } })));
        await transport.close();
        await expectCode("internal", transport.request(requestOf()));
      },
    );
  });

  it("raises no warning when many requests share one signal", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on("warning", note);
    const serve = onHead((socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    await withPeer(serve, { connections: 2 }, async (transport) => {
      const { signal } = new AbortController();
      await Promise.all(Array.from({ length: 50 }, () => transport.request(requestOf({ signal }))));
    });
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", note);
    expect(warnings).to.deep.equal([]);
  });

  it("cancels requests that wait for a connection", async () => {
    await withPeer(
      onHead(() => undefined),
      { connections: 1 },
      async (transport) => {
        const running = new AbortController();
        const first = expectCode("cancelled", transport.request(requestOf({ signal: running.signal })));
        const waiting = new AbortController();
        const second = expectCode("cancelled", transport.request(requestOf({ signal: waiting.signal })));
        waiting.abort();
        await second;
        running.abort();
        await first;
      },
    );
  });

  describe("rates", () => {
    it("of uploads are kept", async () => {
      await withSimpleServer(async (origin) => {
        const upload = new RateLimiter(2 * mebibyte);
        const transport = new UndiciTransport({ origin, connections: 2, upload });
        const body = randomBytes(mebibyte);
        const startMs = performance.now();
        const paths = ["a", "b"].map((digit) => `/r/data/${digit.repeat(64)}`);
        const post = (path: string): Promise<HttpResponse> =>
          transport.request(requestOf({ method: "POST", path, body }));
        for (const { status } of await Promise.all(paths.map(post))) expect(status).to.equal(200);
        // 2 MiB at 2 MiB/s, less the first piece of a quarter of a second, which goes at once.
        expect(performance.now() - startMs).to.be.above(600);
        const got = await transport.request(requestOf({ path: paths[0] ?? "" }));
        expect(body.equals(got.body)).to.equal(true);
        await transport.close();
      });
    });

    it("of downloads are kept", async () => {
      await withSimpleServer(async (origin) => {
        const download = new RateLimiter(2 * mebibyte);
        const transport = new UndiciTransport({ origin, connections: 2, download });
        const body = randomBytes(2 * mebibyte);
        const path = `/r/data/${"a".repeat(64)}`;
        await transport.request(requestOf({ method: "POST", path, body }));
        const startMs = performance.now();
        const got = await transport.request(requestOf({ path }));
        expect(performance.now() - startMs).to.be.above(600);
        expect(body.equals(got.body)).to.equal(true);
        expect(transport.openedConnections).to.be.at.most(2);
        await transport.close();
      });
    });
  });

  it("speaks over a Unix socket", async () => {
    const folder = await mkdtemp(join(tmpdir(), "coffer-socket-"));
    const socketPath = join(folder, "rest.sock");
    const server = await SimpleServer.start({ listen: { socketPath } });
    const backend = await openBackend(`rest:http+unix://${socketPath}:/r/`);
    const content = randomBytes(100_000);
    await backend.save(handleOf(content), content);
    expect(content.equals(await backend.load(handleOf(content)))).to.equal(true);
    await backend.close();
    await server.stop();
    await rm(folder, { recursive: true });
  });

  describe("TLS", () => {
    let server: SimpleServer;
    let location: string;
    const content = randomBytes(9 * mebibyte);

    before(async () => {
      const [cert, key, ca] = await Promise.all(
        ["server.pem", "server-key.pem", "client.pem"].map((name) => readFile(fixture(name))),
      );
      const options = { cert, key, ca, requestCert: true, rejectUnauthorized: false };
      server = await SimpleServer.start({ create: (listener) => createTlsHttpServer(options, listener) });
      location = `rest:https://127.0.0.1:${server.port}/r/`;
    });

    after(() => server.stop());

    it("works with the server's certificate given, and reuses its connections", async () => {
      const backend = await openBackend(location, { cacert: [fixture("server.pem")] });
      await backend.save(handleOf(content), content);
      for (let round = 0; round < 5; round += 1) {
        const into = new Uint8Array(new SharedArrayBuffer(content.length));
        expect(content.equals(await backend.load(handleOf(content), { into }))).to.equal(true);
        expect(await backend.stat(handleOf(content))).to.equal(content.length);
      }
      expect(backend.openedConnections).to.be.at.most(5);
      expect(server.requests.every((line) => !line.includes("PRI"))).to.equal(true);
      await backend.close();
    });

    it("refuses a certificate that it does not know, at once and with advice", async () => {
      const backend = await openBackend(location);
      const error = await expectCode("usage", backend.stat(handleOf(content)));
      expect(error.message).to.include("--cacert");
      await backend.close();
    });

    it("accepts any certificate when told to", async () => {
      const backend = await openBackend(location, { insecureTls: true });
      await expectCode("not-found", backend.stat(handleOf(randomBytes(3))));
      await backend.close();
    });

    it("shows its own certificate", async () => {
      const seen: unknown[] = [];
      const [cert, key, ca] = await Promise.all(
        ["server.pem", "server-key.pem", "client.pem"].map((name) => readFile(fixture(name))),
      );
      const options = { cert, key, ca, requestCert: true, rejectUnauthorized: true };
      const strict = await SimpleServer.start({
        create: (listener) =>
          createTlsHttpServer(options, listener).on("secureConnection", (socket) =>
            seen.push(socket.getPeerCertificate().subject.CN),
          ),
      });
      const strictLocation = `rest:https://127.0.0.1:${strict.port}/r/`;
      const cacert = [fixture("server.pem")];
      const backend = await openBackend(strictLocation, { cacert, tlsClientCert: fixture("client.pem") });
      await expectCode("not-found", backend.stat(handleOf(content)));
      expect(seen).to.deep.equal(["test client"]);
      await backend.close();
      await strict.stop();
    });

    it("says what is wrong when a server does not speak TLS", async () => {
      await withSimpleServer(async (origin) => {
        const backend = await openBackend(`rest:${origin.replace("http:", "https:")}/r/`);
        await expectCode("usage", backend.stat(handleOf(content)));
        await backend.close();
      });
    });

    it("needs files of the right kind", async () => {
      await expectCode("usage", readTlsOptions({ cacert: [fixture("server-key.pem")] }));
      await expectCode("usage", readTlsOptions({ cacert: [fixture("absent.pem")] }));
      await expectCode("usage", readTlsOptions({ tlsClientCert: fixture("server.pem") }));
      await expectCode("usage", readTlsOptions({ tlsClientCert: fixture("server-key.pem") }));
      expect(await readTlsOptions({})).to.deep.equal({});
    });

    it("lets a slow upload go on, and ends one that nobody takes", async () => {
      let isDead = false;
      const forward = (client: Socket): void => {
        const target = connect(server.port, "127.0.0.1");
        target.on("error", () => undefined).on("data", (data) => client.write(data));
        const pace = new Pace(client);
        client.on("data", (data) => {
          target.write(data);
          if (isDead) pace.stop();
          else pace.passed(data.length);
        });
        client.on("close", () => target.destroy());
      };
      const tls = await readTlsOptions({ insecureTls: true });
      const options = { connections: 1, stuckRequestTimeoutMs: slowTimeoutMs, tls };
      await withPeer(forward, options, async (transport) => {
        const body = new Uint8Array(48 * mebibyte);
        const post = (digit: string): Promise<HttpResponse> =>
          transport.request(requestOf({ method: "POST", path: `/r/data/${digit.repeat(64)}`, body }));
        const startMs = performance.now();
        expect(await post("a")).to.include({ status: 200 });
        expect(performance.now() - startMs).to.be.above(slowTimeoutMs);
        isDead = true;
        await expectCode("request-timeout", post("b"));
      });
    });
  });
});

async function withSimpleServer(use: (origin: string) => Promise<void>): Promise<void> {
  const server = await SimpleServer.start();
  try {
    await use(`http://127.0.0.1:${server.port}`);
  } finally {
    await server.stop();
  }
}
