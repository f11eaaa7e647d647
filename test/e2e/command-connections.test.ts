/** Whole commands over our server: each opens at most as many connections as it has slots, and the lock's own. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { type CountedServer, startCountedServer } from "../support/counted-server.ts";
import { expectExit, runCoffer } from "../support/programs.ts";

const program = fileURLToPath(new URL("../../server/main.ts", import.meta.url));
const fileCount = 20_000;
const filesPerFolder = 200;
/** `rest.connections` when nobody says otherwise, and the one for locks. */
const expectedConnections = 5 + 1;

describe("connections of commands", function () {
  this.timeout(120_000);
  let folder: string;
  let server: CountedServer;
  let env: Record<string, string>;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "coffer-commands-"));
    for (let index = 0; index < fileCount; index += 1) {
      const inner = join(folder, "source", String(Math.floor(index / filesPerFolder)));
      if (index % filesPerFolder === 0) mkdirSync(inner, { recursive: true });
      writeFileSync(join(inner, `file-${index}`), `content of file ${index}\n`.repeat(1 + (index % 40)));
    }
    server = await startCountedServer(["--no-auth", "--path", join(folder, "server")], { program });
    env = {
      RESTIC_REPOSITORY: `rest:http://${server.address}/r/`,
      RESTIC_PASSWORD: "password",
      RESTIC_CACHE_DIR: join(folder, "cache"),
    };
    await run("init");
  });

  after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs a command to its end and returns how many connections the server accepted from it. */
  async function run(...parameters: readonly string[]): Promise<number> {
    const before = await server.acceptedConnections();
    expectExit(await runCoffer(parameters, { env }));
    return (await server.acceptedConnections()) - before;
  }

  it(`of a backup of ${fileCount} small files are few`, async () => {
    expect(await run("backup", join(folder, "source"))).to.be.within(1, expectedConnections);
  });

  it("of a backup that finds nothing changed are few", async () => {
    expect(await run("backup", join(folder, "source"))).to.be.within(1, expectedConnections);
  });

  it("of a check of all data are few", async () => {
    expect(await run("check", "--read-data")).to.be.within(1, expectedConnections);
  });

  it("of a restore are few", async () => {
    expect(await run("restore", "latest", "--target", join(folder, "target"))).to.be.within(1, expectedConnections);
  });

  it("are as many as the user allows, and one for locks", async () => {
    expect(await run("-o", "rest.connections=2", "check", "--read-data")).to.be.within(1, 3);
    expect(await run("-o", "rest.connections=1", "check")).to.be.within(1, 2);
  });
});
