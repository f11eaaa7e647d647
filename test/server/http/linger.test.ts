/** A client that is refused while it is still sending learns why: its connection is not reset before it has the answer. */
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { expect } from "chai";
import { refuseEverybody } from "../../../server/auth/certificate-authenticator.ts";
import { quotaLimits } from "../../../server/quota/limits.ts";
import { LocalQuotaLedger } from "../../../server/quota/local-ledger.ts";
import { CertificateMaker } from "../../support/certificates.ts";
import { exchangeRaw } from "../../support/http.ts";
import { requirePrograms } from "../../support/programs.ts";
import { type ServedApp, type ServedAppSettings, serveApp } from "../../support/served-app.ts";
import { sha256 } from "../../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";

const repetitions = 5;
const piece = Buffer.alloc(100_000);
/** More than the buffers of the system hold: the client is still sending when the answer comes. */
const unreadBytes = 8_000_000;
const path = `/data/${sha256("refused")}`;
const fullLedger = (): LocalQuotaLedger => new LocalQuotaLedger(quotaLimits(1, []));

interface Exchange {
  /** What the client has read when it learns of the end. */
  readonly text: string;
  readonly errorCode: string | undefined;
}

/** Sends until the announced end or that of the connection, and reads nothing of the answer until it has sent some of the body. */
function sendOn(socket: Socket, head: string, bodyBytes = 50_000_000): Promise<Exchange> {
  return new Promise((resolve) => {
    let text = "";
    let errorCode: string | undefined;
    let restBytes = bodyBytes;
    const sendMore = (): void => {
      while (restBytes > 0 && socket.writable) {
        restBytes -= piece.length;
        if (bodyBytes - restBytes >= unreadBytes) socket.resume();
        if (!socket.write(piece)) return;
      }
    };
    socket.setEncoding("latin1").on("data", (received: string) => {
      text += received;
    });
    socket.pause().on("drain", sendMore);
    socket.on("error", (error: NodeJS.ErrnoException) => {
      errorCode ??= error.code;
    });
    socket.on("close", () => resolve({ text, errorCode }));
    socket.write(head);
    sendMore();
  });
}

function post(...headers: readonly string[]): string {
  return [`POST ${path} HTTP/1.1`, "Host: x", ...headers, "", ""].join("\r\n");
}

describe("a client that is refused while it sends", function () {
  this.timeout(30_000);
  let folder: TemporaryFolder;
  let served: ServedApp | undefined;
  let maker: CertificateMaker;

  before(function () {
    requirePrograms(this, "openssl");
    folder = makeTemporaryFolder("linger");
    maker = new CertificateMaker(folder.path);
  });

  after(() => folder?.remove());

  afterEach(async () => {
    await served?.stop();
    served = undefined;
  });

  interface Transport {
    readonly name: string;
    /** What the server gets for it. */
    settings(): ServedAppSettings;
    connect(port: number): Socket;
  }

  const transports: readonly Transport[] = [
    { name: "TCP", settings: () => ({}), connect: (port) => connect(port, "127.0.0.1") },
    {
      name: "a socket file",
      settings: () => ({ listen: { kind: "unix", path: join(folder.path, "socket") } }),
      connect: () => connect(join(folder.path, "socket")),
    },
    ...(["1.2", "1.3"] as const).map(
      (version): Transport => ({
        name: `TLS ${version}`,
        settings: () => {
          const { certificate, key } = maker.makeAuthority("localhost");
          const files = { certificate: readFileSync(certificate), key: readFileSync(key) };
          return { tls: { ...files, minimumVersion: "1.2" } };
        },
        connect: (port) =>
          connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, maxVersion: `TLSv${version}` }),
      }),
    ),
  ];

  for (const transport of transports) {
    for (const [what, settings, head, status] of [
      ["who it is", { authenticator: refuseEverybody }, post("Connection: close", "Content-Length: 50000000"), 401],
      ["the quota", { ledger: fullLedger() }, post("Connection: close", "Content-Length: 50000000"), 507],
      [
        "who it is, without having been told to go on",
        { authenticator: refuseEverybody },
        post("Connection: close", "Expect: 100-continue", "Content-Length: 50000000"),
        401,
      ],
      [
        "the quota, and does not wait for 100",
        { ledger: fullLedger() },
        post("Connection: close", "Expect: 100-continue", "Content-Length: 50000000"),
        507,
      ],
      [
        "the quota, with a body too large to be thrown away",
        { ledger: fullLedger() },
        post("Content-Length: 50000000"),
        507,
      ],
      ["what comes in HTTP/1.0", { ledger: fullLedger() }, post("Content-Length: 50000000").replace("1.1", "1.0"), 507],
      ["a coding", {}, post("Connection: close", "Transfer-Encoding: gzip, chunked"), 501],
      ["what is not HTTP", {}, "POST is not HTTP\r\n", 400],
    ] as const) {
      it(`gets its answer over ${transport.name}: ${what}`, async () => {
        served = await serveApp({ ...settings, ...transport.settings() });
        for (let i = 0; i < repetitions; i++) {
          const { text, errorCode } = await sendOn(transport.connect(served.port), head);
          expect(text, `round ${i}, ${errorCode}`).to.match(
            new RegExp(`^(?:HTTP/1.1 100 .*\r\n\r\n)?HTTP/1\\.1 ${status} .*\r\n`),
          );
        }
      });
    }
  }

  it("cannot keep its connection by neither ending nor falling silent", async () => {
    served = await serveApp({ ledger: fullLedger() });
    const socket = connect({ port: served.port, host: "127.0.0.1", allowHalfOpen: true });
    const started = Date.now();
    await sendOn(socket, post("Connection: close", "Content-Length: 50000000000"), 50_000_000_000);
    expect(Date.now() - started).to.be.within(900, 5000);
    // What is thrown away has a bound as well; the rest is what the system's buffers hold.
    expect(socket.bytesWritten - socket.writableLength).to.be.below(80_000_000);
  });

  it("gets its answer from a server that is ending, which waits for it no longer than that", async () => {
    served = await serveApp({ ledger: fullLedger() });
    const socket = connect(served.port, "127.0.0.1");
    socket.pause().write(post("Connection: close", "Content-Length: 50000000"));
    await sleep(100);
    const started = Date.now();
    const stopped = served.stop();
    served = undefined;
    const { text } = await sendOn(socket, "");
    expect(text).to.match(/^HTTP\/1\.1 507 /);
    await stopped;
    expect(Date.now() - started).to.be.below(5000);
  });

  it("can go on with a connection that is kept", async () => {
    served = await serveApp({ ledger: fullLedger() });
    const refused = Buffer.concat([Buffer.from(post("Content-Length: 3000000")), Buffer.alloc(3_000_000)]);
    const last = Buffer.from("GET /config HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const text = await exchangeRaw(served.port, Buffer.concat([refused, refused, last]));
    expect(text.match(/HTTP\/1\.1 \d{3}/g)).to.deep.equal(["HTTP/1.1 507", "HTTP/1.1 507", "HTTP/1.1 404"]);
  });
});
