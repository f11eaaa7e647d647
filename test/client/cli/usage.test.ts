import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { call, makeCheapRepository, makeTemporaryFolder, testPassword } from "./in-process.ts";

const programs = {
  emptyPassword:
    "an empty password is not allowed by default. Pass the flag `--insecure-no-password` to coffer to disable this check",
};

describe("usage of the command line", () => {
  const folder = makeTemporaryFolder();
  const repository = join(folder.path, "repository");
  const file = join(folder.path, "file");
  const env = {
    RESTIC_REPOSITORY: repository,
    RESTIC_PASSWORD: testPassword,
    RESTIC_CACHE_DIR: join(folder.path, "cache"),
  };

  before(async () => {
    writeFileSync(file, "content\n");
    writeFileSync(join(folder.path, "empty"), "");
    writeFileSync(join(folder.path, "patterns"), "*[._]log[.-][0-9]\n!*[._]log[.-][0-9]\n*.ok\n");
    await makeCheapRepository(repository);
  });

  after(() => folder.remove());

  /** Arguments, the message on standard error, the exit code if it is not 1, further environment. */
  type Case = readonly [parameters: string[], message: string, exitCode?: number, env?: Record<string, string>];

  const noArguments = (name: string): string =>
    `the ${name} command expects no arguments, only options - please see \`coffer help ${name}\` for usage and flags`;
  const hex = "0023456789012345678901234567890123456789012345678901234567890123";

  const cases: Readonly<Record<string, readonly Case[]>> = {
    "commands and flags": [
      [["foo"], 'unknown command "foo" for "coffer"'],
      [["bakup"], 'unknown command "bakup" for "coffer"\n\nDid you mean this?\n\tbackup\n'],
      [["lss"], 'unknown command "lss" for "coffer"\n\nDid you mean this?\n\tlist\n\tls\n'],
      [["--bogus"], "unknown flag: --bogus"],
      [["snapshots", "--bogus"], "unknown flag: --bogus"],
      [["snapshots", "--hostname", "x"], "unknown flag: --hostname"],
      [["snapshots", "-vz"], "unknown shorthand flag: 'z' in -z"],
      [["snapshots", "--latest"], "flag needs an argument: --latest"],
      [["version", "-r"], "flag needs an argument: 'r' in -r"],
      [
        ["snapshots", "--group-by", "foo"],
        'invalid argument "foo" for "-g, --group-by" flag: unknown grouping option: "foo"',
      ],
      [
        ["--compression", "foo", "version"],
        'invalid argument "foo" for "--compression" flag: invalid compression mode "foo", must be one of (auto|off|fastest|better|max)',
      ],
      [
        ["restore", "--overwrite", "foo"],
        'invalid argument "foo" for "--overwrite" flag: invalid overwrite behavior "foo", must be one of (always|if-changed|if-newer|never)',
      ],
      [
        ["ls", "-s", "foo"],
        'invalid argument "foo" for "-s, --sort" flag: invalid sort mode "foo", must be one of (name|size|time=mtime|atime|ctime|extension)',
      ],
      [["snapshots", "-q", "-v"], "Fatal: --quiet and --verbose cannot be specified at the same time"],
    ],
    environment: [
      [
        ["snapshots"],
        'Fatal: invalid value for RESTIC_PACK_SIZE "x": strconv.ParseUint: parsing "x": invalid syntax',
        1,
        { RESTIC_PACK_SIZE: "x" },
      ],
      [
        ["version"],
        'Fatal: invalid value for RESTIC_COMPRESSION "x": invalid compression mode "x", must be one of (auto|off|fastest|better|max)',
        1,
        { RESTIC_COMPRESSION: "x" },
      ],
      [
        ["backup", file],
        'Fatal: invalid value for RESTIC_READ_CONCURRENCY "x": strconv.ParseUint: parsing "x": invalid syntax',
        1,
        { RESTIC_READ_CONCURRENCY: "x" },
      ],
      [["version"], 'unknown feature flag "foo"', 1, { RESTIC_FEATURES: "foo" }],
      [
        ["version"],
        'failed to parse value "x" for feature flag s3-restore: strconv.ParseBool: parsing "x": invalid syntax',
        1,
        { RESTIC_FEATURES: "s3-restore=x" },
      ],
    ],
    "repository and options": [
      [
        ["snapshots"],
        "Fatal: Please specify repository location (-r or --repository-file)",
        1,
        { RESTIC_REPOSITORY: "" },
      ],
      [
        ["snapshots", "--repository-file", file],
        "Fatal: Options -r and --repository-file are mutually exclusive, please specify only one",
      ],
      [
        ["snapshots", "--repository-file", "/nonexistent/f"],
        "Fatal: /nonexistent/f does not exist",
        1,
        { RESTIC_REPOSITORY: "" },
      ],
      [["-r", "s3", "snapshots"], "Fatal: parsing repository location failed: s3: invalid format"],
      [["-o", "local.bogus=1", "snapshots"], "Fatal: option local.bogus is not known"],
      [["-o", "=1", "snapshots"], "Fatal: empty key is not a valid option"],
      [
        ["-o", "local.connections=1", "-o", "local.connections=2", "snapshots"],
        'Fatal: key "local.connections" present more than once',
      ],
      [["--pack-size", "3", "snapshots"], "Fatal: pack size smaller than minimum of 4 MiB"],
      [["--pack-size", "129", "snapshots"], "Fatal: pack size larger than limit of 128 MiB"],
      [
        ["--cacert", "/nonexistent/f", "snapshots"],
        "Fatal: unable to read root certificate: open /nonexistent/f: no such file or directory",
      ],
    ],
    passwords: [
      [["snapshots"], "Fatal: wrong password or no key found", 12, { RESTIC_PASSWORD: "wrong" }],
      [["snapshots", "-p", "/nonexistent/f"], "Fatal: Resolving password failed: /nonexistent/f does not exist"],
      [["snapshots", "-p", join(folder.path, "empty")], `Fatal: ${programs.emptyPassword}`],
      [
        ["snapshots", "-p", file, "--password-command", "echo x"],
        "Fatal: Resolving password failed: Password file and command are mutually exclusive options",
      ],
      [["snapshots", "--password-command", "sh -c 'exit 3'"], "Fatal: Resolving password failed: exit status 3"],
      [["snapshots", "--password-command", "sh -c 'kill -9 $$'"], "Fatal: Resolving password failed: signal: killed"],
      [
        ["snapshots", "--password-command", "nonexistent-program"],
        'Fatal: Resolving password failed: exec: "nonexistent-program": executable file not found in $PATH',
      ],
      [
        ["snapshots", "--password-command", "/nonexistent/p"],
        "Fatal: Resolving password failed: fork/exec /nonexistent/p: no such file or directory",
      ],
      [
        ["snapshots", "--password-command", "echo 'x"],
        "Fatal: Resolving password failed: single-quoted string not terminated",
      ],
      [["snapshots", "--password-command", " "], "Fatal: Resolving password failed: command string is empty"],
      [
        ["snapshots", "--insecure-no-password"],
        "Fatal: --insecure-no-password must not be specified together with providing a password via a cli option or environment variable",
      ],
      [["snapshots", "--insecure-no-password"], "Fatal: wrong password or no key found", 12, { RESTIC_PASSWORD: "" }],
    ],
    init: [
      [["init", "foo"], `Fatal: ${noArguments("init")}`],
      [["init", "--repository-version", "foo"], "Fatal: invalid repository version"],
      [
        ["init", "-r", join(folder.path, "new"), "--repository-version", "3"],
        "Fatal: only repository versions between 1 and 2 are allowed",
      ],
      [["init"], `Fatal: create repository at ${repository} failed: config file already exists`],
      [
        ["init", "--copy-chunker-params"],
        "Fatal: Please specify a source repository location (--from-repo or --from-repository-file)",
      ],
      [
        ["init", "--from-repo", "x"],
        "Fatal: Secondary repository must only be specified when copying the chunker parameters",
      ],
    ],
    key: [
      [["key", "add", "x"], noArguments("key add")],
      [["key", "list", "x"], noArguments("key list")],
      [["key", "passwd", "x"], noArguments("key passwd")],
      [["key", "remove"], "key remove expects one argument as the key id"],
      [["key", "remove", "a", "b"], "key remove expects one argument as the key id"],
      [["key", "remove", "zz"], 'no matching ID found for prefix "zz"'],
      [["key", "remove", ""], "Fatal: refusing to remove key currently used to access repository"],
      [
        ["key", "add", "--new-password-file", file, "--new-insecure-no-password"],
        "only either --new-password-file or --new-insecure-no-password may be specified",
      ],
      [["key", "add", "--new-password-file", "/nonexistent/f"], "Fatal: /nonexistent/f does not exist"],
      [
        ["key", "add", "--new-password-file", join(folder.path, "empty")],
        programs.emptyPassword.replace("--insecure", "--new-insecure"),
      ],
    ],
    "list and cat": [
      [["list"], "accepts 1 arg(s), received 0"],
      [["list", "packs", "x"], "accepts 1 arg(s), received 2"],
      [["list", "foo"], 'invalid argument "foo" for "coffer list"'],
      [["cat"], "Fatal: type not specified"],
      [
        ["cat", "foo"],
        'Fatal: invalid type "foo", must be one of [config|index|snapshot|key|masterkey|lock|pack|blob|tree]',
      ],
      [["cat", "pack"], "Fatal: ID not specified"],
      [["cat", "pack", "a", "b"], "Fatal: ID not specified"],
      [["cat", "pack", "abc"], 'Fatal: unable to parse ID: invalid length for ID: "abc"'],
      [
        ["cat", "pack", `zz${hex.slice(2)}`],
        "Fatal: unable to parse ID: invalid ID: encoding/hex: invalid byte: U+007A 'z'",
      ],
      [["cat", "blob", hex], "Fatal: blob not found"],
      [["cat", "snapshot", "zz"], 'Fatal: could not find snapshot: no matching ID found for prefix "zz"'],
      [["cat", "tree", "latest"], 'Fatal: could not find snapshot: no matching ID found for prefix "latest"'],
    ],
    backup: [
      [["backup"], "Fatal: nothing to backup, please specify source files/dirs"],
      [["backup", "--stdin", "x"], "Fatal: --stdin was specified and files/dirs were listed as arguments"],
      [["backup", "--stdin", "--files-from", "x"], "Fatal: --stdin and --files-from cannot be used together"],
      [["backup", "--stdin-from-command"], "no command was specified as argument"],
      [["backup", "--stdin", "--stdin-from-command"], "no command was specified as argument"],
      [["backup", "--stdin"], "Fatal: cannot read both password and data from stdin", 1, { RESTIC_PASSWORD: "" }],
      [
        ["backup", "--files-from-raw", "-"],
        "Fatal: unable to read password from stdin when data is to be read from stdin, use --password-file or $RESTIC_PASSWORD",
        1,
        { RESTIC_PASSWORD: "" },
      ],
      [["backup", "--files-from", "/nonexistent/f"], "open /nonexistent/f: no such file or directory"],
      [
        ["backup", "/nonexistent/f"],
        "/nonexistent/f does not exist, skipping\nFatal: all source directories/files do not exist",
      ],
      [
        ["backup", "--exclude-file", "/nonexistent/f", file],
        'failed to read patterns from file "/nonexistent/f": open /nonexistent/f: no such file or directory',
      ],
      [["backup", "-e", "[", "-e", "ok", "-e", "a\\", file], "Fatal: --exclude: invalid pattern(s) provided:\n[\na\\"],
      [
        ["backup", "--iexclude-file", join(folder.path, "patterns"), file],
        "Fatal: --iexclude-file: invalid pattern(s) provided:\n*[._]log[.-][0-9]\n!*[._]log[.-][0-9]",
      ],
      [
        ["backup", "--time", "foo", file],
        'Fatal: error in time option: parsing time "foo" as "2006-01-02 15:04:05": cannot parse "foo" as "2006"',
      ],
      [
        ["backup", "--time", "2024-01-01", file],
        'Fatal: error in time option: parsing time "2024-01-01" as "2006-01-02 15:04:05": cannot parse "" as "15"',
      ],
      [
        ["backup", "--time", "2024-13-01 00:00:00", file],
        'Fatal: error in time option: parsing time "2024-13-01 00:00:00": month out of range',
      ],
      [
        ["backup", "--time", "2023-02-29 00:00:00", file],
        'Fatal: error in time option: parsing time "2023-02-29 00:00:00": day out of range',
      ],
      [["backup", "--exclude-larger-than", "1x", file], 'strconv.ParseInt: parsing "1x": invalid syntax'],
      [["backup", "--exclude-larger-than", "-1", file], 'ParseSize: "-1": value out of range'],
      [["backup", "--parent", "zzz", file], 'no matching ID found for prefix "zzz"'],
      [
        ["backup", "--parent", "latest", "--host", "h", file],
        `snapshot filter (Paths:[${file}] Tags:[] Hosts:[h]): no snapshot found`,
      ],
      [
        ["backup", "--stdin-from-command", "--", "nonexistent-program"],
        'failed to start command: exec: "nonexistent-program": executable file not found in $PATH',
      ],
    ],
    restore: [
      [["restore"], "Fatal: no snapshot ID specified"],
      [["restore", "a", "b"], "Fatal: more than one snapshot ID specified: [a b]"],
      [["restore", "latest"], "Fatal: please specify a directory to restore to (--target)"],
      [
        ["restore", "latest", "-t", "x", "-i", "a", "-e", "b"],
        "Fatal: exclude and include patterns are mutually exclusive",
      ],
      [
        ["restore", "latest", "-t", "x", "--include-xattr", "a", "--exclude-xattr", "b"],
        "Fatal: exclude and include xattr patterns are mutually exclusive",
      ],
      [
        ["restore", "latest", "-t", "x", "--dry-run", "--verify"],
        "Fatal: --dry-run and --verify are mutually exclusive",
      ],
      [
        ["restore", "latest", "-t", "/", "--delete"],
        "Fatal: '--target / --delete' must be combined with an include or exclude filter",
      ],
      [["restore", "-e", "[", "-i", "["], "Fatal: --exclude: invalid pattern(s) provided:\n["],
      [
        ["restore", "--iinclude-file", join(folder.path, "patterns")],
        "Fatal: --iinclude-file: invalid pattern(s) provided:\n*[._]log[.-][0-9]\n!*[._]log[.-][0-9]",
      ],
      [
        ["restore", "latest", "-t", join(folder.path, "out")],
        "Fatal: failed to find snapshot: snapshot filter (Paths:[] Tags:[] Hosts:[]): no snapshot found",
      ],
      [
        ["restore", "zzz", "-t", join(folder.path, "out")],
        'Fatal: failed to find snapshot: no matching ID found for prefix "zzz"',
      ],
    ],
    ls: [
      [["ls"], "Fatal: no snapshot ID specified, specify snapshot ID or use special ID 'latest'"],
      [["ls", "latest", "foo"], "Fatal: All path filters must be absolute, starting with a forward slash '/'"],
      [["ls", "--ncdu", "--sort", "size", "latest"], "Fatal: --sort and --ncdu are mutually exclusive"],
      [["ls", "--ncdu", "--reverse", "latest"], "Fatal: --reverse and --ncdu are mutually exclusive"],
      [["ls", "zzz"], 'no matching ID found for prefix "zzz"'],
      [
        ["ls", "latest", "--tag", "a,b", "--host", "h"],
        "snapshot filter (Paths:[] Tags:[[a, b]] Hosts:[h]): no snapshot found",
      ],
    ],
    check: [
      [
        ["check", "--read-data", "--read-data-subset", "1/2"],
        "Fatal: check flags --read-data and --read-data-subset cannot be used together",
      ],
      [
        ["check", "--read-data-subset", "6/5"],
        "Fatal: check flag --read-data-subset=n/t values must be positive integers, and n <= t, e.g. --read-data-subset=1/2",
      ],
      [["check", "--read-data-subset", "1/257"], "Fatal: check flag --read-data-subset=n/t t must be at most 256"],
      [
        ["check", "--read-data-subset", "101%"],
        "Fatal: check flag --read-data-subset=x% x must be above 0.0% and at most 100.0%",
      ],
      [
        ["check", "--read-data-subset", "abc"],
        "Fatal: check flag --read-data-subset has invalid value, please see documentation",
      ],
    ],
  };

  for (const [title, list] of Object.entries(cases)) {
    describe(title, () => {
      for (const [parameters, message, exitCode = 1, further = {}] of list) {
        it(`refuses ${parameters.join(" ").replaceAll(folder.path, "DIR")}`, async () => {
          const result = await call(parameters, { env: { ...env, ...further } });
          expect(result.stderr).to.equal(`${message}\n`);
          expect(result.exitCode).to.equal(exitCode);
        });
      }
    });
  }

  it("names a missing repository and its location, without the password", async () => {
    const result = await call(["snapshots", "-r", join(folder.path, "nowhere")], { env });
    expect(result.exitCode).to.equal(10);
    expect(result.stderr).to.match(/^Fatal: repository does not exist: unable to open config file: .+\n/);
    expect(result.stderr).to.contain(
      `\nIs there a repository at the following location?\n${join(folder.path, "nowhere")}\n`,
    );
  });

  it("explains an unknown kind of location", async () => {
    const result = await call(["snapshots", "-r", "foo:user:secret@bar"], { env });
    expect(result.exitCode).to.equal(1);
    expect(result.stderr).to.match(/^Fatal: parsing repository location failed: .*local:/);
  });

  describe("the final error as JSON", () => {
    it("is an exit_error when --json stands in front of it", async () => {
      const result = await call(["--json", "snapshots", "--bogus"]);
      expect(JSON.parse(result.stderr)).to.deep.equal({
        message_type: "exit_error",
        code: 1,
        message: "unknown flag: --bogus",
      });
    });

    it("is text when --json stands behind it, and for unknown commands", async () => {
      expect((await call(["snapshots", "--bogus", "--json"])).stderr).to.equal("unknown flag: --bogus\n");
      expect((await call(["--json", "foo"])).stderr).to.equal('unknown command "foo" for "coffer"\n');
    });

    it("escapes as Go does, and comes from commands without JSON, too", async () => {
      const result = await call(["cat", "pack", "<&>", "--json"], { env });
      expect(result.stderr).to.equal(
        '{"message_type":"exit_error","code":1,"message":"Fatal: unable to parse ID: invalid length for ID: \\"\\u003c\\u0026\\u003e\\""}\n',
      );
      const unlock = await call(["unlock", "--json", "-r", join(folder.path, "nowhere")], { env });
      expect(JSON.parse(unlock.stderr)).to.include({ message_type: "exit_error", code: 10 });
    });

    it("follows the summary of a check that could not begin", async () => {
      const result = await call(["check", "--json"], { env: { ...env, RESTIC_PASSWORD: "wrong" } });
      expect(result.stdout).to.equal(
        '{"message_type":"summary","num_errors":1,"broken_packs":null,"suggest_repair_index":false,"suggest_prune":false}\n',
      );
      expect(JSON.parse(result.stderr)).to.include({ message_type: "exit_error", code: 12 });
    });
  });

  describe("help", () => {
    it("lists the commands in groups, without arguments and with help", async () => {
      const plain = await call([]);
      expect(plain.exitCode).to.equal(0);
      expect(plain.stderr).to.equal("");
      for (const text of [
        "Usage:\n  coffer [command]\n",
        "Available Commands:\n  backup ",
        "Advanced Options:\n  options ",
        "Additional Commands:\n  help ",
        "\n  -r, --repo repository ",
      ]) {
        expect(plain.stdout).to.contain(text);
      }
      expect(await call(["help"])).to.deep.equal(plain);
      expect(await call(["--help"])).to.deep.equal(plain);
      expect(await call(["--", "version"])).to.deep.equal(plain);
    });

    const commands = ["backup", "cat", "check", "init", "list", "ls", "restore", "snapshots", "unlock", "version"];
    for (const name of [...commands, "key add", "key list", "key passwd", "key remove"]) {
      it(`explains ${name}`, async () => {
        const result = await call([...name.split(" "), "--help"]);
        expect(result.exitCode).to.equal(0);
        expect(result.stdout).to.contain(`Usage:\n  coffer ${name} [flags]`);
        expect(result.stdout).to.contain(`-h, --help`);
        expect(result.stdout).to.contain("Exit status is 12 if the password is wrong.");
        expect(await call(["help", ...name.split(" ")])).to.deep.equal(result);
      });
    }

    it("hides deprecated flags", async () => {
      expect((await call(["help", "snapshots"])).stdout).not.to.contain("--last ");
    });

    it("explains key when no command of it is named, or an unknown one", async () => {
      const result = await call(["key"]);
      expect(result.exitCode).to.equal(0);
      expect(result.stdout).to.contain("Usage:\n  coffer key [command]\n");
      expect(await call(["key", "foo"])).to.deep.equal(result);
      expect(await call(["help", "key", "foo"])).to.deep.equal(result);
    });

    it("answers an unknown topic on standard error, with exit code 0", async () => {
      const result = await call(["help", "foo"]);
      expect(result.exitCode).to.equal(0);
      expect(result.stdout).to.equal("");
      expect(result.stderr).to.match(/^Unknown help topic \[`foo`\]\nUsage:\n {2}coffer \[command\]\n/);
    });

    it("gives every command a consistent set of flags", async () => {
      const { commandEntries } = await import("../../../client/cli/registry.ts");
      const { isParent } = await import("../../../client/cli/command-entry.ts");
      const { globalFlags } = await import("../../../client/cli/global-flags.ts");
      for (const entry of commandEntries.flatMap((one) => (isParent(one) ? one.children : [one]))) {
        const { flags, name } = await entry.load();
        const all = [...Object.values(globalFlags), ...Object.values(flags)];
        const names = all.flatMap((flag) => [flag.name, ...(flag.shorthand === undefined ? [] : [flag.shorthand])]);
        expect(new Set(names).size, name).to.equal(names.length);
        for (const key of Object.keys(flags)) expect(globalFlags, `${name}: ${key}`).not.to.have.property(key);
      }
    });
  });

  describe("version and options", () => {
    it("prints the version as text and as JSON", async () => {
      expect((await call(["version"])).stdout).to.match(
        /^coffer \d+\.\d+\.\d+ compiled with node v\d+\.\d+\.\d+ on \w+\/\w+\n$/,
      );
      const json = JSON.parse((await call(["version", "--json=true", "-q"])).stdout);
      expect(json).to.have.all.keys("message_type", "version", "go_version", "go_os", "go_arch");
      expect(json).to.include({ message_type: "version", version: "0.1.0" });
    });

    it("warns about features that are settled, and goes on", async () => {
      const result = await call(["version"], { env: { RESTIC_FEATURES: "safe-forget-keep-tags,s3-restore=1" } });
      expect(result.exitCode).to.equal(0);
      expect(result.stderr).to.equal(
        'feature flag "safe-forget-keep-tags" is always enabled and will be removed in a future release\n',
      );
    });

    it("lists the options of the backends", async () => {
      const { stdout } = await call(["options", "superfluous"]);
      expect(stdout).to.match(/^All Extended Options:\n {2}local\.connections {2}.*\n {2}rest\.connections {3}.*\n$/);
    });
  });

  it("reads the location from a file, and the password from files in several encodings", async () => {
    const path = (name: string): string => join(folder.path, name);
    writeFileSync(path("location"), `\ufeff  ${repository}\n\n`);
    writeFileSync(path("utf8"), `\ufeff  ${testPassword} \n`);
    writeFileSync(path("utf16"), Buffer.from(`\ufeff${testPassword}\n`, "utf16le"));
    for (const name of ["utf8", "utf16"]) {
      const further = { RESTIC_REPOSITORY: "", RESTIC_PASSWORD: "" };
      const result = await call(["cat", "config", "--repository-file", path("location"), "-p", path(name)], {
        env: { ...env, ...further },
      });
      expect(result.stderr).to.equal("");
      expect(JSON.parse(result.stdout)).to.have.all.keys("version", "id", "chunker_polynomial");
    }
    const command = await call(["cat", "config"], {
      env: { ...env, RESTIC_PASSWORD: "wrong", RESTIC_PASSWORD_COMMAND: `echo "  ${testPassword}  "` },
    });
    expect(command.exitCode).to.equal(0);
  });

  it("never makes a cache with --no-cache", async () => {
    mkdirSync(join(folder.path, "none"));
    const further = { RESTIC_CACHE_DIR: join(folder.path, "none", "cache") };
    expect((await call(["snapshots", "--no-cache"], { env: { ...env, ...further } })).exitCode).to.equal(0);
    const { existsSync } = await import("node:fs");
    expect(existsSync(further.RESTIC_CACHE_DIR)).to.equal(false);
    await call(["snapshots"], { env: { ...env, ...further } });
    expect(existsSync(further.RESTIC_CACHE_DIR)).to.equal(true);
  });
});
