import { appendFileSync, linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type CallResult, call, makeCheapRepository, makeTemporaryFolder, testPassword } from "../cli/in-process.ts";

/** Where mocha was started: every test has to leave it so. */
const workingDirectory = process.cwd();

describe("backup", () => {
  const folder = makeTemporaryFolder();
  const source = join(folder.path, "src");
  let env: Record<string, string> = {};
  let repositories = 0;

  const path = (...parts: string[]): string => join(folder.path, ...parts);

  /** Throws what the program said when it did not end with the expected exit code. */
  async function run(
    parameters: readonly string[],
    exitCode = 0,
    further: Record<string, string> = {},
  ): Promise<CallResult> {
    const result = await call(parameters, { env: { ...env, ...further } });
    if (result.exitCode !== exitCode) {
      throw new Error(`exit code ${result.exitCode}, expected ${exitCode}\n${result.stdout}\n${result.stderr}`);
    }
    return result;
  }

  const backup = (...parameters: string[]): Promise<CallResult> => run(["backup", "--host", "srv1", ...parameters]);

  /** Relative, so that the snapshot does not hold the folders above, which others change. */
  async function backupRelative(...parameters: string[]): Promise<CallResult> {
    process.chdir(folder.path);
    try {
      return await backup(...parameters);
    } finally {
      process.chdir(workingDirectory);
    }
  }

  async function listPaths(snapshot = "latest", ...parameters: string[]): Promise<string[]> {
    const { stdout } = await run(["ls", "-q", snapshot, ...parameters]);
    return stdout.split("\n").slice(0, -1);
  }

  async function snapshotsJson(...parameters: string[]): Promise<Record<string, unknown>[]> {
    return JSON.parse((await run(["snapshots", "--json", ...parameters])).stdout);
  }

  const summaryOf = ({ stdout }: CallResult): Record<string, unknown> =>
    JSON.parse(stdout.trim().split("\n").at(-1) ?? "");

  const messagesOf = (text: string): Record<string, unknown>[] =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));

  /** Durations and sizes that depend on the machine. */
  const normalize = (text: string): string =>
    text
      .replaceAll(folder.path, "DIR")
      .replace(/\d+\.\d+s/g, "0.000s")
      .replace(/in \d:\d\d/g, "in 0:00")
      .replace(/snapshot [0-9a-f]{8}/g, "snapshot XXXXXXXX")
      .replace(/\([^)]* stored(, [^)]* metadata)?\)/g, "(SIZE stored)")
      .replace(/repository: +\S+ \S+ +\(/g, "repository: SIZE (");

  before(() => {
    mkdirSync(join(source, "docs"), { recursive: true });
    mkdirSync(join(source, "bin"));
    writeFileSync(join(source, "a.txt"), "hello\n");
    writeFileSync(join(source, "docs", "one.md"), "one\n");
    writeFileSync(join(source, "docs", "two.md"), "two\n");
    writeFileSync(join(source, "bin", "blob"), Buffer.alloc(3000, "0123456789"));
  });

  after(() => folder.remove());

  beforeEach(async () => {
    repositories += 1;
    env = {
      RESTIC_REPOSITORY: path(`repository-${repositories}`),
      RESTIC_PASSWORD: testPassword,
      RESTIC_CACHE_DIR: path("cache"),
    };
    await makeCheapRepository(env["RESTIC_REPOSITORY"] ?? "");
  });

  describe("texts", () => {
    it("of a first backup, of one with changes and -v, and of one without changes and -vv", async () => {
      const target = path("texts");
      mkdirSync(join(target, "docs"), { recursive: true });
      writeFileSync(join(target, "a.txt"), "a");
      writeFileSync(join(target, "docs", "b.txt"), "bb");
      const first = await backupRelative("texts");
      expect(first.stderr).to.equal("");
      expect(normalize(first.stdout)).to.equal(
        [
          "no parent snapshot found, will read all files",
          "",
          "Files:           2 new,     0 changed,     0 unmodified",
          "Dirs:            2 new,     0 changed,     0 unmodified",
          "Added to the repository: SIZE (SIZE stored)",
          "",
          "processed 2 files, 3 B in 0:00",
          "snapshot XXXXXXXX saved",
          "",
        ].join("\n"),
      );

      writeFileSync(join(target, "docs", "b.txt"), "bbb");
      const second = normalize((await backupRelative("texts", "-v")).stdout).split("\n");
      expect(second.slice(0, 5)).to.deep.equal([
        "open repository",
        "using parent snapshot XXXXXXXX",
        "load index files",
        "start scan on [texts]",
        "start backup on [texts]",
      ]);
      expect(second.slice(5).filter((line) => line !== "scan finished in 0.000s: 2 files, 4 B")).to.deep.equal([
        "",
        "Files:           0 new,     1 changed,     1 unmodified",
        "Dirs:            0 new,     2 changed,     0 unmodified",
        "Data Blobs:      1 new",
        "Tree Blobs:      3 new",
        "Added to the repository: SIZE (SIZE stored)",
        "",
        "processed 2 files, 4 B in 0:00",
        "snapshot XXXXXXXX saved",
        "",
      ]);

      writeFileSync(join(target, "a.txt"), "changed");
      writeFileSync(join(target, "new.txt"), "new");
      const third = normalize((await backupRelative("texts", "-vv")).stdout).split("\n");
      for (const line of [
        "new       /texts/new.txt, saved in 0.000s (SIZE stored)",
        "modified  /texts/a.txt, saved in 0.000s (SIZE stored)",
        "unchanged /texts/docs/b.txt",
        "unchanged /texts/docs/",
        "modified  /texts/, saved in 0.000s (SIZE stored)",
      ]) {
        expect(third).to.include(line);
      }
    });

    it("of a dry run, which leaves nothing behind", async () => {
      // One after the other, as each locks the repository while it lists; in whatever order the folder has them.
      const listing = async (): Promise<string[]> => {
        const lists: string[] = [];
        for (const kind of ["packs", "index", "snapshots", "locks"]) {
          const { stdout } = await run(["list", kind]);
          lists.push(stdout.split("\n").sort().join("\n"));
        }
        return lists;
      };
      for (const round of ["empty", "filled"]) {
        const before = await listing();
        const { stdout } = await backup("--dry-run", source);
        expect(stdout, round).to.match(/\nWould add to the repository: .*\n\nprocessed 4 files, .* in \d:\d\d\n$/);
        expect(await listing()).to.deep.equal(before);
        await backup(source);
      }
    });

    it("are none with --quiet", async () => {
      expect(await backup("-q", source)).to.deep.equal({ exitCode: 0, stdout: "", stderr: "" });
    });

    it("quote only names that cannot be shown", async () => {
      mkdirSync(path("names"));
      for (const name of ["plain", "a\nb", "ü"]) writeFileSync(path("names", name), name);
      writeFileSync(Buffer.concat([Buffer.from(path("names/bad")), Buffer.of(0xff)]), "x");
      const { stdout } = await backup("-vv", path("names"));
      for (const name of [
        `${path("names")}/plain`,
        `"${path("names")}/a\\nb"`,
        `${path("names")}/ü`,
        `"${path("names")}/bad\\xff"`,
      ]) {
        expect(stdout).to.contain(`new       ${name}, saved in `);
      }
    });
  });

  describe("JSON", () => {
    it("has a summary with all fields, and messages for items with -v", async () => {
      const first = await backup("--json", source);
      const summary = summaryOf(first);
      expect(summary).to.have.all.keys(
        "message_type",
        ...["files_new", "files_changed", "files_unmodified", "dirs_new", "dirs_changed", "dirs_unmodified"],
        ...["data_blobs", "tree_blobs", "data_added", "data_added_packed"],
        ...["total_files_processed", "total_bytes_processed", "total_duration"],
        ...["backup_start", "backup_end", "snapshot_id"],
      );
      expect(summary).to.include({ message_type: "summary", files_new: 4, total_files_processed: 4 });
      expect(summary["snapshot_id"]).to.match(/^[0-9a-f]{64}$/);

      const messages = messagesOf((await backup("--json", "-v", source)).stdout);
      const statuses = messages.filter((message) => message["message_type"] === "verbose_status");
      expect(statuses.map(({ action }) => action))
        .to.include("scan_finished")
        .and.include("unchanged");
      for (const status of statuses) {
        expect(status).to.have.all.keys(
          ...["message_type", "action", "item", "duration", "data_size", "data_size_in_repo"],
          ...["metadata_size", "metadata_size_in_repo", "total_files"],
        );
      }
      expect(statuses.find(({ action }) => action === "scan_finished")).to.include({ item: "", total_files: 4 });
    });

    it("marks a dry run", async () => {
      expect(summaryOf(await backup("--json", "-n", source))).to.include({ dry_run: true });
    });

    it("tells failed items on standard error", async () => {
      // Reading one's own memory from its beginning fails for everybody, root included.
      const { stderr } = await run(["backup", "--json", "/proc/self/mem", source], 3);
      const [error] = messagesOf(stderr);
      expect(error).to.include({ message_type: "error", during: "archival", item: "/proc/self/mem" });
      expect(error?.["error"]).to.have.all.keys("message");
      expect(await snapshotsJson()).to.have.length(1);
    });
  });

  it("names a file that cannot be read, saves the others, and ends with exit code 3", async () => {
    const { stdout, stderr } = await run(["backup", "/proc/self/mem", source], 3);
    expect(stderr).to.equal(
      "error: read /proc/self/mem: input/output error\nWarning: at least one source file could not be read\n",
    );
    expect(stdout).to.match(/snapshot \w{8} saved\n$/);
  });

  describe("targets", () => {
    it("that are missing are told, and the others saved, with exit code 3", async () => {
      const { stdout, stderr } = await run(["backup", source, path("missing")], 3);
      expect(stderr).to.equal(
        `${path("missing")} does not exist, skipping\nWarning: at least one source file could not be read\n`,
      );
      expect(stdout).to.match(/snapshot [0-9a-f]{8} saved\n$/);
      expect(await snapshotsJson()).to.have.length(1);
      const json = await run(["backup", "--json", source, path("missing")], 3);
      expect(JSON.parse(json.stderr.split("\n")[1] ?? "")).to.deep.equal({
        message_type: "exit_error",
        code: 3,
        message: "Warning: at least one source file could not be read",
      });
    });

    it("that cannot be looked at are passed over", async () => {
      const name = path("x".repeat(300));
      const { stderr } = await run(["backup", source, name], 3);
      expect(stderr).to.contain(`${name} cannot be accessed, skipping\n`);
    });

    it("come from files: patterns, names as they are, names with zero bytes", async () => {
      mkdirSync(path("lists"));
      for (const name of ["a.txt", "b.txt", "c.md", " blank", "#hash", "raw\nname"])
        writeFileSync(path("lists", name), name);
      writeFileSync(path("globs"), `# comment\n\n  ${path("lists")}/*.txt  \n${path("lists")}/[c].m?\n`);
      writeFileSync(path("verbatim"), `${path("lists")}/ blank\r\n\n${path("lists")}/#hash\n`);
      writeFileSync(path("raw"), `${path("lists")}/raw\nname\0${path("lists")}/a.txt\0`);
      await backup(
        ...["--files-from-raw", path("raw"), "--files-from-verbatim", path("verbatim"), "--files-from", path("globs")],
        path("lists", "c.md"),
      );
      const [snapshot] = await snapshotsJson();
      const stored = JSON.parse((await run(["cat", "snapshot", String(snapshot?.["id"])])).stdout);
      expect(stored.paths).to.deep.equal(
        ["a.txt", "b.txt", "c.md", " blank", "#hash", "raw\nname", "a.txt", "c.md"].map((name) => path("lists", name)),
      );
    });

    it("of patterns that match nothing are told, and are no failure", async () => {
      writeFileSync(path("no-match"), `${path("nothing")}/*\n${source}\n`);
      const { stderr } = await backup("--files-from", path("no-match"));
      expect(stderr).to.equal(`pattern "${path("nothing")}/*" does not match any files, skipping\n`);
    });

    it("of bad lists are refused", async () => {
      const refuse = async (flag: string, content: string, message: string): Promise<void> => {
        writeFileSync(path("bad-list"), content);
        expect((await run(["backup", flag, path("bad-list")], 1)).stderr).to.equal(`${message}\n`);
      };
      await refuse("--files-from-raw", "/a", "Fatal: --files-from-raw: trailing zero byte missing");
      await refuse("--files-from-raw", "/a\0\0", "Fatal: --files-from-raw: empty filename in listing");
      await refuse("--files-from-raw", "", "Fatal: nothing to backup, please specify source files/dirs");
      await refuse("--files-from", "/a/[\n", "pattern: /a/[: syntax error in pattern");
    });
  });

  describe("selection", () => {
    it("leaves out what patterns, files of patterns, tags and sizes say", async () => {
      const target = path("selection");
      mkdirSync(join(target, "private", "secret"), { recursive: true });
      mkdirSync(join(target, "cache"));
      mkdirSync(join(target, "tagged"));
      for (const name of [
        "a.tar.gz",
        "B.TXT",
        "keep",
        "private/secret/x",
        "private/y",
        "cache/z",
        "tagged/t",
        "tagged/.nobackup",
      ]) {
        writeFileSync(join(target, name), "content");
      }
      writeFileSync(join(target, "big"), Buffer.alloc(2049));
      writeFileSync(join(target, "cache", "CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n");
      writeFileSync(path("patterns"), "# comment\n$HIDDEN/secret\n");
      await run(
        [
          ...[
            "backup",
            "-e",
            "*.tar.gz",
            "--iexclude",
            "*.txt",
            "--exclude-file",
            path("patterns"),
            "--exclude-caches",
          ],
          ...["--exclude-if-present", ".nobackup", "--exclude-larger-than", "2k", target],
        ],
        0,
        { HIDDEN: "private" },
      );
      const names = (await listPaths("latest", "--recursive", target)).map((name) => name.slice(target.length + 1));
      expect(names).to.deep.equal([
        "",
        "cache",
        "cache/CACHEDIR.TAG",
        "keep",
        "private",
        "private/y",
        "tagged",
        "tagged/.nobackup",
      ]);
      const [snapshot] = await snapshotsJson();
      expect(snapshot?.["excludes"]).to.deep.equal(["*.tar.gz"]);
    });

    it("never saves the local cache", async () => {
      mkdirSync(path("home"));
      writeFileSync(path("home", "file"), "x");
      await run(["backup", path("home")], 0, { RESTIC_CACHE_DIR: path("home", "cache") });
      expect(await listPaths("latest", path("home"))).to.deep.equal([path("home"), path("home", "file")]);
    });
  });

  describe("parents", () => {
    const parentOf = ({ stdout }: CallResult): string => /^using parent snapshot (\w{8})$/m.exec(stdout)?.[1] ?? "none";
    const idOf = ({ stdout }: CallResult): string => /^snapshot (\w{8}) saved$/m.exec(stdout)?.[1] ?? "none";

    it("are the latest snapshot of the same host and targets", async () => {
      const docs = await backup(join(source, "docs"));
      const bin = await backup(join(source, "bin"));
      expect(parentOf(bin)).to.equal("none");
      expect(parentOf(await backup(join(source, "docs")))).to.equal(idOf(docs));
      expect(parentOf(await run(["backup", "--host", "other", join(source, "docs")]))).to.equal("none");
      expect(parentOf(await run(["backup", "--host", "third", "--group-by", "", join(source, "docs")]))).not.to.equal(
        "none",
      );
      expect(parentOf(await run(["backup", join(source, "bin")], 0, { RESTIC_HOST: "srv1" }))).to.equal(idOf(bin));
    });

    it("can be named, switched off, and are never newer than the snapshot", async () => {
      const first = await backup("--time", "2024-03-01 10:00:00", source);
      const second = await backup("--time", "2024-03-02 10:00:00", source);
      expect(parentOf(await backup("--parent", idOf(first), source))).to.equal(idOf(first));
      expect(parentOf(await backup("--force", source))).to.equal("none");
      expect(parentOf(await backup("--time", "2024-03-02 09:59:59", source))).to.equal(idOf(first));
      expect(parentOf(await backup("--time", "2024-03-02 10:00:00", source))).to.equal(idOf(second));
    });

    it("do not depend on tags unless grouped by them", async () => {
      const untagged = await backup(source);
      const tagged = await backup("--tag", "NL,, CH", "--tag", "", source);
      expect(parentOf(tagged)).to.equal(idOf(untagged));
      expect((await snapshotsJson("--tag", "NL"))[0]?.["tags"]).to.deep.equal(["NL", "CH"]);
      expect(parentOf(await backup("--tag", "DE", "--group-by", "host,paths,tags", source))).to.equal("none");
    });

    it("of the same content make --skip-if-unchanged write no snapshot", async () => {
      const target = path("skip");
      mkdirSync(target);
      writeFileSync(join(target, "a"), "a");
      process.chdir(target);
      try {
        await backup(".");
        expect((await backup("--skip-if-unchanged", ".")).stdout).to.match(/\nskipped creating snapshot\n$/);
        expect(summaryOf(await backup("--skip-if-unchanged", "--json", "."))).not.to.have.property("snapshot_id");
        expect(await snapshotsJson()).to.have.length(1);
        appendFileSync(join(target, "a"), "b");
        expect((await backup("--skip-if-unchanged", ".")).stdout).to.match(/snapshot \w{8} saved\n$/);
      } finally {
        process.chdir(workingDirectory);
      }
    });
  });

  it("stores the components of a relative target, and what is in one without a name", async () => {
    process.chdir(folder.path);
    try {
      await backup("src/docs");
      expect((await listPaths())[0]).to.equal("/src");
      process.chdir(source);
      await backup(".");
      expect(await listPaths("latest", "/")).to.deep.equal(["/a.txt", "/bin", "/docs"]);
    } finally {
      process.chdir(workingDirectory);
    }
  });

  it("stores who made the snapshot, with what, and how", async () => {
    await backup("--time", "2024-03-01 10:00:00", "--tag", "x", source);
    const [snapshot] = await snapshotsJson();
    expect(snapshot).to.include({ hostname: "srv1", program_version: "coffer 0.1.0" });
    expect(snapshot?.["time"]).to.match(/^2024-03-01T10:00:00/);
    expect(snapshot?.["paths"]).to.deep.equal([source]);
    expect(snapshot?.["summary"]).to.include({ files_new: 4, total_files_processed: 4 });
  });

  it("saves links of all kinds", async () => {
    const target = path("links");
    mkdirSync(target);
    writeFileSync(join(target, "a"), "content");
    linkSync(join(target, "a"), join(target, "b"));
    symlinkSync("a", join(target, "l"));
    expect(summaryOf(await backup("--json", target))).to.include({ files_new: 2, data_blobs: 1 });
  });

  describe("standard input", () => {
    const shell = (script: string): string[] => ["--stdin-from-command", "--", "sh", "-c", script];

    it("from a command becomes a file", async () => {
      const { stdout, stderr } = await run([
        "backup",
        "--stdin-filename",
        "dir/dump",
        ...shell("echo data; echo note >&2"),
      ]);
      expect(stderr).to.equal("subprocess sh: note\n");
      expect(stdout).to.contain("no parent snapshot found, will read all files\n");
      expect(await listPaths()).to.deep.equal(["/dir", "/dir/dump"]);
      expect((await snapshotsJson())[0]?.["paths"]).to.deep.equal(["/dir/dump"]);
    });

    it("that is empty gives a snapshot without the file and exit code 3", async () => {
      const { stderr } = await run(["backup", ...shell("true")], 3);
      expect(stderr).to.match(/^error: failed to save \/stdin: read .*no data read\n/);
      expect(await snapshotsJson()).to.have.length(1);
      expect(await listPaths()).to.deep.equal([]);
    });

    for (const script of ["echo data; exit 4", "exit 4"]) {
      it(`of a command that fails (${script}) gives none`, async () => {
        const { stderr } = await run(["backup", ...shell(script)], 1);
        expect(stderr).to.match(
          /Fatal: unable to save snapshot: failed to save \/stdin: command failed: exit status 4\n$/,
        );
        expect(await snapshotsJson()).to.deep.equal([]);
        expect((await run(["list", "locks"])).stdout).to.equal("");
      });
    }
  });

  it("stores again what the repository has lost", async () => {
    // Relative, so that the tree holds nothing that others change meanwhile, such as the times of /tmp.
    process.chdir(source);
    try {
      await backup(".");
      const { stdout } = await run(["list", "packs"]);
      for (const id of stdout.trim().split("\n")) {
        rmSync(join(env["RESTIC_REPOSITORY"] ?? "", "data", id.slice(0, 2), id), { force: true });
      }
      for (const id of (await run(["list", "index"])).stdout.trim().split("\n")) {
        rmSync(join(env["RESTIC_REPOSITORY"] ?? "", "index", id), { force: true });
      }
      const { stderr } = await run(["backup", "--host", "srv1", ".", "--no-cache"], 3);
      expect(stderr).to.match(/Warning: at least one source file could not be read\n$/);
      expect((await run(["check", "--read-data"])).stdout).to.match(/no errors were found\n$/);
    } finally {
      process.chdir(workingDirectory);
    }
  });
});
