/** `coffer-server user …` and `coffer-server policy …` as processes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { verify } from "@node-rs/bcrypt";
import { expect } from "chai";
import { helpText } from "../../../server/start/options.ts";
import { type ProgramRun, requirePrograms, startProgram } from "../../support/programs.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";

const serverProgram = fileURLToPath(new URL("../../../server/main.ts", import.meta.url));

interface TypedProgram {
  /** Waits until the program has asked, then types. */
  type(question: string, keys: string): Promise<void>;
  readonly finished: Promise<{ exitCode: number | null; stdout: string }>;
}

function startTyped(command: readonly string[]): TypedProgram {
  const [program = "", ...parameters] = command;
  const child = spawn(program, parameters, { stdio: ["pipe", "pipe", "ignore"] });
  let stdout = "";
  let wake = (): void => undefined;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    wake();
  });
  const finished = once(child, "close").then(() => ({ exitCode: child.exitCode, stdout }));
  return {
    type: async (question, keys) => {
      while (!stdout.includes(question)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      child.stdin.write(keys);
    },
    finished,
  };
}

describe("the server's commands", function () {
  this.timeout(30_000);
  let folder: TemporaryFolder;
  let users: string;

  beforeEach(() => {
    folder = makeTemporaryFolder("commands");
    users = join(folder.path, ".htpasswd");
  });

  afterEach(() => folder.remove());

  function run(parameters: readonly string[], input?: string): Promise<ProgramRun> {
    return startProgram([process.execPath, serverProgram, ...parameters], input === undefined ? {} : { input })
      .finished;
  }

  async function passwordIs(user: string, password: string): Promise<boolean> {
    const line = readFileSync(users, "utf8")
      .split("\n")
      .find((each) => each.startsWith(`${user}:`));
    return verify(password, line?.slice(user.length + 1) ?? "");
  }

  describe("user", () => {
    it("adds, changes, lists and removes", async () => {
      const place = ["--path", folder.path, "--cost", "4"];
      const added = await run(["user", "add", "alice", ...place], "first password\nignored\n");
      expect(added).to.include({ exitCode: 0, stdout: `Added alice to ${users}\n`, stderr: "" });
      expect(await passwordIs("alice", "first password")).to.equal(true);
      writeFileSync(join(folder.path, "password"), "from a file\r\n");
      writeFileSync(users, `# comment\nold:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n${readFileSync(users, "utf8")}`);
      const changed = await run(["user", "add", "alice", "--password-file", join(folder.path, "password"), ...place]);
      expect(changed.stdout).to.equal(`Changed the password of alice in ${users}\n`);
      expect(await passwordIs("alice", "from a file")).to.equal(true);
      const listed = await run(["user", "list", "--htpasswd-file", users]);
      expect(listed.stdout).to.equal("old\tSHA-1: give it a new password\nalice\tbcrypt, cost 4\n");
      expect(await run(["user", "remove", "alice", "--path", folder.path])).to.include({ exitCode: 0 });
      expect(readFileSync(users, "utf8")).to.equal("# comment\nold:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n");
      const again = await run(["user", "remove", "alice", "--path", folder.path]);
      expect(again).to.include({ exitCode: 1, stderr: `error: ${users} has no user "alice"\n` });
    });

    for (const [what, parameters, input, message] of [
      ["a name with a colon", ["a:b"], "x\n", /a user's name consists of letters, digits and @\._-, got "a:b"/],
      ["a name with a slash", ["a/b"], "x\n", /got "a\/b"/],
      ["an empty password", ["a"], "\n", /expected a password, got an empty line/],
      ["no password", ["a"], "", /expected a password, got an empty line/],
      ["a password that bcrypt would cut", ["a"], `${"ü".repeat(37)}\n`, /at most 72 bytes, got 74/],
      ["a NUL", ["a"], "a\0b\n", /without NUL/],
      [
        "a password on the command line",
        ["a", "secret"],
        "x\n",
        /expected 1 arguments, got 2; usage: coffer-server user add NAME/,
      ],
      ["an unknown flag", ["a", "--password", "x"], "x\n", /--password.*usage: coffer-server user add/s],
      ["a cost that is none", ["a", "--cost", "3"], "x\n", /--cost expected a number from 4 to 31, got "3"/],
    ] as const) {
      it(`refuses ${what}`, async () => {
        const { exitCode, stderr, stdout } = await run(["user", "add", ...parameters, "--path", folder.path], input);
        expect({ exitCode, stdout }).to.deep.equal({ exitCode: 1, stdout: "" });
        expect(stderr)
          .to.match(/^error: /)
          .and.match(message);
      });
    }

    it("asks twice at a terminal, and shows nothing", async function () {
      requirePrograms(this, "script");
      const command = `${process.execPath} ${serverProgram} user add alice --cost 4 --path ${folder.path}`;
      async function type(first: string, second: string): Promise<{ exitCode: number | null; stdout: string }> {
        const typed = startTyped(["script", "-qec", command, "/dev/null"]);
        await typed.type("New password of alice: ", `${first}\r`);
        await typed.type("Once more: ", `${second}\r`);
        return typed.finished;
      }
      const differing = await type("one", "two");
      expect(differing.exitCode).to.equal(1);
      expect(differing.stdout).to.match(/the two passwords differ: nothing was changed/);
      const same = await type("sesamx\x7fe", "sesame");
      expect(same.exitCode).to.equal(0);
      expect(same.stdout).to.include("Added alice").and.not.include("sesam");
      expect(await passwordIs("alice", "sesame")).to.equal(true);
    });
  });

  describe("policy", () => {
    let policy: string;

    beforeEach(() => {
      policy = join(folder.path, "policy.yaml");
      writeFileSync(
        policy,
        `rules:
  - {name: own, users: "*", repositories: "{user}/**", access: full}
  - {name: office, users: alice, repositories: shared, access: read-only, addresses: 10.0.0.0/8}
  - {name: keep, users: "*", repositories: "**", deny: delete}
quotas:
  - {repositories: "{user}/**", per-user: 1GiB}
`,
      );
    });

    it("check says that a file is right, or what is wrong where", async () => {
      expect(await run(["policy", "check", policy])).to.include({
        exitCode: 0,
        stdout: `${policy}: no mistakes, 3 rules, 1 quotas\n`,
      });
      writeFileSync(policy, 'rules:\n  - {users: a, repositories: b, access: rw}\n  - {users: "*"}\n');
      const { exitCode, stderr } = await run(["policy", "check", policy]);
      expect(exitCode).to.equal(1);
      expect(stderr.trim().split("\n")).to.deep.equal([
        `${policy}:2: rules[1].access: expected read-only, write-only, append-only, full, got "rw"`,
        `${policy}:3: rules[2]: expected one of the fields "access", "rights" and "deny"`,
        `${policy}:3: rules[2]: expected the field "repositories"`,
      ]);
    });

    for (const [parameters, exitCode, message] of [
      [["alice", "/alice/x/config", "get"], 0, /allowed: read config, because rule "own" \(line 2\) grants "read"/],
      [["alice", "/alice/config", "GET"], 0, /quota: +1 GiB for user "alice" \(the quota in line 6\)/],
      [
        ["alice", "/alice/config", "DELETE"],
        2,
        /refused \(403\): remove config needs "delete"; rule "keep" \(line 4\) denies it/,
      ],
      [
        ["bob", "/alice/config", "GET"],
        2,
        /rights: +none\n.*\n*refused \(403\): read config needs "read" or "append", which no rule grants/,
      ],
      [["alice", "/shared/config", "GET", "--address", "10.9.9.9"], 0, /rule "office" \(line 3\) grants "read"/],
      [
        ["alice", "/shared/config", "GET", "--address", "192.0.2.1"],
        2,
        /from this address \(rule "office" \(line 3\): not from here\)/,
      ],
      [["alice", "/alice//%63onfig", "GET"], 0, /redirects to \/alice\/%63onfig \(307\)/],
      [["alice", "/alice/%2e%2e/bob/config", "GET"], 2, /refused \(404\): path .* has an invalid folder name/],
      [["alice", "/alice/config", "PUT"], 2, /refused \(405\): PUT is no method of this path/],
      [["alice", "/alice/nothing", "GET"], 2, /refused \(404\): nothing in a repository has such a path/],
      [["alice", "/bob/nothing", "GET"], 2, /refused \(403\): there is no right to this repository/],
    ] as const) {
      it(`explain ${parameters.join(" ")}`, async () => {
        const found = await run(["policy", "explain", ...parameters, "--policy", policy]);
        expect(found.stdout).to.match(message);
        expect(found.exitCode).to.equal(exitCode);
      });
    }

    it("explain knows the flags that a policy replaces", async () => {
      const privately = await run(["policy", "explain", "alice", "/bob/config", "GET", "--private-repos"]);
      expect(privately).to.include({ exitCode: 2 });
      expect(privately.stdout).to.match(/refused \(401\)/);
      const appending = await run(["policy", "explain", "alice", "/bob/config", "DELETE", "--append-only"]);
      expect(appending.stdout).to.match(/--append-only denies it/);
      const both = await run(["policy", "explain", "a", "/", "GET", "--append-only", "--policy", policy]);
      expect(both.stderr).to.match(/expected --policy or the flags that it replaces, got both/);
      const nowhere = await run(["policy", "explain", "a", "/", "GET", "--address", "home"]);
      expect(nowhere.stderr).to.match(/--address expected an IP address, got "home"/);
    });

    it("says what there is", async () => {
      expect((await run(["policy", "chek", policy])).stderr).to.match(
        /expected one of policy check, policy explain, got "policy chek"/,
      );
      expect((await run(["policy", "--help"])).stdout).to.match(/policy explain USER PATH METHOD/);
      for (const name of ["policy check", "policy explain", "user add", "user list", "user remove"]) {
        expect(helpText()).to.include(`coffer-server ${name} `);
      }
    });
  });
});
