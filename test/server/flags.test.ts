/**
 * rest-server's flags, with its texts and exit codes: section 2.1 of docs/protocol.md. Each case is also run on rest-server itself
 * where there is one on PATH.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { requirePrograms } from "../support/programs.ts";
import { type LaunchedServer, launch, type ServerProgram, serverPrograms } from "../support/rest-servers.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";

/** In arguments and texts, @ stands for the folder of the test. */
interface Case {
  readonly args: readonly string[];
  /** What both print, line by line, before they serve. */
  readonly lines?: readonly string[];
  readonly lastLines?: readonly string[];
  /** Why they do not serve. Exit code 1. */
  readonly error?: RegExp;
}

const openServer = [
  "Data directory: @/data",
  "Authentication disabled",
  "Append only mode disabled",
  "Private repositories disabled",
  "Group accessible repos disabled",
];

const proxied = [
  "Data directory: @/data",
  "Proxy Authentication enabled.",
  "Append only mode disabled",
  "Private repositories disabled",
  "Group accessible repos disabled",
];

function replaced(lines: readonly string[], ...changes: readonly (readonly [string, string])[]): string[] {
  return lines.map((line) => changes.find(([before]) => before === line)?.[1] ?? line);
}

const appendOnly = ["Append only mode disabled", "Append only mode enabled"] as const;
const shaUser = "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n";

const cases: readonly Case[] = [
  { args: ["--no-auth"], lines: openServer },
  { args: ["--no-auth=true", "--append-only=T"], lines: replaced(openServer, appendOnly) },
  { args: ["--no-auth", "--append-only", "--append-only=0"], lines: openServer },
  {
    args: ["--no-auth", "--group-accessible-repos"],
    lines: replaced(openServer, ["Group accessible repos disabled", "Group accessible repos enabled"]),
  },
  { args: ["--no-auth", "--debug"], lines: openServer },
  { args: ["--proxy-auth-username", "X-Remote-User"], lines: proxied },
  { args: ["--proxy-auth-username=X-Remote-User", "--no-auth"], lines: openServer },
  {
    args: ["--proxy-auth-username", "X-Remote-User", "--private-repos"],
    lines: replaced(proxied, ["Private repositories disabled", "Private repositories enabled"]),
  },
  { args: ["--proxy-auth-username", ""], error: /cannot load @\/data\/\.htpasswd \(use --no-auth to disable\)/ },
  {
    args: ["--no-auth", "--cpu-profile", "@/profile"],
    lines: [openServer[0] ?? "", "CPU profiling enabled", ...openServer.slice(1)],
    lastLines: ["shutdown cleanly", "Stopped CPU profiling"],
  },
  { args: ["--no-auth", "--cpu-profile", "@/absent/profile"], error: /no such file or directory/i },
  { args: ["--no-auth", "--log", "@/absent/log"], error: /no such file or directory/i },
  { args: [], error: /cannot load @\/data\/\.htpasswd \(use --no-auth to disable\)/ },
  { args: ["--htpasswd-file", "@/absent"], error: /cannot load @\/absent \(use --no-auth to disable\)/ },
  { args: ["--no-auth", "--tls-cert", "x"], error: /requires enabled TLS/ },
  { args: ["--no-auth", "--tls-key=x"], error: /requires enabled TLS/ },
  { args: ["--no-auth", "--tls"], error: /@\/data\/public_key.*no such file|no such file.*@\/data\/public_key/i },
  {
    args: ["--no-auth", "--tls", "--tls-min-ver", "1.1"],
    error: /Unsupported TLS min version: 1\.1\. Allowed versions are 1\.2 or 1\.3/,
  },
  { args: ["--no-auth", "--listen", "unix:@/absent/socket"], error: /unable to listen/ },
  { args: ["--no-auth", "extra"], error: /unknown argument: extra/ },
  { args: ["--bogus"], error: /unknown flag: --bogus/ },
  { args: ["-x"], error: /unknown (?:shorthand )?flag: .*-x/ },
  { args: ["--no-auth", "--debug=maybe"], error: /--debug.*maybe|maybe.*--debug/ },
  { args: ["--no-auth", "--proxy-auth-username"], error: /flag needs an argument: --proxy-auth-username/ },
  { args: ["--no-auth", "--cpu-profile"], error: /flag needs an argument: --cpu-profile/ },
];

describe("flags", function () {
  this.timeout(30_000);
  let folder: TemporaryFolder;
  const launched: LaunchedServer[] = [];

  beforeEach(() => {
    folder = makeTemporaryFolder("flags");
    mkdirSync(join(folder.path, "data"));
  });

  afterEach(() => {
    for (const server of launched.splice(0)) server.signal("SIGKILL");
    folder.remove();
  });

  async function start(program: ServerProgram, ...args: readonly string[]): Promise<LaunchedServer> {
    const server = await launch(program, ["--path", fill("@/data"), "--listen", "127.0.0.1:0", ...args.map(fill)]);
    launched.push(server);
    return server;
  }

  function fill(text: string): string {
    return text.replaceAll("@", folder.path);
  }

  async function expectCase(program: ServerProgram, { args, lines, lastLines, error }: Case): Promise<void> {
    const server = await start(program, ...args);
    if (error !== undefined) {
      // rest-server looks at its certificate after it has said that it serves.
      expect(await server.end()).to.equal(1);
      const text = server.lines.join("\n");
      expect(text).to.match(/^(?:\S+ \S+ )?error: |^listen and serve returned err: /m);
      expect(text.replaceAll(folder.path, "@")).to.match(error);
      return;
    }
    const started = server.lines.at(-1);
    expect(server.lines.slice(0, -1)).to.deep.equal(lines?.map(fill));
    expect(started).to.match(/^start server on 127\.0\.0\.1:\d+$/);
    expect(await server.stop()).to.equal(0);
    const last = lastLines ?? ["shutdown cleanly"];
    expect(server.lines.slice(-last.length)).to.deep.equal(last);
    expect(server.stdout).to.equal("");
  }

  for (const program of serverPrograms) {
    for (const each of cases) {
      it(`${program.name} ${each.args.join(" ")}${each.error === undefined ? "" : " is refused"}`, () =>
        expectCase(program, each));
    }

    it(`${program.name} says that it has loaded the users`, async () => {
      writeFileSync(join(folder.path, "data/.htpasswd"), shaUser);
      const server = await start(program);
      expect(server.lines.slice(1, 3).join("\n")).to.match(/^Authentication enabled\nLoaded htpasswd file/);
      expect(await server.stop()).to.equal(0);
    });

    it(`${program.name} says which certificate it has`, async function () {
      requirePrograms(this, "openssl");
      const subject = ["-subj", "/CN=x", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
      const files = ["-keyout", fill("@/data/private_key"), "-out", fill("@/data/public_key")];
      execFileSync("openssl", ["req", "-x509", ...subject, ...files], { stdio: "ignore" });
      const server = await start(program, "--no-auth", "--tls");
      await server.waitForLine(/^TLS enabled, private key /);
      const line = `TLS enabled, private key ${fill("@/data/private_key")}, pubkey ${fill("@/data/public_key")}`;
      expect(server.lines.at(-1)?.slice(0, line.length)).to.equal(line);
      expect(await server.stop()).to.equal(0);
    });
  }

  it("coffer-server warns of append-only uploads that nobody verifies", async () => {
    const [coffer] = serverPrograms;
    if (coffer === undefined) throw new Error("there is no server");
    const alone = await start(coffer, "--no-auth", "--no-verify-upload");
    expect(alone.lines).to.include("Verification of uploads disabled");
    expect(alone.lines.filter((line) => line.startsWith("warning: "))).to.deep.equal([]);
    await alone.stop();
    const together = await start(coffer, "--no-auth", "--no-verify-upload", "--append-only");
    expect(together.lines.filter((line) => line.startsWith("warning: without verification"))).to.have.length(1);
    await together.stop();
  });
});
