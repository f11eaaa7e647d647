import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { createNodeProvider } from "../../../client/platform/node-provider.ts";
import { openBackend } from "../../../client/platform/open-backend.ts";
import { localTimeZone } from "../../../client/platform/time-zone.ts";
import { openRepository } from "../../../client/repository/opening.ts";
import { saveSnapshot } from "../../../client/repository/snapshots.ts";
import { testPassword } from "../cli/in-process.ts";
import { Workbench } from "./workbench.ts";

const zone = `Timestamps shown in ${localTimeZone().name ?? "local time"}`;

describe("snapshots", () => {
  const bench = new Workbench();
  const source = bench.path("src");
  /** Short ids in the order of their times. */
  let ids: string[] = [];

  const backup = (time: string, host: string, ...parameters: string[]): Promise<unknown> =>
    bench.run(["backup", "-q", "--time", `2024-03-${time}`, "--host", host, ...parameters]);

  const listed = async (...parameters: string[]): Promise<string[]> =>
    JSON.parse((await bench.run(["snapshots", "--json", ...parameters])).stdout).map(
      (snapshot: { short_id: string }) => snapshot.short_id,
    );

  before(async () => {
    await bench.useNewRepository();
    mkdirSync(join(source, "docs"), { recursive: true });
    mkdirSync(join(source, "bin"));
    writeFileSync(join(source, "a.txt"), "0123456789");
    writeFileSync(join(source, "docs", "b"), "12345");
    await backup("01 10:00:00", "srv1", source);
    await backup("02 10:00:00", "srv1", "--tag", "daily,test", source);
    await backup("03 10:00:00", "srv2", join(source, "docs"), join(source, "bin"));
    await backup("04 10:00:00", "srv1", "--tag", "daily", source);
    ids = await listed();
  });

  after(() => bench.remove());

  const table = (text: string): string[] =>
    text
      .replaceAll(bench.folder, "/tmp")
      .replace(/-{20,}/g, "-----")
      .split("\n");

  it("are a table, oldest first, with paths in lines of their own", async () => {
    const { stdout } = await bench.run(["snapshots"]);
    expect(table(stdout).map((line) => line.replace(/ {2,}/g, "  "))).to.deep.equal([
      "ID  Time  Host  Tags  Paths  Size",
      "-----",
      `${ids[0]}  2024-03-01 10:00:00  srv1  /tmp/src  15 B`,
      "",
      `${ids[1]}  2024-03-02 10:00:00  srv1  daily,test  /tmp/src  15 B`,
      "",
      `${ids[2]}  2024-03-03 10:00:00  srv2  /tmp/src/bin  5 B`,
      "  /tmp/src/docs",
      "",
      `${ids[3]}  2024-03-04 10:00:00  srv1  daily  /tmp/src  15 B`,
      "-----",
      zone,
      "4 snapshots",
      "",
    ]);
    const [header, line] = stdout.split("\n");
    expect(header).to.match(/^ID {8}Time {17}Host {8}Tags {8}Paths +Size$/);
    expect(line?.length).to.be.at.least(header?.length ?? 0);
  });

  it("have a compact form, without paths, with tags in lines of their own", async () => {
    const { stdout } = await bench.run(["snapshots", "-c", "--host", "srv1"]);
    expect(table(stdout)).to.deep.equal([
      "ID        Time                 Host  Tags   Size",
      "-----",
      `${ids[0]}  2024-03-01 10:00:00  srv1         15 B`,
      `${ids[1]}  2024-03-02 10:00:00  srv1  daily  15 B`,
      "                                     test",
      `${ids[3]}  2024-03-04 10:00:00  srv1  daily  15 B`,
      "-----",
      zone,
      "3 snapshots",
      "",
    ]);
  });

  it("are grouped under headers", async () => {
    const headers = async (groupBy: string): Promise<string[]> =>
      table((await bench.run(["snapshots", "--group-by", groupBy])).stdout).filter((line) =>
        line.startsWith("snapshots"),
      );
    expect(await headers("host")).to.deep.equal(["snapshots for (host [srv1]):", "snapshots for (host [srv2]):"]);
    expect(await headers("tag")).to.deep.equal([
      "snapshots for (tags [daily, test]):",
      "snapshots for (tags [daily]):",
    ]);
    expect(await headers("host,path")).to.deep.equal([
      "snapshots for (host [srv1], paths [/tmp/src]):",
      "snapshots for (host [srv2], paths [/tmp/src/bin, /tmp/src/docs]):",
    ]);
    expect(await headers("")).to.deep.equal([]);
  });

  it("have a JSON form with stored fields, summary and both ids", async () => {
    const [first, second] = JSON.parse((await bench.run(["snapshots", "--json"])).stdout);
    expect(first).to.have.keys(
      ...["time", "tree", "paths", "hostname", "username", "program_version", "summary", "id", "short_id"],
      ...(process.getuid?.() === 0 ? [] : ["uid", "gid"]),
    );
    expect(first.id.slice(0, 8)).to.equal(first.short_id);
    expect(second).to.deep.include({ parent: first.id, tags: ["daily", "test"], hostname: "srv1" });
  });

  it("have a JSON form by groups", async () => {
    const groups = JSON.parse((await bench.run(["snapshots", "--json", "--group-by", "host", "--latest", "1"])).stdout);
    expect(groups.map(({ group_key }: { group_key: unknown }) => group_key)).to.deep.equal([
      { hostname: "srv1", paths: null, tags: null },
      { hostname: "srv2", paths: null, tags: null },
    ]);
    expect(groups.map(({ snapshots }: { snapshots: { short_id: string }[] }) => snapshots[0]?.short_id)).to.deep.equal([
      ids[3],
      ids[2],
    ]);
  });

  it("are none without any", async () => {
    for (const parameters of [["--json"], ["--json", "--group-by", "host"]]) {
      expect((await bench.run(["snapshots", "--host", "nosuch", ...parameters])).stdout).to.equal("[]\n");
    }
    expect((await bench.run(["snapshots", "--host", "nosuch"])).stdout).to.equal("");
  });

  it("are filtered by host, tags and paths", async () => {
    const [a, b, c, d] = ids;
    expect(await listed("--host", "srv2")).to.deep.equal([c]);
    expect(await listed("-H", "srv2", "-H", "srv1")).to.deep.equal([a, b, c, d]);
    expect(await listed("--tag", "daily")).to.deep.equal([b, d]);
    expect(await listed("--tag", "daily,test")).to.deep.equal([b]);
    expect(await listed("--tag", "test", "--tag", "")).to.deep.equal([a, b, c]);
    expect(await listed("--path", join(source, "docs"), "--path", join(source, "bin"))).to.deep.equal([c]);
    expect(await listed("--path", join(source, "docs"), "--path", source)).to.deep.equal([]);
  });

  it("take the host of the environment unless flags say otherwise", async () => {
    const withHost = async (...parameters: string[]): Promise<number> =>
      JSON.parse((await bench.run(["snapshots", "--json", ...parameters], 0, { RESTIC_HOST: "srv2" })).stdout).length;
    expect(await withHost()).to.equal(1);
    expect(await withHost("--host", "srv1")).to.equal(3);
    expect(await withHost("--host", "")).to.equal(4);
  });

  it("are cut to the latest of each host and set of paths, or of each group", async () => {
    const [, b, c, d] = ids;
    expect(await listed("--latest", "1")).to.deep.equal([c, d]);
    expect(await listed("--latest", "2")).to.deep.equal([b, c, d]);
    expect(await listed("--latest", "0")).to.have.length(4);
    const last = await bench.run(["snapshots", "--last", "--json"]);
    expect(last.stderr).to.equal("Flag --last has been deprecated, use --latest 1\n");
    expect(JSON.parse(last.stdout)).to.have.length(2);
  });

  it("are named by id, prefix and latest; others are ignored with a line", async () => {
    const [a, b, , d] = ids;
    expect(await listed(a ?? "", b ?? "", a ?? "")).to.deep.equal([a, b]);
    expect(await listed("latest", "latest")).to.deep.equal([d]);
    const { stderr, stdout } = await bench.run([
      ...["snapshots", "zzzz", "", `${a}:docs`, a ?? "", "latest", "--host", "nosuch", "--json"],
    ]);
    expect(stderr.split("\n").slice(0, -1)).to.deep.equal([
      'Ignoring "zzzz": no matching ID found for prefix "zzzz"',
      'Ignoring "": multiple IDs with prefix "" found',
      `Ignoring "${a}:docs": <snapshot>:<subfolder> syntax not allowed`,
      'Ignoring "latest": no snapshot matched given filter (Paths:[] Tags:[] Hosts:[nosuch])',
    ]);
    expect(JSON.parse(stdout)).to.have.length(1);
    const filtered = await bench.run(["snapshots", a ?? "", "--host", "x", "--json"]);
    expect(filtered.stderr).to.equal('Ignoring "filters": explicit snapshot ids are given\n');
  });

  it("without a summary have no size column", async () => {
    await bench.useNewRepository();
    const backend = await openBackend(bench.repository());
    const repository = await openRepository(backend, createNodeProvider(), { password: testPassword });
    await saveSnapshot(repository, {
      time: "2024-03-01T10:00:00Z",
      tree: "0".repeat(64),
      paths: ["/recover"],
      hostname: "a-host-with-a-long-name",
      tags: ["recovered"],
    });
    await backend.close();
    const [header = "", , row] = (await bench.run(["snapshots"])).stdout.split("\n");
    expect(header).to.match(/ Paths$/);
    expect(row).to.match(/a-host-with-a-long-name {2}recovered {3}\/recover$/);
  });
});
