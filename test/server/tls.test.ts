/** TLS: certificates that are renewed while the server runs, and clients that log in with certificates. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { expect } from "chai";
import { CertificateAuthenticator, refuseEverybody } from "../../server/auth/certificate-authenticator.ts";
import { TlsFiles } from "../../server/listening/tls-files.ts";
import type { TlsSettings } from "../../server/listening/tls-settings.ts";
import { hasErrorCode } from "../../shared/errors.ts";
import { type CertificateFiles, CertificateMaker } from "../support/certificates.ts";
import { requirePrograms } from "../support/programs.ts";
import { type ServerSettings, startServer, type TestServer } from "../support/server.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";

const shaOfPassword = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=";

describe("TLS", function () {
  this.timeout(60_000);
  let folder: TemporaryFolder;
  let maker: CertificateMaker;
  let first: CertificateFiles;
  let second: CertificateFiles;
  let clients: CertificateFiles;

  before(function () {
    requirePrograms(this, "openssl");
    folder = makeTemporaryFolder("tls");
    maker = new CertificateMaker(folder.path);
    first = maker.makeAuthority("first");
    second = maker.makeAuthority("second");
    clients = maker.makeAuthority("clients");
  });

  after(() => folder?.remove());

  /** What the server uses: copies, which tests replace. */
  function use(files: CertificateFiles, name: string): CertificateFiles {
    const used = { certificate: join(folder.path, `${name}-used.pem`), key: join(folder.path, `${name}-used.key`) };
    copyFileSync(files.certificate, used.certificate);
    copyFileSync(files.key, used.key);
    return used;
  }

  describe("files", () => {
    const rules = { minimumVersion: "1.2" } as const;
    let used: CertificateFiles;
    let logged: string[];
    let handedOn: TlsSettings[];

    beforeEach(() => {
      used = use(first, "files");
      logged = [];
      handedOn = [];
    });

    const open = (): Promise<TlsFiles> => TlsFiles.open(used, rules, (line) => logged.push(line));
    const take = (settings: TlsSettings): void => void handedOn.push(settings);

    it("are read again when they change, and not otherwise", async () => {
      const files = await open();
      await files.reloadIfChanged(take);
      expect(logged).to.deep.equal([]);
      copyFileSync(second.certificate, used.certificate);
      copyFileSync(second.key, used.key);
      await files.reloadIfChanged(take);
      await files.reloadIfChanged(take);
      expect(logged).to.deep.equal(["Reloaded TLS certificate"]);
      expect(handedOn.map(({ certificate }) => Buffer.from(certificate))).to.deep.equal([
        readFileSync(second.certificate),
      ]);
    });

    it("stay as they were while only one of the pair is new, which is complained about once", async () => {
      const files = await open();
      copyFileSync(second.certificate, used.certificate);
      await files.reloadIfChanged(take);
      await files.reloadIfChanged(take);
      expect(logged).to.have.length(1);
      expect(logged[0]).to.match(/^Could not reload TLS certificate: cannot use .*files-used\.pem.*mismatch/);
      expect(handedOn).to.deep.equal([]);
      expect(Buffer.from(files.settings.certificate).equals(readFileSync(first.certificate))).to.equal(true);
      copyFileSync(second.key, used.key);
      await files.reloadIfChanged(take);
      expect(logged.at(-1)).to.equal("Reloaded TLS certificate");
      expect(handedOn).to.have.length(1);
    });

    it("stay as they were when they are gone or mean nothing, and come back", async () => {
      const files = await open();
      rmSync(used.key);
      await files.reloadIfChanged(take);
      writeFileSync(used.key, "no key");
      await files.reloadIfChanged(take);
      expect(logged.map((line) => line.slice(0, 32))).to.deep.equal(Array(2).fill("Could not reload TLS certificate"));
      copyFileSync(first.key, used.key);
      await files.reloadIfChanged(take);
      expect(logged.at(-1)).to.equal("Reloaded TLS certificate");
    });

    it("are not handed on when only their times are new, so that sessions go on", async () => {
      const files = await open();
      utimesSync(used.certificate, 1, 1);
      await files.reloadIfChanged(take);
      await files.reload(take);
      expect(logged).to.have.length(2);
      expect(handedOn).to.deep.equal([]);
    });

    for (const [what, spoil] of [
      ["a missing certificate", () => rmSync(used.certificate)],
      ["a key of another certificate", () => copyFileSync(second.key, used.key)],
      ["a certificate that is none", () => writeFileSync(used.certificate, "nothing")],
    ] as const) {
      it(`cannot be opened with ${what}`, async () => {
        spoil();
        const error = await open().then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(hasErrorCode(error, "usage"), String(error)).to.equal(true);
      });
    }

    it("cannot be opened with authorities that are none", async () => {
      const clientAuthorities = join(folder.path, "no-authorities");
      writeFileSync(clientAuthorities, "nothing");
      const opening = TlsFiles.open({ ...used, clientAuthorities }, rules, () => undefined);
      expect(hasErrorCode(await opening.catch((error: unknown) => error), "usage")).to.equal(true);
    });
  });

  describe("of a server", () => {
    let server: TestServer | undefined;
    let used: CertificateFiles;

    beforeEach(() => {
      used = use(first, "server");
      writeFileSync(join(folder.path, "users"), `paula:${shaOfPassword}\n`);
      mkdirSync(join(folder.path, "data"), { recursive: true });
    });

    afterEach(async () => {
      await server?.kill();
      server = undefined;
    });

    async function start(...args: readonly string[]): Promise<TestServer> {
      const settings: ServerSettings = {
        path: join(folder.path, "data"),
        args: ["--tls", "--tls-cert", used.certificate, "--tls-key", used.key, ...args],
      };
      server = await startServer(settings);
      return server;
    }

    function startWithCertificates(when: "optional" | "required", ...args: readonly string[]): Promise<TestServer> {
      const certificates = ["--tls-client-ca", clients.certificate, "--tls-client-auth", when];
      return start("--htpasswd-file", join(folder.path, "users"), ...certificates, ...args);
    }

    function open(options: ConnectionOptions = {}): Promise<TLSSocket> {
      const settings = { host: "127.0.0.1", port: server?.port, rejectUnauthorized: false, ...options };
      return new Promise((resolve, reject) => {
        const socket = connect(settings, () => resolve(socket));
        socket.on("error", reject);
      });
    }

    const withCertificate = ({ certificate, key }: CertificateFiles): ConnectionOptions => ({
      cert: readFileSync(certificate),
      key: readFileSync(key),
    });

    /** One request over an open connection, which stays open. */
    function statusOver(socket: TLSSocket, path: string, authorization?: string): Promise<number> {
      const credentials = authorization === undefined ? "" : `Authorization: Basic ${btoa(authorization)}\r\n`;
      return new Promise((resolve, reject) => {
        let text = "";
        const collect = (piece: Buffer): void => {
          text += piece.toString("latin1");
          const length = /Content-Length: (\d+)\r\n/i.exec(text)?.[1];
          const end = text.indexOf("\r\n\r\n");
          if (end < 0 || text.length < end + 4 + Number(length)) return;
          socket.off("data", collect);
          resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]));
        };
        socket.on("data", collect);
        socket.once("close", () => reject(new Error(`closed after ${JSON.stringify(text)}`)));
        socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n${credentials}\r\n`);
      });
    }

    async function statusOf(options: ConnectionOptions, path: string, authorization?: string): Promise<number> {
      const socket = await open(options);
      try {
        return await statusOver(socket, path, authorization);
      } finally {
        socket.destroy();
      }
    }

    /** The common name of the server's certificate. */
    function shownBy(socket: TLSSocket): string {
      return String(socket.getPeerCertificate().subject.CN);
    }

    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      it(`are replaced on SIGHUP while connections of ${version} live on, and sessions go on or begin anew`, async () => {
        const running = await start();
        const old = await open({ maxVersion: version, minVersion: version });
        let session: Buffer | undefined = old.getSession();
        old.on("session", (ticket: Buffer) => {
          session = ticket;
        });
        expect(await statusOver(old, "/config")).to.equal(404);
        expect(shownBy(old)).to.equal("first");
        const resumed = await open({ maxVersion: version, minVersion: version, ...(session ? { session } : {}) });
        expect(resumed.isSessionReused()).to.equal(true);
        resumed.destroy();

        copyFileSync(second.certificate, used.certificate);
        copyFileSync(second.key, used.key);
        running.signal("SIGHUP");
        await waitForLine(running, "Reloaded TLS certificate");
        expect(await statusOver(old, "/config")).to.equal(404);
        const anew = await open({ maxVersion: version, minVersion: version, ...(session ? { session } : {}) });
        expect(await statusOver(anew, "/config")).to.equal(404);
        expect(anew.isSessionReused()).to.equal(false);
        expect(shownBy(anew)).to.equal("second");
        expect(anew.getProtocol()).to.equal(version);
        expect(await statusOver(old, "/config")).to.equal(404);
        anew.destroy();
        old.destroy();
      });
    }

    it("keep their rules after a reload: the oldest version, and who is asked for a certificate", async () => {
      const running = await startWithCertificates("required", "--tls-min-ver", "1.3");
      const alice = withCertificate(maker.makeCertificate("alice-1", clients, { subject: "/CN=alice" }));
      copyFileSync(second.certificate, used.certificate);
      copyFileSync(second.key, used.key);
      running.signal("SIGHUP");
      await waitForLine(running, "Reloaded TLS certificate");
      expect(await statusOf(alice, "/config")).to.equal(404);
      expect(await isTurnedAway(open({ ...alice, maxVersion: "TLSv1.2" }))).to.equal(true);
      expect(await isTurnedAway(statusOf({}, "/config"))).to.equal(true);
    });

    it("stay when the new ones cannot be used", async () => {
      const running = await start();
      writeFileSync(used.certificate, "nothing");
      running.signal("SIGHUP");
      await waitForLine(running, "Could not reload TLS certificate");
      const socket = await open();
      expect(shownBy(socket)).to.equal("first");
      expect(await statusOver(socket, "/config")).to.equal(404);
      socket.destroy();
    });

    it("say 400 or close when somebody speaks plain HTTP", async () => {
      const running = await start();
      const socket = connectTcp(running.port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
      const closed = new Promise((resolve) => socket.on("close", resolve));
      socket.on("error", () => undefined);
      socket.resume();
      await closed;
      expect(await statusOf({}, "/config")).to.equal(404);
    });

    describe("clients log in with certificates", () => {
      let alice: ConnectionOptions;
      let bob: ConnectionOptions;

      before(() => {
        alice = withCertificate(maker.makeCertificate("alice", clients, { subject: "/O=Coffer/CN=alice" }));
        bob = withCertificate(maker.makeCertificate("bob", clients, { subject: "/CN=bob" }));
      });

      it("as the user of their common name, whatever password they send", async () => {
        await startWithCertificates("required", "--private-repos");
        expect(await statusOf(alice, "/alice/config")).to.equal(404);
        expect(await statusOf(alice, "/bob/config")).to.equal(401);
        expect(await statusOf(bob, "/bob/config")).to.equal(404);
        expect(await statusOf(alice, "/alice/config", ":")).to.equal(404);
        expect(await statusOf(alice, "/paula/config", "paula:password")).to.equal(401);
      });

      it("and nobody else gets as far as a request when certificates are required", async () => {
        const running = await startWithCertificates("required");
        for (const stranger of [{}, withCertificate(first)])
          expect(await isTurnedAway(statusOf(stranger, "/config"))).to.equal(true);
        expect(running.stderr).to.match(/Client certificates required/);
        expect(await statusOf(alice, "/config")).to.equal(404);
      });

      it("or with a password when they are optional", async () => {
        await startWithCertificates("optional", "--private-repos");
        expect(await statusOf(alice, "/alice/config")).to.equal(404);
        expect(await statusOf({}, "/paula/config", "paula:password")).to.equal(404);
        expect(await statusOf({}, "/paula/config", "paula:x")).to.equal(401);
        expect(await statusOf({}, "/alice/config")).to.equal(401);
        // Of an authority that is not trusted: no certificate at all, but a password still counts.
        const stranger = withCertificate(maker.makeCertificate("fake", second, { subject: "/CN=alice" }));
        expect(await statusOf(stranger, "/alice/config")).to.equal(401);
        expect(await statusOf(stranger, "/paula/config", "paula:password")).to.equal(404);
      });

      it("but not with a name that users cannot have, two names, none, or a certificate for servers", async () => {
        const running = await startWithCertificates("optional");
        for (const [name, subject, extensions] of [
          ["slash", "/CN=a\\/b", []],
          ["dots", "/CN=.. ", []],
          ["blank", "/CN=alice smith", []],
          ["two", "/CN=alice/CN=bob", []],
          ["none", "/O=Coffer", []],
          ["server", "/CN=alice", ["extendedKeyUsage=serverAuth"]],
        ] as const) {
          const files = maker.makeCertificate(name, clients, { subject, extensions });
          expect(await statusOf(withCertificate(files), "/config"), name).to.equal(401);
        }
        const german = maker.makeCertificate("german", clients, { subject: "/CN=jürgen" });
        expect(await statusOf(withCertificate(german), "/config")).to.equal(404);
        await waitForLine(running, "Ignoring a client certificate: expected one common name");
      });

      for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
        it(`and a resumed session of ${version} is as good as the one before, no better`, async () => {
          await startWithCertificates("optional", "--private-repos");
          for (const [options, status] of [
            [alice, 404],
            [{}, 401],
          ] as const) {
            const versions = { minVersion: version, maxVersion: version };
            const socket = await open({ ...options, ...versions });
            let session: Buffer | undefined = socket.getSession();
            socket.on("session", (ticket: Buffer) => {
              session = ticket;
            });
            expect(await statusOver(socket, "/alice/config")).to.equal(status);
            socket.destroy();
            // Without showing the certificate again: the session knows it.
            const again = await open({ ...versions, ...(session ? { session } : {}) });
            expect(again.isSessionReused()).to.equal(true);
            expect(await statusOver(again, "/alice/config")).to.equal(status);
            again.destroy();
          }
        });
      }

      it("and no longer when the authorities are replaced", async () => {
        const authorities = join(folder.path, "authorities");
        copyFileSync(clients.certificate, authorities);
        const flags = ["--tls-client-ca", authorities, "--htpasswd-file", join(folder.path, "users")];
        const running = await start(...flags);
        const socket = await open({ ...alice, maxVersion: "TLSv1.3" });
        let session: Buffer | undefined;
        socket.on("session", (ticket: Buffer) => {
          session = ticket;
        });
        expect(await statusOver(socket, "/config")).to.equal(404);
        copyFileSync(second.certificate, authorities);
        running.signal("SIGHUP");
        await waitForLine(running, "Reloaded TLS certificate");
        expect(await statusOf(alice, "/config")).to.equal(401);
        expect(await statusOf({ ...(session ? { session } : {}) }, "/config")).to.equal(401);
        socket.destroy();
      });

      it("and not after the end of their certificate, even over an old connection", async () => {
        await startWithCertificates("optional");
        let nowMs = Date.parse("2031-05-01T00:00:00Z");
        const others = { authenticate: async () => "by password" };
        const authenticator = new CertificateAuthenticator(
          others,
          () => undefined,
          () => nowMs,
        );
        const socket = await open(alice);
        // What the server sees of its client, as this client sees it of its server.
        const seen = Object.create(socket, {
          authorized: { value: true },
          getPeerCertificate: { value: () => ({ subject: { CN: "alice" }, valid_to: "May  2 00:00:00 2031 GMT" }) },
        }) as TLSSocket;
        const ask = (): Promise<string | undefined> =>
          authenticator.authenticate({}, { socket: seen, headersDistinct: {} });
        expect(await ask()).to.equal("alice");
        nowMs += 86_400_001;
        expect(await ask()).to.equal(undefined);
        socket.destroy();
      });

      it("never over a connection without TLS", async () => {
        const authenticator = new CertificateAuthenticator(refuseEverybody, () => undefined);
        const socket = connectTcp(1, "127.0.0.1");
        socket.on("error", () => undefined);
        expect(await authenticator.authenticate({}, { socket, headersDistinct: {} })).to.equal(undefined);
        socket.destroy();
      });
    });
  });
});

async function isTurnedAway(action: Promise<unknown>): Promise<boolean> {
  return action.then(
    () => false,
    () => true,
  );
}

async function waitForLine(server: TestServer, text: string): Promise<void> {
  for (let i = 0; i < 1000 && !server.stderr.includes(text); i++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  expect(server.stderr).to.include(text);
}
