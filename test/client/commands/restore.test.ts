import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect } from "chai";
import { Workbench } from "./workbench.ts";

describe("restore", () => {
  const bench = new Workbench();
  let targets = 0;

  const files: Readonly<Record<string, string>> = {
    "s/a.txt": "hello\n",
    "s/pics/one.PNG": "1".repeat(1000),
    "s/pics/two.png": "22",
    "s/pics/raw/three.png": "333",
    "s/docs/x.md": "four",
  };

  before(async () => {
    await bench.useNewRepository();
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(join(bench.path(name), ".."), { recursive: true });
      writeFileSync(bench.path(name), content);
    }
    await bench.runInside(["backup", "-q", "--host", "srv1", "--time", "2024-03-01 10:00:00", "s"]);
    await bench.runInside(["backup", "-q", "--host", "srv2", "--time", "2024-03-02 10:00:00", "s/docs"]);
  });

  after(() => bench.remove());

  const newTarget = (): string => {
    targets += 1;
    return bench.path(`out-${targets}`);
  };

  const withoutTimes = (text: string): string => text.replace(/ in \d:\d\d/g, " in 0:00");

  /** The files below a folder. */
  function filesIn(folder: string): string[] {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
      .sort();
  }

  const first = ["--host", "srv1"];

  it("brings everything back and says what it did", async () => {
    const target = newTarget();
    const { stdout, stderr } = await bench.run(["restore", "latest", ...first, "--target", target, "-vv"]);
    expect(stderr).to.equal("");
    const lines = withoutTimes(stdout).split("\n");
    expect(lines[0]).to.match(
      /^restoring snapshot [0-9a-f]{8} of \[.*\/s\] at 2024-03-01 10:00:00 \S+ \S+ by \S*@srv1 to .*\/out-\d+$/,
    );
    expect(lines).to.include.members([
      "restored  /s/a.txt with size 6 B",
      "restored  /s/pics/one.PNG with size 1000 B",
      "restored  /s/pics",
      "restored  /s",
    ]);
    expect(lines.at(-2)).to.equal("Summary: Restored 9 files/dirs (1015 B) in 0:00");
    for (const [name, content] of Object.entries(files)) {
      expect(readFileSync(join(target, name), "utf8")).to.equal(content);
    }
    expect(statSync(target).mode & 0o777).to.equal(0o700);
  });

  it("leaves alone what is there already, and verifies what it wrote", async () => {
    const target = newTarget();
    await bench.run(["restore", "latest", ...first, "-t", target, "-q"]);
    const again = await bench.run(["restore", "latest", ...first, "-t", target, "--verify"]);
    expect(withoutTimes(again.stdout).split("\n").slice(1)).to.deep.equal([
      "Summary: Restored 4 files/dirs (0 B) in 0:00, skipped 5 files/dirs 1015 B",
      `verifying files in ${target}`,
      again.stdout.split("\n")[3],
      "",
    ]);
    expect(again.stdout.split("\n")[3]).to.match(/^finished verifying 0 files in .* \(took [\d.]+(ns|µs|ms|s)\)$/);
    const fresh = await bench.run(["restore", "latest", ...first, "-t", newTarget(), "--verify"]);
    expect(fresh.stdout).to.match(/finished verifying 5 files in /);
  });

  it("prints only the summary with --quiet", async () => {
    const { stdout } = await bench.run(["restore", "latest", "-q", ...first, "-t", newTarget()]);
    expect(withoutTimes(stdout)).to.equal("Summary: Restored 9 files/dirs (1015 B) in 0:00\n");
  });

  it("takes only what is included, by flags or files, whatever the case", async () => {
    const restored = async (...parameters: string[]): Promise<string[]> => {
      const target = newTarget();
      await bench.run(["restore", "latest", ...first, "-t", target, "-q", ...parameters]);
      return filesIn(target);
    };
    writeFileSync(bench.path("patterns"), "# pictures\n*.png\n");
    expect(await restored("--include", "*.png")).to.deep.equal(["s/pics/raw/three.png", "s/pics/two.png"]);
    expect(await restored("--include-file", bench.path("patterns"))).to.deep.equal([
      "s/pics/raw/three.png",
      "s/pics/two.png",
    ]);
    expect(await restored("--iinclude-file", bench.path("patterns"), "-i", "/s/docs")).to.deep.equal([
      ...["s/docs/x.md", "s/pics/one.PNG", "s/pics/raw/three.png", "s/pics/two.png"],
    ]);
    expect(await restored("--iexclude", "*.PNG")).to.deep.equal(["s/a.txt", "s/docs/x.md"]);
    expect(await restored("-e", "/s/*", "-e", "!/s/docs")).to.deep.equal(["s/docs/x.md"]);
    expect(await restored("--include", "nothing-like-it")).to.deep.equal([]);
  });

  it("restores a subfolder as if it were the root", async () => {
    const target = newTarget();
    await bench.run(["restore", "latest:s/pics/raw", ...first, "-t", target]);
    expect(filesIn(target)).to.deep.equal(["three.png"]);
    const missing = await bench.run(["restore", "latest:s/nope", ...first, "-t", target], 1);
    expect(missing).to.deep.equal({ exitCode: 1, stdout: "", stderr: "path s/nope: not found\n" });
  });

  it("finds latest by host and path", async () => {
    const target = newTarget();
    await bench.run(["restore", "latest", "-q", "--path", bench.path("s/docs"), "-t", target]);
    expect(filesIn(target)).to.deep.equal(["s/docs/x.md"]);
    const { stderr } = await bench.run(["restore", "latest", "--tag", "none", "-t", target], 1);
    expect(stderr).to.equal(
      "Fatal: failed to find snapshot: snapshot filter (Paths:[] Tags:[[none]] Hosts:[]): no snapshot found\n",
    );
  });

  it("overwrites and deletes as told", async () => {
    const target = newTarget();
    const run = (...parameters: string[]): Promise<{ stdout: string }> =>
      bench.run(["restore", "latest", ...first, "-t", target, ...parameters]);
    await run("-q");
    writeFileSync(join(target, "s/a.txt"), "mine");
    writeFileSync(join(target, "s/extra"), "extra");
    expect((await run("--overwrite", "never")).stdout).to.contain("skipped");
    expect(readFileSync(join(target, "s/a.txt"), "utf8")).to.equal("mine");
    const dryRun = (await run("--delete", "--dry-run", "-vv")).stdout;
    expect(dryRun).to.contain(`deleted   ${join(target, "s/extra")}\n`);
    expect(existsSync(join(target, "s/extra"))).to.equal(true);
    expect((await run("--delete", "-vv")).stdout)
      .to.match(/updated {3}\/s\/a\.txt with size 6 B\n/)
      .and.contain(", deleted 1 files/dirs\n");
    expect(readFileSync(join(target, "s/a.txt"), "utf8")).to.equal("hello\n");
    expect(existsSync(join(target, "s/extra"))).to.equal(false);
  });

  it("writes nothing in a dry run", async () => {
    const target = newTarget();
    const { stdout } = await bench.run(["restore", "latest", ...first, "-t", target, "--dry-run", "-vv"]);
    expect(stdout).to.contain("restored  /s/a.txt with size 6 B\n");
    expect(existsSync(target)).to.equal(false);
  });

  it("has JSON messages", async () => {
    const { stdout } = await bench.run(["restore", "latest", ...first, "-t", newTarget(), "--json", "-vv"]);
    const messages = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(messages.find(({ item }) => item === "/s/a.txt")).to.deep.equal({
      message_type: "verbose_status",
      action: "restored",
      item: "/s/a.txt",
      size: 6,
    });
    expect(messages.at(-1)).to.deep.equal({
      message_type: "summary",
      total_files: 9,
      files_restored: 9,
      total_bytes: 1015,
      bytes_restored: 1015,
    });
  });

  it("reports items that fail, goes on, and ends with exit code 1", async () => {
    await bench.useNewRepository();
    await bench.runInside(["backup", "-q", "s/a.txt", "s/pics"]);
    // The pack of the file contents, not that of the trees.
    const blobs = await bench.lines("list", "blobs");
    const [data = ""] = blobs.filter((line) => line.startsWith("data ")).map((line) => line.slice(5));
    const { packs } = JSON.parse(
      (await bench.run(["cat", "index", (await bench.lines("list", "index"))[0] ?? ""])).stdout,
    ) as { packs: { id: string; blobs: { id: string }[] }[] };
    const pack = packs.find((one) => one.blobs.some(({ id }) => id === data))?.id ?? "";
    rmSync(bench.repository("data", pack.slice(0, 2), pack), { force: true });
    const target = newTarget();
    const text = await bench.run(["restore", "latest", "-t", target], 1);
    expect(text.stderr)
      .to.match(/^ignoring error for \/s\/\S+: /)
      .and.match(/\nFatal: There were \d+ errors\n$/);
    expect(text.stdout).to.match(/Summary: Restored \d+ \/ \d+ files\/dirs \(.* \/ .*\) in \d:\d\d\n$/);
    const json = await bench.run(["restore", "latest", "-t", newTarget(), "--json"], 1);
    const messages = json.stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(messages[0]).to.include({ message_type: "error", during: "restore" });
    expect(messages[0]).to.have.nested.property("error.message");
    expect(messages.at(-1)).to.include({ message_type: "exit_error", code: 1 });
  });
});
