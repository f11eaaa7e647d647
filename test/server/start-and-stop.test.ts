/** Starting, listening and ending as a process: cases I, K, L, X18 and X24 to X26 of docs/protocol.md 3. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { connect as connectTls } from "node:tls";
import { expect } from "chai";
import { collectText, HttpTestClient, type Reply } from "../support/http.ts";
import { ServerDidNotStart, type ServerSettings, type TestServer } from "../support/server.ts";
import { serversOfTests } from "../support/servers-of-tests.ts";
import { sha256, testBytes } from "../support/stored-files.ts";
import { unfinishedUploads } from "../support/unfinished-uploads.ts";
import { waitUntil } from "../support/wait-until.ts";

describe("the server as a process", function () {
  this.timeout(30_000);
  const { folder, start } = serversOfTests("process");

  async function expectNoStart(settings: ServerSettings): Promise<string> {
    try {
      await start(settings);
    } catch (error) {
      if (!(error instanceof ServerDidNotStart)) throw error;
      expect(error.exitCode).to.equal(1);
      return error.stderr;
    }
    throw new Error("the server started although it should not have");
  }

  async function ask(server: TestServer, method: string, path: string, authorization?: string): Promise<Reply> {
    const isUnix = server.address.startsWith("/");
    const client = new HttpTestClient(isUnix ? { socketPath: server.address } : { port: server.port });
    try {
      return await client.send(method, path, authorization === undefined ? {} : { headers: { authorization } });
    } finally {
      client.close();
    }
  }

  function basic(user: string, password: string): string {
    return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  }

  describe("I: starting", () => {
    const authenticated = ["--no-auth=false"];

    it("fails without an htpasswd file", async () => {
      const stderr = await expectNoStart({ args: authenticated });
      expect(stderr).to.match(/error: cannot load .*\.htpasswd \(use --no-auth to disable\)/);
    });

    it("needs none with --no-auth", async () => {
      const server = await start({ args: ["--no-auth"] });
      expect(server.stderr).to.match(
        /^Data directory: .*\nAuthentication disabled\nAppend only mode disabled\nPrivate repositories disabled\nGroup accessible repos disabled\nstart server on 127\.0\.0\.1:\d+\n$/,
      );
    });

    it("takes an empty one", async () => {
      mkdirSync(join(folder.path, "data"));
      writeFileSync(join(folder.path, "data/.htpasswd"), "");
      const server = await start({ args: [...authenticated, "--append-only", "--private-repos"] });
      expect(server.stderr).to.match(
        /Authentication enabled\nLoaded htpasswd file .*\nAppend only mode enabled\nPrivate repositories enabled\n/,
      );
      expect((await ask(server, "GET", "/config", basic("a", "b"))).status).to.equal(401);
    });

    it("takes one from elsewhere, and one whose first line means nothing", async () => {
      writeFileSync(join(folder.path, "users"), `nonsense\nalice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n`);
      const server = await start({ args: ["--htpasswd-file", join(folder.path, "users")] });
      expect((await ask(server, "GET", "/config", basic("alice", "password"))).status).to.equal(404);
    });

    it("makes a first user once", async () => {
      const server = await start({ args: ["--create-first-user"] });
      const [, user = "", password = ""] = /^ +user +(\S+)\n +password +(\S+)$/m.exec(server.stderr) ?? [];
      expect(user).to.equal("coffer");
      expect(password.length).to.be.at.least(20);
      const path = join(folder.path, "data/.htpasswd");
      expect(statSync(path).mode & 0o777).to.equal(0o600);
      expect(readFileSync(path, "utf8"))
        .to.match(/^coffer:\$2y\$\d\d\$/)
        .and.not.include(password);
      expect((await ask(server, "POST", "/coffer/?create=true", basic(user, password))).status).to.equal(200);
      expect((await ask(server, "POST", "/coffer/?create=true", basic(user, "x"))).status).to.equal(401);
      await server.stop();
      await server.restart();
      expect(server.stderr).to.not.match(/shown only this once/);
      expect((await ask(server, "GET", "/coffer/keys/", basic(user, password))).status).to.equal(200);
    });

    for (const [what, args, message] of [
      ["an unknown flag", ["--bogus"], /^error: unknown flag: --bogus/m],
      ["an argument", ["--no-auth", "extra"], /^error: unknown argument: extra/m],
      [
        "an address that cannot be had",
        ["--no-auth", "--listen", "unix:/nonexistent/folder/x"],
        /^error: unable to listen/m,
      ],
      [
        "a log that cannot be written",
        ["--no-auth", "--log", "/nonexistent/log"],
        /^error: cannot open the access log/m,
      ],
      ["TLS without its files", ["--no-auth", "--tls"], /^error: .*public_key/m],
    ] as const) {
      it(`fails with ${what}`, async () => {
        expect(await expectNoStart({ args })).to.match(message);
      });
    }

    it("prints help and version on standard output", async () => {
      const program = new URL("../../server/main.ts", import.meta.url).pathname;
      for (const [flag, text] of [
        ["--help", /Usage:/],
        ["-h", /--append-only/],
        ["-v", /^coffer-server \d/],
      ] as const) {
        const { status, stdout, stderr } = spawnSync(process.execPath, [program, flag], { encoding: "utf8" });
        expect(status).to.equal(0);
        expect(stdout).to.match(text);
        expect(stderr).to.equal("");
      }
    });
  });

  describe("the entry point of the container", () => {
    const entryPoint = new URL("../../server/entrypoint.sh", import.meta.url).pathname;
    const program = new URL("../../server/main.ts", import.meta.url).pathname;

    /** Runs the entry point until the server listens, and ends it with the signal that a container engine sends. */
    function runEntryPoint(
      env: Readonly<Record<string, string>>,
    ): Promise<{ stderr: string; exitCode: number | null }> {
      return new Promise((resolve, reject) => {
        const child = spawn("sh", [entryPoint], {
          stdio: ["ignore", "ignore", "pipe"],
          env: {
            PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`,
            COFFER_SERVER: program,
            DATA_DIRECTORY: join(folder.path, "data"),
            PASSWORD_FILE: join(folder.path, "users"),
            ...env,
          },
        });
        let stderr = "";
        child.stderr.setEncoding("utf8").on("data", (text: string) => {
          stderr += text;
          if (/^start server on /m.test(stderr)) child.kill("SIGTERM");
        });
        child.on("error", reject);
        child.on("close", (exitCode) => resolve({ stderr, exitCode }));
      });
    }

    it("makes a first user, passes OPTIONS on, and lets signals through", async () => {
      const { stderr, exitCode } = await runEntryPoint({ OPTIONS: "--listen 127.0.0.1:0 --append-only" });
      expect(stderr).to.match(/\nLoaded htpasswd file .*users\nAppend only mode enabled\n/);
      expect(stderr).to.match(/\n {4}password {2}\S+\nstart server on /);
      expect(stderr).to.match(/\nshutdown cleanly\n$/);
      expect(exitCode).to.equal(0);
      expect(existsSync(join(folder.path, "users"))).to.equal(true);
    });

    it("lets everybody in when told to", async () => {
      const { stderr } = await runEntryPoint({ OPTIONS: "--listen 127.0.0.1:0", DISABLE_AUTHENTICATION: "1" });
      expect(stderr).to.include("Authentication disabled\n");
      expect(existsSync(join(folder.path, "users"))).to.equal(false);
    });
  });

  describe("L, X25: listening", () => {
    async function expectToServe(server: TestServer): Promise<void> {
      mkdirSync(join(server.dataPath, "repo1"), { recursive: true });
      writeFileSync(join(server.dataPath, "repo1/config"), "config");
      expect((await ask(server, "GET", "/repo1/")).status).to.equal(405);
      expect((await ask(server, "GET", "/repo1/config")).text).to.equal("config");
      expect((await ask(server, "GET", "/repo2/config")).status).to.equal(404);
    }

    it("on a free port", async () => {
      const server = await start();
      expect(server.port).to.be.greaterThan(0);
      await expectToServe(server);
    });

    it("on the same port twice in a row", async () => {
      const server = await start();
      const { address } = server;
      await expectToServe(server);
      expect(await server.stop()).to.equal(0);
      await server.restart();
      expect(server.address).to.equal(address);
      await expectToServe(server);
    });

    it("on all interfaces", async () => {
      const server = await start({ listen: ":0" });
      expect(server.address).to.match(/^(?:\[::\]|0\.0\.0\.0):\d+$/);
      await expectToServe(server);
    });

    it("on a socket file twice in a row, which is removed in between", async () => {
      const path = join(folder.path, "socket");
      const server = await start({ listen: `unix:${path}` });
      expect(server.stderr).to.include(`start server on ${path}\n`);
      await expectToServe(server);
      await server.stop();
      expect(existsSync(path)).to.equal(false);
      await server.restart();
      await expectToServe(server);
    });

    it("not on a socket file that a killed server left, and says what to do", async () => {
      const path = join(folder.path, "socket");
      const server = await start({ listen: `unix:${path}` });
      await server.kill();
      expect(await expectNoStart({ listen: `unix:${path}` })).to.match(/EADDRINUSE.*remove the file/);
    });

    it("not on a port that is taken", async () => {
      const server = await start();
      expect(await expectNoStart({ listen: server.address })).to.match(/EADDRINUSE.*choose another/);
    });
  });

  describe("K, X26: TLS", () => {
    function makeCertificate(certificate: string, key: string): void {
      mkdirSync(join(folder.path, "data"), { recursive: true });
      const subject = [
        "-subj",
        "/CN=localhost",
        "-days",
        "2",
        "-nodes",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
      ];
      execFileSync("openssl", ["req", "-x509", ...subject, "-keyout", key, "-out", certificate], { stdio: "ignore" });
    }

    async function askTls(server: TestServer): Promise<Reply> {
      return new HttpTestClient({ port: server.port, tls: true }).send("GET", "/config");
    }

    function handshake(port: number, version: "TLSv1.1" | "TLSv1.2" | "TLSv1.3"): Promise<string | null> {
      return new Promise((resolve, reject) => {
        const ciphers = "DEFAULT@SECLEVEL=0";
        const settings = {
          port,
          host: "127.0.0.1",
          rejectUnauthorized: false,
          minVersion: version,
          maxVersion: version,
          ciphers,
        };
        const socket = connectTls(settings, () => {
          resolve(socket.getProtocol());
          socket.destroy();
        });
        socket.on("error", reject);
      });
    }

    it("takes its files from the data folder", async () => {
      makeCertificate(join(folder.path, "data/public_key"), join(folder.path, "data/private_key"));
      const server = await start({ args: ["--tls"] });
      expect((await askTls(server)).status).to.equal(404);
      expect(await handshake(server.port, "TLSv1.2")).to.equal("TLSv1.2");
      expect(await handshake(server.port, "TLSv1.3")).to.equal("TLSv1.3");
      await handshake(server.port, "TLSv1.1").then(
        () => expect.fail("TLS 1.1 was accepted"),
        (error: Error) => expect(error.message).to.match(/version|protocol/i),
      );
      expect((await askTls(server)).status).to.equal(404);
    });

    it("takes its files from where it is told, and a minimum version", async () => {
      makeCertificate(join(folder.path, "cert"), join(folder.path, "key"));
      const files = ["--tls-cert", join(folder.path, "cert"), "--tls-key", join(folder.path, "key")];
      const server = await start({ args: ["--tls", "--tls-min-ver=1.3", ...files] });
      expect(await handshake(server.port, "TLSv1.3")).to.equal("TLSv1.3");
      await handshake(server.port, "TLSv1.2").then(
        () => expect.fail("TLS 1.2 was accepted"),
        () => undefined,
      );
    });

    it("says what is wrong with a key, before it listens", async () => {
      makeCertificate(join(folder.path, "cert"), join(folder.path, "key"));
      writeFileSync(join(folder.path, "key"), "no key");
      const files = ["--tls-cert", join(folder.path, "cert"), "--tls-key", join(folder.path, "key")];
      expect(await expectNoStart({ args: ["--tls", ...files] }))
        .to.match(/^error: /m)
        .and.not.match(/start server/);
    });
  });

  describe("X24: ending", () => {
    const body = testBytes("ending", 2_000_000);

    /** Sends three quarters of the body; the rest stays to be sent. */
    async function beginUpload(server: TestServer, socket: Socket): Promise<void> {
      socket.write(`POST /data/${sha256(body)} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`);
      socket.write(body.subarray(0, 1_500_000));
      await waitUntil(() => unfinishedUploads(server.dataPath).length === 1);
    }

    it("lets an upload finish, takes no new connection, and exits with 0", async () => {
      const server = await start();
      const idle = connect(server.port, "127.0.0.1");
      const idleClosed = collectText(idle);
      const upload = connect(server.port, "127.0.0.1");
      const answer = collectText(upload);
      await beginUpload(server, upload);
      const stopped = server.stop();
      await idleClosed;
      await new Promise<void>((resolve) => {
        connect(server.port, "127.0.0.1").on("error", () => resolve());
      });
      upload.write(body.subarray(1_500_000));
      expect(await answer).to.match(/^HTTP\/1\.1 200 (?:.|\s)*Connection: close/i);
      expect(await stopped).to.equal(0);
      expect(server.stderr).to.match(/\nshutdown cleanly\n$/);
      await server.restart();
      expect((await ask(server, "GET", `/data/${sha256(body)}`)).body.equals(body)).to.equal(true);
    });

    it("tells busy lines over a socket file from idle ones", async () => {
      const path = join(folder.path, "socket");
      const server = await start({ listen: `unix:${path}` });
      const idleClosed = collectText(connect(path));
      const upload = connect(path);
      const answer = collectText(upload);
      await beginUpload(server, upload);
      const stopped = server.stop();
      await idleClosed;
      upload.write(body.subarray(1_500_000));
      expect(await answer).to.match(/^HTTP\/1\.1 200 (?:.|\s)*Connection: close/i);
      expect(await stopped).to.equal(0);
    });

    it("does not wait for clients that only keep their connection", async () => {
      const server = await start();
      const client = new HttpTestClient({ port: server.port });
      expect((await client.send("GET", "/config")).status).to.equal(404);
      expect(await server.stop()).to.equal(0);
      client.close();
    });

    it("does not wait when it is told twice", async () => {
      const server = await start();
      const upload = connect(server.port, "127.0.0.1");
      const answer = collectText(upload);
      await beginUpload(server, upload);
      server.signal("SIGINT");
      await waitUntil(() => connectFails(server.port));
      expect(await server.stop()).to.equal(1);
      await answer;
    });

    it("X18: leaves nothing of an interrupted upload after the next start", async () => {
      const server = await start();
      const upload = connect(server.port, "127.0.0.1");
      const answer = collectText(upload);
      await beginUpload(server, upload);
      await server.kill();
      await answer;
      expect(unfinishedUploads(server.dataPath)).to.have.length(1);
      await server.restart();
      expect(unfinishedUploads(server.dataPath)).to.have.length(0);
      expect(server.stderr).to.include("Removed 1 unfinished uploads of an earlier run\n");
      expect((await ask(server, "GET", `/data/${sha256(body)}`)).status).to.equal(404);
    });
  });

  describe("2.8: the access log", () => {
    const line =
      /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(\S+) (\S+) HTTP\/1\.1" (\d+) (\d+) "(.*)" "(.*)"$/;

    it("has a line for each answer, and goes on in a new file after SIGHUP", async () => {
      const path = join(folder.path, "log");
      const server = await start({ args: ["--log", path] });
      const client = new HttpTestClient({ port: server.port });
      const body = "logged";
      await client.send("POST", `/data/${sha256(body)}`, { body });
      await client.send("GET", `/data/${sha256(body)}?x=%22`, {
        headers: { "User-Agent": 'say "hi"\\', Referer: "here" },
      });
      await client.send("GET", "//x");
      await client.send("HEAD", `/data/${sha256(body)}`);
      await client.send("GET", "/data/");
      await waitUntil(() => linesOf(path).length === 5);
      const fields = linesOf(path).map((text) => line.exec(text)?.slice(1));
      const object = `/data/${sha256(body)}`;
      expect(fields).to.deep.equal([
        ["POST", object, "200", "0", "", ""],
        ["GET", `${object}?x=%22`, "200", "6", "here", 'say \\"hi\\"\\\\'],
        ["GET", "//x", "307", "19", "", ""],
        ["HEAD", object, "200", "0", "", ""],
        ["GET", "/data/", "200", "68", "", ""],
      ]);
      renameSync(path, `${path}.1`);
      server.signal("SIGHUP");
      await waitUntil(() => existsSync(path));
      await client.send("GET", "/after");
      await waitUntil(() => linesOf(path).length === 1);
      expect(linesOf(`${path}.1`)).to.have.length(5);
      client.close();
    });

    it("goes to standard output for -", async () => {
      const server = await start({ args: ["--log", "-"] });
      await ask(server, "GET", "/config");
      await waitUntil(() => server.stdout.includes("\n"));
      expect(line.exec(server.stdout.trim())?.slice(1, 5)).to.deep.equal(["GET", "/config", "404", "10"]);
    });
  });

  it("SIGHUP reads the users again at once", async () => {
    const server = await start({ auth: { user: "alice", password: "first" } });
    expect((await ask(server, "GET", "/config", basic("alice", "first"))).status).to.equal(404);
    const hash = Buffer.from(sha1("second"), "hex").toString("base64");
    writeFileSync(join(server.dataPath, ".htpasswd"), `alice:{SHA}${hash}\n`);
    server.signal("SIGHUP");
    await waitUntil(() => server.stderr.includes("Reloaded htpasswd file"));
    expect((await ask(server, "GET", "/config", basic("alice", "first"))).status).to.equal(401);
    expect((await ask(server, "GET", "/config", basic("alice", "second"))).status).to.equal(404);
  });

  it("SIGHUP does not end a server without users", async () => {
    const server = await start();
    server.signal("SIGHUP");
    for (let i = 0; i < 5; i++) expect((await ask(server, "GET", "/config")).status).to.equal(404);
  });
});

function linesOf(path: string): string[] {
  return readFileSync(path, "utf8").split("\n").slice(0, -1);
}

function sha1(text: string): string {
  return execFileSync("sha1sum", { input: text, encoding: "utf8" }).slice(0, 40);
}

async function connectFails(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(false);
    });
    socket.on("error", () => resolve(true));
  });
}
