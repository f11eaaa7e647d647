/** What only a process of its own shows: signals, pipes, terminals, raw bytes in arguments, exit codes. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { call, makeCheapRepository, makeTemporaryFolder, testPassword } from "../client/cli/in-process.ts";
import {
  compileCache,
  expectExit,
  type ProgramRun,
  requirePrograms,
  runCoffer,
  startProgram,
} from "../support/programs.ts";
import { waitUntil } from "../support/wait-until.ts";

const client = fileURLToPath(new URL("../../client/main.ts", import.meta.url));
/** For shells: Node and the client. */
const coffer = `'${process.execPath}' '${client}'`;

/** Of util-linux: runs a command at a terminal of its own. */
const pseudoTerminal = "script";

describe("the command line as a process", function () {
  this.timeout(60_000);
  const folder = makeTemporaryFolder();
  const repository = join(folder.path, "repository");
  const env = {
    RESTIC_REPOSITORY: repository,
    RESTIC_PASSWORD: testPassword,
    RESTIC_CACHE_DIR: join(folder.path, "cache"),
  };

  const path = (...parts: string[]): string => join(folder.path, ...parts);
  const locks = (): string[] => readdirSync(join(repository, "locks"));
  const snapshots = async (): Promise<unknown[]> => JSON.parse((await call(["snapshots", "--json"], { env })).stdout);

  before(async () => {
    await makeCheapRepository(repository);
    writeFileSync(path("big"), randomFillSync(Buffer.alloc(6 << 20)));
    mkdirSync(path("many"));
    for (let number = 0; number < 3000; number++) writeFileSync(path("many", `${number}-${"n".repeat(60)}`), "");
  });

  after(() => folder.remove());

  describe("signals", () => {
    interface RunningBackup {
      readonly child: ChildProcess;
      /** How it ended: its exit code, or the signal that ended it. */
      readonly finished: Promise<{ exitCode: number | NodeJS.Signals; stdout: string; stderr: string }>;
    }

    /** A backup that would take half a minute; when this settles it has printed `sign`. */
    async function startSlowBackup(sign: string, ...parameters: string[]): Promise<RunningBackup> {
      const child = spawn(
        process.execPath,
        [client, "backup", "--force", "--limit-upload", "200", ...parameters, path("big")],
        { env: { ...process.env, NODE_COMPILE_CACHE: compileCache, ...env }, stdio: ["ignore", "pipe", "pipe"] },
      );
      const texts = { stdout: "", stderr: "" };
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        texts.stdout += text;
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        texts.stderr += text;
      });
      const finished = new Promise<Awaited<RunningBackup["finished"]>>((resolve) => {
        child.once("close", (code, signal) => resolve({ exitCode: code ?? signal ?? -1, ...texts }));
      });
      await waitUntil(() => texts.stdout.includes(sign) || child.exitCode !== null);
      return { child, finished };
    }

    it("SIGINT cancels, removes the lock, writes no snapshot, and ends with 130", async () => {
      const before = (await snapshots()).length;
      const { child, finished } = await startSlowBackup("start backup on", "-v");
      expect(locks()).to.have.length(1);
      child.kill("SIGINT");
      const run = await finished;
      expect(run.stderr).to.equal(
        "\rsignal interrupt received, cleaning up \nFatal: unable to save snapshot: context canceled\n",
      );
      expect(run.exitCode).to.equal(130);
      expect(locks()).to.deep.equal([]);
      expect(await snapshots()).to.have.length(before);
      expect((await call(["check"], { env })).exitCode).to.equal(0);
    });

    it("SIGTERM does the same, with a JSON error if asked for", async () => {
      const { child, finished } = await startSlowBackup('"message_type":"status"', "--json");
      child.kill("SIGTERM");
      const run = await finished;
      expect(run.exitCode, run.stderr).to.equal(130);
      const [signal, error] = run.stderr.split("\n");
      expect(signal).to.equal("\rsignal terminated received, cleaning up ");
      expect(JSON.parse(error ?? "")).to.deep.equal({
        message_type: "exit_error",
        code: 130,
        message: "Fatal: unable to save snapshot: context canceled",
      });
      expect(locks()).to.deep.equal([]);
    });

    it("a signal before the work has begun ends it, too", async () => {
      const { child, finished } = await startSlowBackup("open repository", "-v");
      child.kill("SIGINT");
      const run = await finished;
      expect(run.exitCode).to.equal(130);
      expect(run.stderr).to.match(/context canceled\n$/);
      expect(locks()).to.deep.equal([]);
    });

    it("SIGUSR1 shows the progress at once, whatever the output is, and SIGHUP does nothing", async () => {
      const { child, finished } = await startSlowBackup("start backup on", "-v", "--no-scan");
      child.kill("SIGHUP");
      let shown = "";
      child.stdout?.on("data", (text: string) => {
        shown += text;
      });
      while (!/^\[\d:\d\d\] \d+ files, .*, 0 errors$/m.test(shown)) {
        expect(child.exitCode).to.equal(null);
        child.kill("SIGUSR1");
        await pause(20);
      }
      child.kill("SIGINT");
      expect((await finished).exitCode).to.equal(130);
    });
  });

  it("RESTIC_PROGRESS_FPS prints progress lines into a pipe", async () => {
    const run = await runCoffer(["backup", "--force", "--limit-upload", "10000", path("big")], {
      env: { ...env, RESTIC_PROGRESS_FPS: "20" },
    });
    expectExit(run);
    expect(run.stdout)
      .to.match(/^\[\d:\d\d\] .*0 errors/m)
      .and.contain(`\n${path("big")}\n`);
  });

  describe("pipes", () => {
    before(async () => {
      expectExit(await runCoffer(["backup", "-q", path("many")], { env }));
    });

    const shell = (script: string, more: Record<string, string> = {}): Promise<ProgramRun> =>
      startProgram(["bash", "-c", script], { env: { ...env, ...more } }).finished;

    it("that are closed early end a listing cleanly, without a lock", async () => {
      const run = await shell(`${coffer} ls latest | head -1; echo "status \${PIPESTATUS[0]}"`);
      expect(run.stdout).to.match(/^snapshot [^\n]*\nstatus 0\n$/);
      expect(run.stderr).to.equal("");
      expect(locks()).to.deep.equal([]);
    });

    it("that are closed do not end a backup", async () => {
      const before = (await snapshots()).length;
      const run = await shell(
        `${coffer} backup -vv --force ${path("many")} | head -1; echo "status \${PIPESTATUS[0]}"`,
      );
      expect(run.stdout).to.match(/^open repository\nstatus 0\n$/);
      expect(await snapshots()).to.have.length(before + 1);
    });

    it("that are slow get everything", async () => {
      const run = await shell(`${coffer} ls latest ${path("many")} | (sleep 1; wc -l)`);
      expect(run.stdout.trim()).to.equal("3002");
    });

    it("that are full are an error", async () => {
      const run = await shell(`${coffer} snapshots > /dev/full`);
      expect(run.exitCode).to.equal(1);
      expect(run.stderr).to.match(/^unable to write to standard output: .*(no space|ENOSPC)/);
    });

    it("carry raw content unchanged", async () => {
      const content = readFileSync(path("big"));
      const target = path("raw");
      mkdirSync(target);
      const script = `cd ${folder.path} && ${coffer} backup -q big && for id in $(${coffer} list blobs | awk '/^data/ {print $2}' | head -2); do ${coffer} cat blob $id > raw/$id; sha256sum raw/$id; done`;
      const run = expectExit(await shell(script));
      for (const line of run.stdout.trim().split("\n")) {
        const [hash, file = ""] = line.split(/\s+/);
        expect(file).to.equal(`raw/${hash}`);
      }
      expect(readdirSync(target).length).to.be.above(0);
      expect(content.length).to.equal(6 << 20);
    });
  });

  it("arguments that are not UTF-8 name files all the same", async () => {
    const script = [
      `cd ${folder.path}`,
      `name="$(printf 'bad\\377name')"`,
      'echo content > "$name"',
      `${coffer} backup -q "$name"`,
      `${coffer} ls -q latest`,
      `${coffer} restore -q latest --target="$(printf 'out\\376')"`,
      `cat "$(printf 'out\\376')/$name"`,
    ].join(" && ");
    const run = expectExit(await startProgram(["bash", "-c", script], { env }).finished);
    expect(run.stdout)
      .to.match(/\/bad\ufffdname\n/)
      .and.match(/content\n$/);
  });

  it("a folder as standard input is an error, and no empty file", async () => {
    const script = `${coffer} backup --stdin --stdin-filename disk.img < ${folder.path}`;
    const run = await startProgram(["bash", "-c", script], { env }).finished;
    expect(run.exitCode).to.equal(1);
    expect(run.stderr).to.match(/failed to save \/disk\.img: EISDIR/);
  });

  it("passwords may be lines of standard input", async () => {
    const withInput = (input: string, parameters: string[] = ["key", "list"]): Promise<ProgramRun> =>
      runCoffer(parameters, { env: { ...env, RESTIC_PASSWORD: "" }, input });
    const [right, wrong, empty] = await Promise.all([
      withInput(`${testPassword}\nmore\n`),
      withInput("wrong\n"),
      withInput(""),
    ]);
    expectExit(right);
    expect(right.stdout).to.match(/^ ID /);
    expectExit(wrong, 12);
    expectExit(empty, 1);
    expect(empty.stderr).to.equal(
      "Fatal: an empty password is not allowed by default. Pass the flag `--insecure-no-password` to coffer to disable this check\n",
    );
    const added = await withInput(`${testPassword}\nsecond\n`, ["key", "add"]);
    expectExit(added);
    expectExit(await withInput("second\n"));
  });

  describe("at a terminal", () => {
    before(function () {
      requirePrograms(this, pseudoTerminal);
    });

    /** Types each answer when its prompt has appeared; what the terminal showed, and the exit code. */
    async function converse(
      parameters: readonly string[],
      dialogue: readonly (readonly [prompt: string, answer: string])[],
      more: Record<string, string> = {},
    ): Promise<{ shown: string; exitCode: number }> {
      const command = `${coffer} ${parameters.join(" ")}`;
      const child: ChildProcess = spawn(pseudoTerminal, ["-qec", command, "/dev/null"], {
        env: {
          ...process.env,
          NODE_COMPILE_CACHE: compileCache,
          ...env,
          RESTIC_PASSWORD: "",
          TERM: "xterm",
          TZ: "UTC",
          ...more,
        },
      });
      let shown = "";
      child.stdout?.setEncoding("utf8").on("data", (text: string) => {
        shown += text;
      });
      const ended = new Promise<number>((resolve) => child.once("close", (code) => resolve(code ?? -1)));
      let seen = 0;
      for (const [prompt, answer] of dialogue) {
        await waitUntil(() => shown.indexOf(prompt, seen) >= 0 || child.exitCode !== null);
        expect(shown.slice(seen)).to.contain(prompt);
        seen = shown.indexOf(prompt, seen) + prompt.length;
        child.stdin?.write(answer);
      }
      const exitCode = await ended;
      return { shown: shown.replaceAll("\r\n", "\n"), exitCode };
    }

    const prompt = "enter password for repository: ";

    it("the password is asked for up to three times, and never shown", async () => {
      const { shown, exitCode } = await converse(
        ["key", "list"],
        [
          [prompt, "wrong\r"],
          [prompt, "\r"],
          [prompt, `${testPassword}x\x7f\r`],
        ],
      );
      expect(exitCode).to.equal(0);
      expect(shown).to.contain("wrong password or no key found. Try again\n");
      expect(shown).to.contain("to disable this check. Try again\n");
      expect(shown).not.to.contain(testPassword);
      expect(shown).to.match(/repository [0-9a-f]{8} opened \(version 2, compression level auto\)\n/);
      const refused = await converse(
        ["key", "list"],
        [
          [prompt, "1\r"],
          [prompt, "2\r"],
          [prompt, "3\r"],
        ],
      );
      expect(refused.exitCode).to.equal(12);
      expect(refused.shown).to.match(/Fatal: wrong password or no key found\n$/);
    });

    it("Ctrl-C at the prompt ends the program with 130", async () => {
      const { shown, exitCode } = await converse(["key", "list"], [[prompt, "abc\x03"]]);
      expect(exitCode).to.equal(130);
      expect(shown).to.match(/signal interrupt received, cleaning up \ncontext canceled\n$/);
      expect(locks()).to.deep.equal([]);
    });

    it("a missing repository is told before a password is asked for", async () => {
      const { shown, exitCode } = await converse(["key", "list"], [], { RESTIC_REPOSITORY: path("nowhere") });
      expect(exitCode).to.equal(10);
      expect(shown).not.to.contain("enter password");
    });

    it("new passwords are asked for twice", async () => {
      const created = path("created");
      const first = "enter password for new repository: ";
      const again = "enter password again: ";
      const differing = await converse(
        ["init"],
        [
          [first, "one\r"],
          [again, "two\r"],
        ],
        { RESTIC_REPOSITORY: created },
      );
      expect(differing.exitCode).to.equal(1);
      expect(differing.shown).to.match(/Fatal: passwords do not match\n$/);
      expect(existsSync(join(created, "config"))).to.equal(false);
      const equal = await converse(
        ["init"],
        [
          [first, "one\r"],
          [again, "one\r"],
        ],
        { RESTIC_REPOSITORY: created },
      );
      expect(equal.exitCode).to.equal(0);
      expect(equal.shown).to.contain("created restic repository ");
      const changed = await converse(
        ["key", "passwd"],
        [
          [prompt, "one\r"],
          ["enter new password: ", "new\r"],
          [again, "new\r"],
        ],
        { RESTIC_REPOSITORY: created },
      );
      expect(changed.exitCode).to.equal(0);
      expect(changed.shown).to.contain("saved new key as <Key of ");
    });

    it("status lines come and go", async () => {
      const { shown, exitCode } = await converse(
        ["backup", "--force", "--limit-upload", "10000", path("big")],
        [[prompt, `${testPassword}\r`]],
      );
      expect(exitCode).to.equal(0);
      expect(shown).to.contain("\r\x1b[2K[0:0");
      expect(shown).to.contain(`\r\x1b[2K${path("big")}\r\x1b[1A`);
      expect(shown.slice(shown.lastIndexOf("\x1b[2K") + 4)).to.match(/^snapshot [0-9a-f]{8} saved\n$/);
    });
  });
});
