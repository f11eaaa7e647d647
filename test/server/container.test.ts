/** The small programs of the container image. */
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";

const folderOfPrograms = fileURLToPath(new URL("../../server/container", import.meta.url));

describe("the container's programs", () => {
  let folder: TemporaryFolder;

  beforeEach(() => {
    folder = makeTemporaryFolder("container");
    // Tells how it was called, in the place of the server's program.
    const program = `import { readFileSync } from "node:fs";
      console.log(JSON.stringify({ args: process.argv.slice(2), input: readFileSync(0, "utf8") }));`;
    writeFileSync(join(folder.path, "server.mjs"), program);
  });

  afterEach(() => folder.remove());

  function run(program: string, parameters: readonly string[], input = ""): SpawnSyncReturns<string> {
    const env = {
      PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
      COFFER_SERVER: join(folder.path, "server.mjs"),
      PASSWORD_FILE: "/data/users",
    };
    return spawnSync(join(folderOfPrograms, program), parameters, { env, input, encoding: "utf8" });
  }

  for (const [program, parameters, input, call] of [
    ["create_user", ["alice", "two words"], "", { verb: "add", input: "two words\n" }],
    ["create_user", ["alice", "-n"], "", { verb: "add", input: "-n\n" }],
    ["create_user", ["alice"], "typed\n", { verb: "add", input: "typed\n" }],
    ["delete_user", ["alice"], "", { verb: "remove", input: "" }],
  ] as const) {
    it(`${[program, ...parameters].join(" ")} calls the server's program`, () => {
      const { status, stdout, stderr } = run(program, parameters, input);
      expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
      const args = ["user", call.verb, "alice", "--htpasswd-file", "/data/users"];
      expect(JSON.parse(stdout)).to.deep.equal({ args, input: call.input });
    });
  }

  for (const [program, parameters] of [
    ["create_user", []],
    ["create_user", ["--help"]],
    ["delete_user", []],
    ["delete_user", ["-x"]],
  ] as const) {
    it(`${[program, ...parameters].join(" ")} says how it is used`, () => {
      const { status, stdout, stderr } = run(program, parameters);
      expect({ status, stdout }).to.deep.equal({ status: 1, stdout: "" });
      expect(stderr).to.match(/^usage: /);
    });
  }

  async function checkHealth(env: Readonly<Record<string, string>>): Promise<number | null> {
    const program = join(folderOfPrograms, "health-check.mjs");
    const child = spawn(process.execPath, [program], { env, stdio: "ignore" });
    await once(child, "close");
    return child.exitCode;
  }

  for (const [status, exitCode] of [
    [200, 0],
    [401, 1],
    [500, 1],
  ] as const) {
    it(`a server that answers ${status} is ${exitCode === 0 ? "healthy" : "not healthy"}`, async () => {
      const asked: string[] = [];
      const server = createServer((request, response) => {
        asked.push(request.url ?? "");
        response.writeHead(status).end();
      }).listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const url = `http://127.0.0.1:${port}/-/health/live`;
      expect(await checkHealth({ HEALTH_URL: url })).to.equal(exitCode);
      expect(asked).to.deep.equal(["/-/health/live"]);
      server.close();
      await once(server, "close");
      expect(await checkHealth({ HEALTH_URL: url })).to.equal(1);
    });
  }
});
