/** The commands over the network: Coffer's client against Coffer's server, with a user who has to log in. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { makeCheapRepository, makeTemporaryFolder, testPassword } from "../client/cli/in-process.ts";
import { expectExit, type ProgramRun, runCoffer } from "../support/programs.ts";
import { startServer, type TestServer } from "../support/server.ts";

describe("the command line over rest:", function () {
  this.timeout(60_000);
  const folder = makeTemporaryFolder();
  const user = { user: "alice", password: "s3cret p@ss" };
  let server: TestServer;
  let env: Record<string, string> = {};

  const coffer = (
    parameters: readonly string[],
    exitCode = 0,
    more: Record<string, string> = {},
  ): Promise<ProgramRun> =>
    runCoffer(parameters, { env: { ...env, ...more }, cwd: folder.path }).then((run) => expectExit(run, exitCode));

  before(async () => {
    mkdirSync(join(folder.path, "s"));
    for (let number = 0; number < 20; number++) writeFileSync(join(folder.path, "s", `${number}`), `content ${number}`);
    server = await startServer({ auth: user });
    env = {
      RESTIC_REPOSITORY: `rest:${server.url}repo/`,
      RESTIC_PASSWORD: testPassword,
      RESTIC_CACHE_DIR: join(folder.path, "cache"),
    };
    await makeCheapRepository(`rest:${server.url}repo/`);
  });

  after(async () => {
    await server?.stop();
    folder.remove();
  });

  it("makes a repository, and never shows the server's password", async () => {
    const created = await coffer(["init"], 0, { RESTIC_REPOSITORY: `rest:${server.url}created/` });
    expect(created.stdout).to.contain("at rest:http://alice:***@").and.not.to.contain("s3cret");
  });

  it("goes from a backup to a verified restore", async () => {
    const first = await coffer(["backup", "s", "--json"]);
    expect(JSON.parse(first.stdout.trim().split("\n").at(-1) ?? "")).to.include({ files_new: 20 });
    writeFileSync(join(folder.path, "s", "new"), "new");
    const second = await coffer(["backup", "s"]);
    expect(second.stdout)
      .to.match(/^using parent snapshot [0-9a-f]{8}\n/)
      .and.match(/Files: +1 new, +0 changed, +20 unmodified\n/);
    expect((await coffer(["ls", "latest"])).stdout.trim().split("\n")).to.have.length(23);
    await coffer(["restore", "latest", "-t", "out", "--verify"]);
    expect(readdirSync(join(folder.path, "out", "s")).sort()).to.deep.equal(readdirSync(join(folder.path, "s")).sort());
    expect(readFileSync(join(folder.path, "out", "s", "7"), "utf8")).to.equal("content 7");
    expect((await coffer(["check", "--read-data"])).stdout).to.match(/no errors were found\n$/);
    expect((await coffer(["list", "locks"])).stdout).to.equal("");
  });

  it("takes the credentials from the environment when the location has none", async () => {
    const bare = { RESTIC_REPOSITORY: `rest:http://${server.address}/repo/` };
    const credentials = { RESTIC_REST_USERNAME: user.user, RESTIC_REST_PASSWORD: user.password };
    const { stdout } = await coffer(["snapshots", "--json"], 0, { ...bare, ...credentials });
    expect(JSON.parse(stdout)).to.have.length(2);
    const refused = await coffer(["snapshots"], 1, bare);
    expect(refused.stderr).to.match(/^(Fatal: )?unable to open config file: /);
  });

  it("tells a missing repository from a wrong password", async () => {
    const missing = await coffer(["snapshots", "-r", `${env["RESTIC_REPOSITORY"]}nothing/`], 10);
    expect(missing.stderr).to.contain("Is there a repository at the following location?\nrest:http://alice:***@");
    await coffer(["snapshots"], 12, { RESTIC_PASSWORD: "wrong" });
  });
});
