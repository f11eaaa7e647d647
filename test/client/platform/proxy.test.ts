/** Which proxy the environment means, and requests through one. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer as createHttpServer, type IncomingMessage, request as sendRequest } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, type Server } from "node:net";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { proxyFor } from "../../../client/platform/proxy.ts";
import { readTlsOptions } from "../../../client/platform/tls-files.ts";
import { UndiciTransport, type UndiciTransportOptions } from "../../../client/platform/undici-transport.ts";
import { expectCode } from "../../conformance/backend.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/tls/${name}`, import.meta.url));

describe("the proxy of the environment", () => {
  const proxy = { HTTP_PROXY: "http://proxy:3128", HTTPS_PROXY: "secure-proxy:8443" };
  const originFor = (origin: string, environment: Record<string, string>): string | undefined =>
    proxyFor(origin, environment)?.origin;

  it("is chosen by the server's scheme, in capitals or not", () => {
    expect(originFor("http://host:8000", proxy)).to.equal("http://proxy:3128");
    expect(originFor("https://host", proxy)).to.equal("http://secure-proxy:8443");
    expect(originFor("http://host", { http_proxy: "https://p" })).to.equal("https://p");
    expect(originFor("https://host", { HTTP_PROXY: "http://p" })).to.equal(undefined);
    expect(originFor("http://host", { HTTP_PROXY: "http://p", REQUEST_METHOD: "GET" })).to.equal(undefined);
  });

  it("has its credentials, and never shows them in an error", () => {
    const { authorization } = proxyFor("http://host", { HTTP_PROXY: "http://us%40er:p%3Ass@p" }) ?? {};
    expect(authorization).to.equal(`Basic ${Buffer.from("us@er:p:ss").toString("base64")}`);
    for (const value of ["socks5://user:secret@p:1080", "http://user:secret@:80"]) {
      expect(() => proxyFor("http://host", { HTTP_PROXY: value }))
        .to.throw(/NO_PROXY/)
        .and.to.not.match(/secret/);
    }
  });

  for (const [noProxy, origin, isDirect] of [
    ["", "http://localhost:8000", true],
    ["", "http://127.4.5.6", true],
    ["", "http://[::1]:8000", true],
    ["", "http://192.0.2.1", false],
    ["*", "http://host", true],
    ["example.org", "http://example.org:8000", true],
    ["example.org", "http://a.b.example.org", true],
    ["example.org", "http://anexample.org", false],
    [".example.org", "http://a.example.org", true],
    [".example.org", "http://example.org", false],
    ["*.example.org", "http://a.example.org", true],
    ["other, example.org:8000", "http://example.org:8000", true],
    ["example.org:8000", "http://example.org", false],
    ["example.org:80", "http://EXAMPLE.org", true],
    ["192.0.2.0/24", "http://192.0.2.77", true],
    ["192.0.2.0/24", "http://192.0.3.1", false],
    ["192.0.2.0/99,2001:db8::/32", "http://192.0.2.1", false],
    ["2001:db8::/32", "http://[2001:db8::5]:8000", true],
    ["192.0.2.7", "http://192.0.2.7", true],
    ["192.0.2.7", "http://192.0.2.70", false],
  ] as const) {
    it(`is ${isDirect ? "not " : ""}used for ${origin} with NO_PROXY=${noProxy}`, () => {
      expect(originFor(origin, { ...proxy, NO_PROXY: noProxy })).to.equal(isDirect ? undefined : "http://proxy:3128");
    });
  }
});

describe("requests through a proxy", () => {
  const servers: Server[] = [];
  /** First lines of what the proxy was asked for, with the credentials it was given. */
  let asked: string[];

  async function listen(server: Server): Promise<number> {
    servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  }

  function note(request: IncomingMessage): void {
    asked.push(`${request.method} ${request.url} ${request.headers["proxy-authorization"] ?? ""}`.trim());
  }

  async function startProxy(refusal?: string): Promise<string> {
    const proxy = createHttpServer((request, response) => {
      note(request);
      const { method, url = "", headers } = request;
      request.pipe(
        sendRequest(url, { method, headers }, (answer) => {
          response.writeHead(answer.statusCode ?? 0, answer.headers);
          answer.pipe(response);
        }),
      );
    });
    proxy.on("connect", (request, client) => {
      note(request);
      if (refusal !== undefined) {
        client.end(`HTTP/1.1 ${refusal}\r\n\r\n`);
        return;
      }
      const server = connect(Number(request.url?.split(":")[1]), "127.0.0.1", () => {
        client.write("HTTP/1.1 200 OK\r\n\r\n");
        server.pipe(client).pipe(server);
      });
      client.on("error", () => server.destroy());
      server.on("error", () => client.destroy());
    });
    return `http://127.0.0.1:${await listen(proxy)}`;
  }

  async function startTlsServer(): Promise<number> {
    const [cert, key] = await Promise.all([readFile(fixture("server.pem")), readFile(fixture("server-key.pem"))]);
    return listen(createTlsServer({ cert, key }, (request, response) => response.end(`secure ${request.url}`)));
  }

  async function ask(options: Omit<UndiciTransportOptions, "connections">, path: string): Promise<string> {
    const transport = new UndiciTransport({ ...options, connections: 2 });
    try {
      const request = { method: "GET", path, headers: {}, lane: "files", limitBytes: 1000 } as const;
      const answers = await Promise.all(Array.from({ length: 4 }, () => transport.request(request)));
      expect(transport.openedConnections).to.be.at.most(2);
      return new Set(answers.map(({ body }) => Buffer.from(body).toString())).values().next().value ?? "";
    } finally {
      await transport.close();
    }
  }

  beforeEach(() => {
    asked = [];
  });

  afterEach(async () => {
    for (const server of servers.splice(0)) {
      (server as Server & { closeAllConnections?: () => void }).closeAllConnections?.();
      server.close();
    }
  });

  it("are handed to it whole when the server speaks plain HTTP", async () => {
    const server = createHttpServer((request, response) => response.end(`${request.headers.host} ${request.url}`));
    const port = await listen(server);
    const proxy = { origin: await startProxy(), authorization: "Basic eDp5" };
    expect(await ask({ origin: `http://127.0.0.1:${port}`, proxy }, "/r/?a=b")).to.equal(`127.0.0.1:${port} /r/?a=b`);
    expect(new Set(asked)).to.deep.equal(new Set([`GET http://127.0.0.1:${port}/r/?a=b Basic eDp5`]));
  });

  it("go over a line of its own to a server that speaks TLS", async () => {
    const port = await startTlsServer();
    const tls = await readTlsOptions({ cacert: [fixture("server.pem")] });
    const proxy = { origin: await startProxy(), authorization: undefined };
    expect(await ask({ origin: `https://localhost:${port}`, proxy, tls }, "/x")).to.equal("secure /x");
    expect(new Set(asked)).to.deep.equal(new Set([`CONNECT localhost:${port}`]));
  });

  it("fail with what the proxy says", async () => {
    const proxy = { origin: await startProxy("407 Proxy Authentication Required"), authorization: undefined };
    const error = await expectCode("unavailable", ask({ origin: "https://localhost:1", proxy }, "/"));
    expect(error.message).to.match(/proxy http:.* localhost:1: 407 Proxy Authentication Required/);
    const closed = { origin: "http://127.0.0.1:1", authorization: undefined };
    await expectCode("unavailable", ask({ origin: "https://localhost:1", proxy: closed }, "/"));
  });
});
