import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { localTimeZone } from "../../../client/platform/time-zone.ts";
import { formatLong } from "../../../shared/format/time.ts";
import { Workbench } from "./workbench.ts";

describe("ls", () => {
  const bench = new Workbench();

  before(async () => {
    await bench.useNewRepository();
    const source = bench.path("s");
    mkdirSync(join(source, "d", "deep"), { recursive: true });
    writeFileSync(join(source, "a.txt"), "hello\n");
    writeFileSync(join(source, "b.md"), Buffer.alloc(2010));
    writeFileSync(join(source, "d", "c"), "");
    writeFileSync(join(source, "d", "deep", "e.md"), "123");
    writeFileSync(Buffer.concat([Buffer.from(join(source, "bad")), Buffer.of(0xff)]), "x");
    symlinkSync("a.txt", join(source, "l"));
    execFileSync("mkfifo", [join(source, "p")]);
    chmodSync(join(source, "a.txt"), 0o4755);
    chmodSync(join(source, "b.md"), 0o644);
    chmodSync(join(source, "d"), 0o1777);
    utimesSync(join(source, "a.txt"), 1, 1_700_000_000);
    // As a Date: Node takes a negative number for now.
    utimesSync(join(source, "b.md"), 2, new Date(-5000));
    await bench.runInside(["backup", "-q", "--host", "srv1", "--time", "2024-03-01 10:00:00", "s"]);
  });

  after(() => bench.remove());

  const ls = (...parameters: string[]): Promise<string[]> => bench.lines("ls", "-q", "latest", ...parameters);
  const bad = "/s/bad\ufffd";

  it("lists everything in the order of the trees, names as they are", async () => {
    expect(await ls()).to.deep.equal([
      ...["/s", "/s/a.txt", "/s/b.md", bad, "/s/d", "/s/d/c", "/s/d/deep", "/s/d/deep/e.md", "/s/l", "/s/p"],
    ]);
  });

  it("begins with the snapshot", async () => {
    const [header] = await bench.lines("ls", "latest", "/s", "/x");
    const [snapshot] = JSON.parse((await bench.run(["snapshots", "--json"])).stdout);
    const time = formatLong(snapshot.time, localTimeZone());
    expect(header).to.equal(
      `snapshot ${snapshot.short_id} of [${bench.path("s")}] at ${time} by ${snapshot.username}@srv1 filtered by [/s /x]:`,
    );
  });

  it("lists folders with what is directly in them, or below them", async () => {
    expect(await ls("/")).to.deep.equal(["/s"]);
    expect(await ls("/s/d/")).to.deep.equal(["/s/d", "/s/d/c", "/s/d/deep"]);
    expect(await ls("/s/d", "--recursive")).to.deep.equal(["/s/d", "/s/d/c", "/s/d/deep", "/s/d/deep/e.md"]);
    expect(await ls("/s/a.txt", "/nope")).to.deep.equal(["/s/a.txt"]);
    expect(await ls("/s/deep/../d/deep")).to.deep.equal(["/s/d/deep", "/s/d/deep/e.md"]);
  });

  it("takes a subfolder for the root", async () => {
    for (const subfolder of ["s/d", "/s/d", "/s/d/", "s/./d/deep/.."]) {
      expect(await bench.lines("ls", "-q", `latest:${subfolder}`)).to.deep.equal(["/c", "/deep", "/deep/e.md"]);
    }
    expect((await bench.run(["ls", "latest:s/nope"], 1)).stderr).to.equal("path s/nope: not found\n");
    expect((await bench.run(["ls", "latest:s/a.txt"], 1)).stderr).to.equal("path s/a.txt: not a directory\n");
  });

  it("has long lines", async () => {
    const lines = (await ls("-l")).map((line) => line.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, "TIME"));
    const owner = `${String(process.getuid?.() ?? 0).padStart(5)} ${String(process.getgid?.() ?? 0).padStart(5)}`;
    expect(lines).to.include.members([
      `urwxr-xr-x ${owner}      6 TIME /s/a.txt`,
      `-rw-r--r-- ${owner}   2010 TIME /s/b.md`,
      `dtrwxrwxrwx ${owner}      0 TIME /s/d`,
      `Lrwxrwxrwx ${owner}      0 TIME /s/l -> a.txt`,
    ]);
    expect(lines.at(-1)).to.match(/^prw/);
    const human = (await ls("-l", "--human-readable")).find((line) => line.endsWith("/b.md"));
    expect(human).to.match(/ 1\.963 KiB \d{4}-/);
  });

  it("sorts by every property, both ways", async () => {
    const names = async (...parameters: string[]): Promise<string> =>
      (await ls(...parameters)).map((path) => path.slice(path.lastIndexOf("/") + 1)).join(" ");
    expect(await names("--sort", "size")).to.match(/ e\.md a\.txt b\.md$/);
    expect(await names("--sort", "extension")).to.match(/ b\.md e\.md a\.txt$/);
    expect(await names("-s", "time")).to.match(/^b\.md a\.txt /);
    expect(await names("-s", "mtime", "--reverse")).to.match(/ a\.txt b\.md$/);
    expect(await names("--reverse")).to.match(/^p l e\.md deep c d /);
    for (const mode of ["name", "atime", "ctime"]) expect((await ls("--sort", mode)).length).to.equal(10);
  });

  it("has a JSON form: the snapshot, then a line for each item", async () => {
    const [snapshot, ...nodes] = (await bench.lines("ls", "--json", "latest")).map((line) => JSON.parse(line));
    expect(snapshot).to.include({ message_type: "snapshot", struct_type: "snapshot", hostname: "srv1" });
    const common = ["name", "type", "path", "uid", "gid", "mode", "permissions", "mtime", "atime", "ctime", "inode"];
    for (const node of nodes) {
      const size = node.type === "file" ? ["size"] : [];
      expect(node).to.have.all.keys(...common, ...size, "message_type", "struct_type");
      expect(node).to.include({ message_type: "node", struct_type: "node" });
    }
    const find = (path: string): Record<string, unknown> => nodes.find((node) => node.path === path);
    expect(find("/s/a.txt")).to.include({ size: 6, type: "file", permissions: "urwxr-xr-x", mode: 8389101 });
    expect(find("/s/d")).to.include({ type: "dir", permissions: "dtrwxrwxrwx", mode: 2148532735 });
    expect(find("/s/d/c")).to.include({ size: 0 });
    expect(find("/s/l")).to.include({ type: "symlink", permissions: "Lrwxrwxrwx" });
    expect(find("/s/p")).to.include({ type: "fifo" });
    expect(find(bad)).to.include({ name: "bad\ufffd" });
  });

  it("has ncdu's form, which is JSON however deep it ends", async () => {
    type Item = { name: string; asize?: number; dsize?: number; mode?: number; mtime?: number; notreg?: boolean };
    type Folder = [Item, ...(Item | Folder)[]];
    const parse = async (...parameters: string[]): Promise<Folder> => {
      const [major, minor, snapshot, root] = JSON.parse(
        (await bench.run(["ls", "--ncdu", "latest", ...parameters])).stdout,
      );
      expect([major, minor]).to.deep.equal([1, 2]);
      expect(snapshot).to.include({ hostname: "srv1" }).and.not.to.have.property("id");
      return root;
    };
    const [root, s] = (await parse()) as [Item, Folder];
    expect(root).to.deep.equal({ name: "/" });
    const items = s.slice(1) as (Item | Folder)[];
    expect(items[0]).to.include({
      name: "a.txt",
      asize: 6,
      dsize: 512,
      mode: 0o4755,
      mtime: 1_700_000_000,
      notreg: false,
    });
    expect(items[1]).to.include({ name: "b.md", asize: 2010, dsize: 2048, mtime: 0 });
    expect((items[3] as Folder)[0]).to.include({ name: "d", notreg: false, dsize: 0, mode: 0o1777 });
    expect(items.at(-1)).to.include({ name: "p", notreg: true });
    const [, filtered] = (await parse("/s/d/deep")) as [Item, Folder];
    expect(JSON.stringify(filtered)).to.contain('"e.md"').and.not.to.contain("a.txt");
    expect((await bench.run(["ls", "--ncdu", "latest", "--json"], 1)).stderr).to.contain(
      "only either '--json' or '--ncdu' can be specified",
    );
  });

  it("finds latest by filters", async () => {
    expect(await ls("--host", "srv1", "--path", bench.path("s"))).to.have.length(10);
    expect((await bench.run(["ls", "latest", "--tag", "x"], 1)).stderr).to.equal(
      "snapshot filter (Paths:[] Tags:[[x]] Hosts:[]): no snapshot found\n",
    );
  });
});
