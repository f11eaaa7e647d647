/**
 * What the flags do: the same requests, with the same answers, also to rest-server itself where there is one on PATH. Sections
 * 2.1, 2.2 and 2.10 of docs/protocol.md; cases X16 and X25.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { collectText, HttpTestClient, type Reply, type RequestSettings } from "../support/http.ts";
import { type LaunchedServer, type LaunchSettings, launch, serverPrograms } from "../support/rest-servers.ts";
import { sha256 } from "../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";

const content = "content of an object";
const object = `/r/data/${sha256(content)}`;

for (const program of serverPrograms) {
  describe(`the flags of ${program.name}`, function () {
    this.timeout(30_000);
    let folder: TemporaryFolder;
    let client: HttpTestClient | undefined;
    const launched: LaunchedServer[] = [];
    const sockets: Server[] = [];

    beforeEach(() => {
      folder = makeTemporaryFolder("flag-effects");
    });

    afterEach(() => {
      client?.close();
      for (const server of launched.splice(0)) server.signal("SIGKILL");
      for (const socket of sockets.splice(0)) socket.close();
      folder.remove();
    });

    async function start(args: readonly string[], settings: LaunchSettings = {}): Promise<LaunchedServer> {
      const server = await launch(program, ["--path", folder.path, "--listen", "127.0.0.1:0", ...args], settings);
      launched.push(server);
      client = new HttpTestClient({ port: server.port });
      return server;
    }

    async function send(method: string, path: string, settings?: RequestSettings): Promise<Reply> {
      if (client === undefined) throw new Error("no server was started");
      return client.send(method, path, settings);
    }

    async function expectStatus(method: string, path: string, status: number, body?: string): Promise<Reply> {
      const reply = await send(method, path, body === undefined ? {} : { body });
      expect(reply.status, `${method} ${path}`).to.equal(status);
      return reply;
    }

    async function openSocket(): Promise<Server> {
      const socket = createServer().listen(0, "127.0.0.1");
      await new Promise((resolve) => socket.once("listening", resolve));
      sockets.push(socket);
      return socket;
    }

    describe("--proxy-auth-username", () => {
      const header = (...values: readonly string[]): RequestSettings => ({ headers: { "X-Remote-User": [...values] } });

      for (const [what, settings, status] of [
        ["a name", header("restic"), 404],
        ["a name with a blank and an umlaut in UTF-8", header(Buffer.from("jürgen b").toString("latin1")), 404],
        ["a name of a domain", header("DOMAIN\\user"), 404],
        ["an empty name", header(""), 401],
        ["no name", {}, 401],
        ["a password instead", { headers: { Authorization: "Basic YTpi" } }, 401],
        ["another header", { headers: { "X-Remote": "restic" } }, 401],
      ] as const) {
        it(`J: answers ${what} with ${status}`, async () => {
          await start(["--proxy-auth-username", "x-Remote-USER"]);
          expect((await send("GET", "/config", settings)).status).to.equal(status);
        });
      }

      it("X22: gives users their own folder, and counts the first of several headers", async () => {
        await start(["--proxy-auth-username", "X-Remote-User", "--private-repos"]);
        for (const [path, settings, status] of [
          ["/alice/config", header("alice"), 404],
          ["/bob/config", header("alice"), 401],
          ["/alice/config", header("alice", "bob"), 404],
          ["/bob/config", header("alice", "bob"), 401],
          ["/config", header("alice"), 401],
        ] as const) {
          expect((await send("GET", path, settings)).status, `${path} ${settings.headers}`).to.equal(status);
        }
      });
    });

    describe("--no-verify-upload", () => {
      it("X16: stores what does not hash to its name, and never replaces it", async () => {
        await start(["--no-auth", "--no-verify-upload"]);
        await expectStatus("POST", "/r/?create=true", 200);
        await expectStatus("POST", object, 200, "something else");
        expect((await expectStatus("GET", object, 200)).text).to.equal("something else");
        await expectStatus("POST", object, 403, content);
        expect((await expectStatus("GET", object, 200)).text).to.equal("something else");
        await expectStatus("DELETE", object, 200);
        await expectStatus("GET", object, 404);
      });

      it("keeps nothing of an upload that breaks off", async () => {
        const server = await start(["--no-auth", "--no-verify-upload"]);
        await expectStatus("POST", "/r/?create=true", 200);
        const socket = connect(server.port, "127.0.0.1");
        const closed = collectText(socket);
        socket.write(`POST ${object} HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n`, () => socket.destroy());
        await closed;
        await expectStatus("GET", object, 404);
        expect((await expectStatus("GET", "/r/data/", 200)).text).to.equal("[]");
      });

      it("does not weaken --append-only otherwise", async () => {
        await start(["--no-auth", "--no-verify-upload", "--append-only"]);
        await expectStatus("POST", object, 200, "junk");
        await expectStatus("POST", object, 403, content);
        await expectStatus("DELETE", object, 403);
        expect((await expectStatus("GET", object, 200)).text).to.equal("junk");
      });
    });

    it("without --no-verify-upload refuses what does not hash to its name", async () => {
      await start(["--no-auth"]);
      await expectStatus("POST", object, 400, "something else");
      await expectStatus("GET", object, 404);
    });

    for (const [umask, args, folderMode, fileMode] of [
      ["022", [], 0o700, 0o600],
      ["022", ["--group-accessible-repos"], 0o750, 0o640],
      ["007", ["--group-accessible-repos"], 0o770, 0o660],
      ["077", ["--group-accessible-repos"], 0o700, 0o600],
    ] as const) {
      it(`X14: makes files of mode ${fileMode.toString(8)} with umask ${umask} ${args.join("")}`, async () => {
        await start(["--no-auth", ...args], { umask });
        await expectStatus("POST", "/r/?create=true", 200);
        await expectStatus("POST", "/r/config", 200, "config");
        await expectStatus("POST", object, 200, content);
        const mode = (path: string): number => statSync(join(folder.path, path)).mode & 0o777;
        for (const path of ["r", "r/data", "r/data/00", "r/keys", "r/snapshots"])
          expect(mode(path), path).to.equal(folderMode);
        for (const path of ["r/config", `r/data/${sha256(content).slice(0, 2)}/${sha256(content)}`])
          expect(mode(path), path).to.equal(fileMode);
      });
    }

    it("--debug tells of every request and of what the client is refused for", async () => {
      const server = await start(["--no-auth", "--debug"]);
      await expectStatus("POST", "/r/?create=true", 200);
      await expectStatus("GET", "/r/config?x=%20y", 404);
      await expectStatus("POST", object, 400, "something else");
      await server.waitForLine(/does not match hash|expected content with SHA-256/);
      const requests = server.lines.filter((line) => /^(?:GET|POST) \S+$/.test(line));
      expect(requests).to.deep.equal(["POST /r/?create=true", "GET /r/config?x=%20y", `POST ${object}`]);
      expect(server.lines.join("\n")).to.match(/no such file or directory/);
    });

    it("without --debug tells of none of that", async () => {
      const server = await start(["--no-auth"]);
      const before = server.lines.length;
      await expectStatus("GET", "/r/config", 404);
      await expectStatus("POST", object, 400, "something else");
      await server.stop();
      expect(server.lines.slice(before)).to.deep.equal(["shutdown cleanly"]);
    });

    it("--cpu-profile writes its file when the server ends, and not before", async () => {
      const path = join(folder.path, "profile");
      const server = await start(["--no-auth", "--cpu-profile", path]);
      await expectStatus("GET", "/config", 404);
      expect(readFileSync(path)).to.have.length(0);
      expect(await server.stop()).to.equal(0);
      expect(statSync(path).size).to.be.greaterThan(100);
    });

    describe("X25: systemd's sockets", () => {
      it("one is used instead of --listen", async () => {
        const socket = await openSocket();
        const { port } = socket.address() as AddressInfo;
        const server = await start(["--no-auth"], { sockets: [socket] });
        // From now on only the server accepts connections.
        socket.close();
        expect(server.lines.at(-1)).to.equal("systemd socket activation mode");
        expect(server.lines.filter((line) => line.startsWith("start server on"))).to.deep.equal([]);
        client = new HttpTestClient({ port });
        await expectStatus("GET", "/config", 404);
        await expectStatus("POST", object, 200, content);
        client.close();
        expect(await server.stop()).to.equal(0);
        expect(server.lines.at(-1)).to.equal("shutdown cleanly");
      });

      it("one socket file is used too, and left to its owner", async () => {
        const socketPath = join(folder.path, "socket");
        const boundPath = join(folder.path, "bound");
        const socket = createServer().listen(boundPath);
        await new Promise((resolve) => socket.once("listening", resolve));
        const server = await start(["--no-auth"], { sockets: [socket] });
        // Closing this end would remove the file, if it were still there.
        renameSync(boundPath, socketPath);
        socket.close();
        client = new HttpTestClient({ socketPath });
        await expectStatus("GET", "/config", 404);
        client.close();
        expect(await server.stop()).to.equal(0);
        expect(existsSync(socketPath)).to.equal(true);
      });

      it("two are refused", async () => {
        const server = await start(["--no-auth"], { sockets: [await openSocket(), await openSocket()] });
        expect(await server.end()).to.equal(1);
        expect(server.lines.at(-1)).to.match(/^error: unable to listen: got 2 listeners from systemd, expected one/);
      });

      it("those of another process are ignored", async () => {
        const server = await start(["--no-auth"], { sockets: [await openSocket()], listenPid: "1" });
        expect(server.lines.at(-1)).to.match(/^start server on 127\.0\.0\.1:\d+$/);
        await expectStatus("GET", "/config", 404);
      });
    });

    describe("2.3: the password file", () => {
      const user = "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n";
      const alice: RequestSettings = { headers: { Authorization: `Basic ${btoa("alice:password")}` } };
      const usersPath = (): string => join(folder.path, ".htpasswd");

      it("is read again on SIGHUP, and the old users stay when that fails", async () => {
        writeFileSync(usersPath(), user);
        const server = await start([]);
        expect((await send("GET", "/config", alice)).status).to.equal(404);
        writeFileSync(usersPath(), "");
        server.signal("SIGHUP");
        await server.waitForLine(/^Reloaded htpasswd file/);
        expect((await send("GET", "/config", alice)).status).to.equal(401);
        writeFileSync(usersPath(), user);
        const reloads = server.lines.length;
        server.signal("SIGHUP");
        for (let i = 0; i < 1000 && server.lines.length === reloads; i++)
          await new Promise((resolve) => setTimeout(resolve, 10));
        expect((await send("GET", "/config", alice)).status).to.equal(404);
        rmSync(usersPath());
        mkdirSync(usersPath());
        server.signal("SIGHUP");
        await server.waitForLine(/^Could not reload htpasswd file: /);
        expect((await send("GET", "/config", alice)).status).to.equal(404);
        expect(readdirSync(folder.path)).to.include(".htpasswd");
      });
    });
  });
}

describe("the flags of coffer-server, beyond rest-server", () => {
  let folder: TemporaryFolder;
  let server: LaunchedServer;
  let client: HttpTestClient;

  async function start(...args: readonly string[]): Promise<void> {
    folder = makeTemporaryFolder("flag-effects");
    const [coffer] = serverPrograms;
    if (coffer === undefined) throw new Error("there is no server");
    server = await launch(coffer, ["--path", folder.path, "--listen", "127.0.0.1:0", ...args]);
    client = new HttpTestClient({ port: server.port });
  }

  afterEach(() => {
    client.close();
    server.signal("SIGKILL");
    folder.remove();
  });

  for (const name of ["a/b", "..", ".", "\tx\u0085y", "\u00ff"]) {
    it(`--proxy-auth-username refuses the name ${JSON.stringify(name)}, which could not be a folder or a field of a log`, async () => {
      await start("--proxy-auth-username", "X-Remote-User");
      const headers = { "X-Remote-User": Buffer.from(name).toString("latin1") };
      // The last one is a byte that is not UTF-8.
      if (name === "\u00ff") headers["X-Remote-User"] = name;
      expect((await client.send("GET", "/config", { headers })).status).to.equal(401);
    });
  }

  it("--no-verify-upload accepts an upload again that brings what is stored", async () => {
    await start("--no-auth", "--no-verify-upload", "--append-only");
    for (const [body, status] of [
      ["junk", 200],
      ["junk", 200],
      ["jun", 403],
      ["junks", 403],
      ["junK", 403],
      ["", 403],
    ] as const) {
      expect((await client.send("POST", object, { body })).status, body).to.equal(status);
    }
    expect((await client.send("GET", object)).text).to.equal("junk");
  });

  it("--cpu-profile writes what DevTools opens: a tree of calls, and samples that lead into it", async () => {
    await start("--no-auth", "--cpu-profile", join(tmpdir(), `coffer-profile-${process.pid}`));
    const path = join(tmpdir(), `coffer-profile-${process.pid}`);
    for (let i = 0; i < 50; i++) await client.send("GET", "/config");
    client.close();
    expect(await server.stop()).to.equal(0);
    interface Profile {
      nodes: { id: number; callFrame: { functionName: string } }[];
      samples: number[];
      timeDeltas: number[];
      startTime: number;
      endTime: number;
    }
    const profile = JSON.parse(readFileSync(path, "utf8")) as Profile;
    rmSync(path);
    const ids = new Set(profile.nodes.map((node) => node.id));
    expect(profile.nodes.map((node) => node.callFrame.functionName)).to.include("(root)");
    expect(profile.samples).to.have.length.greaterThan(0);
    expect(profile.samples.filter((sample) => !ids.has(sample))).to.deep.equal([]);
    expect(profile.timeDeltas).to.have.length(profile.samples.length);
    expect(profile.endTime).to.be.greaterThan(profile.startTime);
  });
});
