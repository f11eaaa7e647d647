import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { Workbench } from "./workbench.ts";

describe("check", () => {
  const bench = new Workbench();
  let original = "";

  before(async () => {
    await bench.useNewRepository();
    original = bench.repository();
    mkdirSync(bench.path("s"));
    writeFileSync(bench.path("s", "a.txt"), "hello\n");
    await bench.runInside(["backup", "-q", "--host", "srv1", "s"]);
    writeFileSync(bench.path("s", "b.txt"), "more\n");
    await bench.runInside(["backup", "-q", "--host", "srv2", "s"]);
  });

  after(() => bench.remove());

  beforeEach(() => {
    rmSync(bench.path("copy"), { recursive: true, force: true });
    cpSync(original, bench.path("copy"), { recursive: true });
    bench.env = { ...bench.env, RESTIC_REPOSITORY: bench.path("copy") };
  });

  const packPath = (id: string): string => bench.repository("data", id.slice(0, 2), id);
  const packs = (): Promise<string[]> => bench.lines("list", "packs");
  const advice =
    "\nThe repository is damaged and must be repaired. Please follow the troubleshooting guide at https://restic.readthedocs.io/en/stable/077_troubleshooting.html .\n\n";

  it("finds nothing wrong with a good repository", async () => {
    const { stdout, stderr } = await bench.run(["check", "--read-data"]);
    expect(stderr).to.equal("");
    const lines = stdout.replace(/^\[\d:\d\d\]/gm, "[0:00]").split("\n");
    expect(lines[0]).to.match(/^using temporary cache in .*\/restic-check-cache-\d+$/);
    expect(existsSync(lines[0]?.slice("using temporary cache in ".length) ?? "")).to.equal(false);
    expect(lines.slice(1)).to.deep.equal([
      "create exclusive lock for repository",
      "load indexes",
      "check all packs",
      "check snapshots, trees and blobs",
      "[0:00] 100.00%  2 / 2 snapshots",
      "read all data",
      "[0:00] 100.00%  4 / 4 packs",
      "no errors were found",
      "",
    ]);
    expect(await bench.run(["check", "-q"])).to.deep.equal({ exitCode: 0, stdout: "", stderr: "" });
  });

  it("has a summary as JSON", async () => {
    expect((await bench.run(["check", "--json"])).stdout).to.equal(
      '{"message_type":"summary","num_errors":0,"broken_packs":null,"suggest_repair_index":false,"suggest_prune":false}\n',
    );
  });

  it("uses the cache that is asked for", async () => {
    expect((await bench.run(["check", "--no-cache"])).stdout).to.match(/^create exclusive lock for repository\n/);
    expect((await bench.run(["check", "--with-cache", "--no-lock"])).stdout).to.match(/^load indexes\n/);
    const made = bench.path("made", "cache");
    const { stdout } = await bench.run(["check", "--cache-dir", made]);
    expect(stdout).to.contain(`using temporary cache in ${made}/restic-check-cache-`);
    expect(readdirSync(made)).to.deep.equal([]);
  });

  it("works without a lock where nothing can be written", async () => {
    for (const folder of ["locks", ""]) chmodSync(bench.repository(folder), 0o500);
    const { stdout } = await bench.run(["check", "--no-lock"]);
    for (const folder of ["", "locks"]) chmodSync(bench.repository(folder), 0o700);
    expect(stdout).not.to.contain("create exclusive lock");
    expect(readdirSync(bench.repository("locks"))).to.deep.equal([]);
  });

  it("is restricted to snapshots that are named or filtered", async () => {
    const counted = async (...parameters: string[]): Promise<string | undefined> =>
      /^\[\d:\d\d\].* (\d+) snapshots$/m.exec((await bench.run(["check", ...parameters])).stdout)?.[1];
    expect(await counted("latest")).to.equal("1");
    expect(await counted("--host", "srv1")).to.equal("1");
    expect(await counted("--host", "nosuch")).to.equal("0");
    const filtered = await bench.run(["check", "--host", "srv1", "--read-data"]);
    expect(filtered.stdout).to.contain("read all filtered data\n");
  });

  it("finds a snapshot that does not exist", async () => {
    const { stderr } = await bench.run(["check", "zzzz"], 1);
    expect(stderr).to.equal(
      `error: no matching ID found for prefix "zzzz"\n${advice}Fatal: repository contains errors\n`,
    );
  });

  it("tells about packs that nobody needs", async () => {
    const id = "0".repeat(64);
    mkdirSync(bench.repository("data", "00"), { recursive: true });
    writeFileSync(packPath(id), "surplus");
    const { stdout } = await bench.run(["check", "-v"]);
    const lines = stdout.split("\n");
    const first = lines.indexOf("check all packs");
    expect(lines.slice(first, first + 5)).to.deep.equal([
      "check all packs",
      `pack ${id}: not referenced in any index`,
      "1 additional files were found in the repo, which likely contain duplicate data.",
      "This is non-critical, you can run `restic prune` to correct this.",
      "check snapshots, trees and blobs",
    ]);
    expect(stdout).to.match(/no errors were found\n$/);
    expect(JSON.parse((await bench.run(["check", "--json"])).stdout)).to.include({
      suggest_prune: true,
      num_errors: 0,
    });
  });

  it("finds a pack that is missing", async () => {
    const [id = ""] = await packs();
    rmSync(packPath(id), { force: true });
    const { stdout, stderr } = await bench.run(["check"], 1);
    expect(stdout).not.to.contain("no errors were found");
    expect(stderr.startsWith(`pack ${id}: does not exist\n`)).to.equal(true);
    expect(stderr.endsWith(`${advice}Fatal: repository contains errors\n`)).to.equal(true);
    const json = await bench.run(["check", "--json"], 1);
    const messages = json.stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(messages[0]).to.deep.equal({ message_type: "error", message: `pack ${id}: does not exist\n` });
    expect(messages.at(-2)).to.deep.equal({ message_type: "error", message: advice });
    expect(messages.at(-1)).to.include({
      message_type: "exit_error",
      code: 1,
      message: "Fatal: repository contains errors",
    });
    const summary = JSON.parse(json.stdout);
    expect(summary.message_type).to.equal("summary");
    expect(summary.num_errors).to.be.at.least(1);
  });

  it("finds damaged content, names the packs, and says what to do", async () => {
    const [id = ""] = await packs();
    const content = readFileSync(packPath(id));
    content[20] = (content[20] ?? 0) ^ 1;
    chmodSync(packPath(id), 0o600);
    writeFileSync(packPath(id), content);
    const { stderr } = await bench.run(["check", "--read-data"], 1);
    expect(stderr).to.contain(`pack ${id} contains `);
    expect(stderr).to.contain(`restic repair packs ${id}\n`);
    const json = await bench.run(["check", "--read-data", "--json"], 1);
    expect(JSON.parse(json.stdout).broken_packs).to.deep.equal([id]);
  });
});
