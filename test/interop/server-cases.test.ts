/** The real restic at our server: cases X29 to X31 of section 3.3 of docs/protocol.md. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import {
  expectExit,
  type ProgramRun,
  type RunningProgram,
  requirePrograms,
  startProgram,
} from "../support/programs.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { testBytes } from "../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

describe("interop: restic at the server", function () {
  this.timeout(120_000);
  let folder: TemporaryFolder;
  let server: TestServer | undefined;

  before(function () {
    requirePrograms(this, "restic");
  });

  beforeEach(() => {
    folder = makeTemporaryFolder("server-cases");
  });

  afterEach(async () => {
    await server?.stop();
    server = undefined;
    folder.remove();
  });

  async function start(settings: Parameters<typeof startServer>[0] = {}): Promise<TestServer> {
    const args = [...(settings.args ?? []), "--log", join(folder.path, "log")];
    server = await startServer({ ...settings, path: join(folder.path, "data"), args });
    return server;
  }

  function startRestic(url: string, ...parameters: readonly string[]): RunningProgram {
    const cache = ["--cache-dir", join(folder.path, "cache")];
    const command = ["restic", ...cache, "-r", `rest:${url}`, ...parameters];
    return startProgram(command, { env: { RESTIC_PASSWORD: "x" } });
  }

  function restic(url: string, ...parameters: readonly string[]): Promise<ProgramRun> {
    return startRestic(url, ...parameters).finished;
  }

  /** "METHOD path status" of every answer so far, with the ids cut off. */
  function answers(): string[] {
    const text = readFileSync(join(folder.path, "log"), "utf8");
    const lines = [...text.matchAll(/"(\w+) (\S+) HTTP[^"]*" (\d+)/g)];
    return lines.map(([, method, path, status]) => `${method} ${path?.replace(/[0-9a-f]{64}$/, "ID")} ${status}`);
  }

  it("X29: init, three backups at once, check, forget and prune, without a refusal but those of init", async () => {
    const { url } = await start();
    const repository = `${url}r/`;
    expectExit(await restic(repository, "init"));
    const backups = ["one", "two", "three"].map(async (name) => {
      const path = join(folder.path, name);
      writeFileSync(path, testBytes(name, 3_000_000));
      expectExit(await restic(repository, "backup", "--host", name, path));
    });
    await Promise.all(backups);
    expectExit(await restic(repository, "check", "--read-data"));
    writeFileSync(join(folder.path, "one"), "little");
    expectExit(await restic(repository, "backup", "--host", "one", join(folder.path, "one")));
    expectExit(await restic(repository, "forget", "--group-by", "host", "--keep-last", "1", "--prune"));
    expectExit(await restic(repository, "check", "--read-data"));
    const refused = new Set(answers().filter((line) => / [45]\d\d$/.test(line)));
    expect([...refused]).to.deep.equal(["HEAD /r/config 404"]);
    expect(readdirSync(join(folder.path, "data/r/snapshots"))).to.have.length(3);
    expect(readdirSync(join(folder.path, "data/r/locks"))).to.deep.equal([]);
  });

  it("X30: forget in append-only mode is refused, removes its lock, and loses nothing", async () => {
    const { url } = await start({ args: ["--append-only"] });
    const repository = `${url}r/`;
    expectExit(await restic(repository, "init"));
    const path = join(folder.path, "file");
    writeFileSync(path, "content");
    for (let i = 0; i < 2; i++) expectExit(await restic(repository, "backup", path));
    const before = answers().length;
    const forgetting = startRestic(repository, "forget", "--keep-last", "1");
    await waitUntil(() =>
      answers()
        .slice(before)
        .some((line) => line.startsWith("DELETE /r/snapshots/")),
    );
    // Version 0.14 would try again for a minute; later ones end by themselves.
    forgetting.kill("SIGINT");
    await forgetting.finished;
    await waitUntil(() => answers().at(-1)?.startsWith("DELETE /r/locks/") === true);
    const made = answers().slice(before);
    const removals = made.filter((line) => line.startsWith("DELETE /r/snapshots/"));
    expect(removals).to.not.deep.equal([]);
    expect(new Set(removals)).to.deep.equal(new Set(["DELETE /r/snapshots/ID 403"]));
    expect(made.at(-1)).to.equal("DELETE /r/locks/ID 200");
    expect(readdirSync(join(folder.path, "data/r/snapshots"))).to.have.length(2);
    expect(readdirSync(join(folder.path, "data/r/locks"))).to.deep.equal([]);
    expectExit(await restic(repository, "check", "--read-data"));
  });

  it("X31: without credentials restic is refused and gives up", async () => {
    const started = await start({ auth: { user: "alice", password: "secret" } });
    const run = await restic(`http://${started.address}/r/`, "snapshots");
    expect(run.exitCode).to.be.greaterThan(0);
    await waitUntil(() => answers().length > 0);
    const made = answers();
    expect(made.filter((line) => !line.endsWith(" 401"))).to.deep.equal([]);
  });
});
