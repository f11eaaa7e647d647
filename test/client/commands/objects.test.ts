import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { createNodeProvider } from "../../../client/platform/node-provider.ts";
import { openBackend } from "../../../client/platform/open-backend.ts";
import { openRepository } from "../../../client/repository/opening.ts";
import { encodeLock } from "../../../shared/format/lock.ts";
import { testPassword } from "../cli/in-process.ts";
import { Workbench } from "./workbench.ts";

describe("objects of a repository", () => {
  const bench = new Workbench();

  before(async () => {
    await bench.useNewRepository();
    mkdirSync(bench.path("s", "sub"), { recursive: true });
    writeFileSync(bench.path("s", "a"), "content of a");
    writeFileSync(bench.path("s", "sub", "b"), "content of b");
    await bench.runInside(["backup", "-q", "s"]);
  });

  after(() => bench.remove());

  const idsOf = (kind: string): Promise<string[]> => bench.lines("list", kind);
  const cat = async (...parameters: string[]): Promise<string> => (await bench.run(["cat", ...parameters])).stdout;

  describe("list", () => {
    it("prints the ids of files", async () => {
      for (const kind of ["index", "snapshots", "keys"]) {
        expect((await idsOf(kind)).sort(), kind).to.deep.equal(readdirSync(bench.repository(kind)).sort());
      }
      const packs = readdirSync(bench.repository("data")).flatMap((shard) =>
        readdirSync(bench.repository("data", shard)),
      );
      expect((await idsOf("packs")).sort()).to.deep.equal(packs.sort());
      expect(await idsOf("locks")).to.deep.equal([]);
    });

    it("prints blobs as the index has them", async () => {
      const [id] = await idsOf("index");
      const { packs } = JSON.parse(await cat("index", id ?? ""));
      const expected = packs.flatMap(({ blobs }: { blobs: { type: string; id: string }[] }) =>
        blobs.map((blob) => `${blob.type} ${blob.id}`),
      );
      expect(await idsOf("blobs")).to.deep.equal(expected);
      expect(expected.filter((line: string) => line.startsWith("data "))).to.have.length(2);
    });
  });

  describe("cat", () => {
    it("prints documents as JSON over several lines", async () => {
      const config = await cat("config", "superfluous");
      expect(config).to.match(
        /^\{\n {2}"version": 2,\n {2}"id": "[0-9a-f]{64}",\n {2}"chunker_polynomial": "[0-9a-f]+"\n\}\n$/,
      );
      const [snapshotId = ""] = await idsOf("snapshots");
      for (const name of [snapshotId, snapshotId.slice(0, 8)]) {
        expect(JSON.parse(await cat("snapshot", name))).to.include({ program_version: "coffer 0.1.0" });
      }
      const [keyId = ""] = await idsOf("keys");
      expect(JSON.parse(await cat("key", keyId))).to.have.all.keys(
        ...["created", "username", "hostname", "kdf", "N", "r", "p", "salt", "data"],
      );
      expect(JSON.parse(await cat("masterkey"))).to.have.all.keys("mac", "encrypt");
    });

    it("prints packs, blobs and trees as raw bytes", async () => {
      const raw = async (kind: string, id: string): Promise<string> => cat(kind, id);
      const [snapshotId = ""] = await idsOf("snapshots");
      const tree = await raw("tree", snapshotId);
      expect(JSON.parse(tree).nodes.map(({ name }: { name: string }) => name)).to.deep.equal(["s"]);
      const sub = await raw("tree", `${snapshotId.slice(0, 10)}:/s/sub`);
      const [node] = JSON.parse(sub).nodes;
      expect(await raw("blob", node.content[0])).to.equal("content of b");
      const treeId = createHash("sha256").update(sub).digest("hex");
      expect(await raw("blob", treeId)).to.equal(sub);
      for (const id of await idsOf("packs")) expect((await raw("pack", id)).length).to.be.above(0);
    });

    it("prints a damaged pack, and says so", async () => {
      const [id = ""] = await idsOf("packs");
      const path = bench.repository("data", id.slice(0, 2), id);
      const content = readFileSync(path);
      chmodSync(path, 0o600);
      writeFileSync(path, content.subarray(1));
      const { stderr } = await bench.run(["cat", "pack", id, "--no-cache"]);
      writeFileSync(path, content);
      const hash = createHash("sha256").update(content.subarray(1)).digest("hex");
      expect(stderr).to.equal(`Warning: hash of data does not match ID, want\n  ${id}\ngot:\n  ${hash}\n`);
    });
  });

  describe("locks", () => {
    const hostname = "another-host";

    async function writeLock(minutesAgo: number, exclusive = false): Promise<void> {
      const backend = await openBackend(bench.repository());
      const repository = await openRepository(backend, createNodeProvider(), { password: testPassword });
      const time = new Date(Date.now() - minutesAgo * 60_000).toISOString();
      const lock = { time, exclusive, hostname, username: "root", pid: 123, uid: 0, gid: 0 };
      await repository.saveDocument("locks", Buffer.from(encodeLock(lock)));
      await backend.close();
    }

    afterEach(() => bench.run(["unlock", "--remove-all"]));

    it("in the way are told, with exit code 11", async () => {
      await writeLock(2, true);
      const { stdout, stderr } = await bench.run(["snapshots"], 11);
      expect(stdout).to.equal("repo already locked, waiting up to 0s for the lock\n");
      expect(stderr).to.match(
        /^unable to create lock in backend: repository is already locked exclusively by PID 123 on another-host by root \(UID 0, GID 0\)\nlock was created at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(2m[\d.]+s ago\)\nstorage ID [0-9a-f]{8}\nthe `unlock` command can be used to remove stale locks\n$/,
      );
      const json = await bench.run(["snapshots", "--json"], 11);
      expect(json.stdout).to.equal("");
      expect(JSON.parse(json.stderr)).to.include({ message_type: "exit_error", code: 11 });
    });

    it("do not matter to --no-lock, nor to list locks", async () => {
      await writeLock(2, true);
      expect((await bench.run(["snapshots", "--no-lock", "--json"])).exitCode).to.equal(0);
      expect(await idsOf("locks")).to.have.length(1);
      expect(JSON.parse(await cat("lock", (await idsOf("locks"))[0] ?? "", "--no-lock"))).to.include({
        hostname,
        pid: 123,
      });
      await bench.run(["backup", "--no-lock", bench.path("s")], 11);
    });

    it("that are shared are in the way of exclusive ones only", async () => {
      await writeLock(2);
      await bench.run(["snapshots"]);
      await bench.run(["check"], 11);
      await bench.run(["key", "remove", "00"], 11);
    });

    it("are removed by unlock when they are old, and otherwise when told so", async () => {
      await writeLock(2);
      await writeLock(31);
      expect((await bench.run(["unlock", "superfluous"])).stdout).to.equal("successfully removed 1 locks\n");
      expect((await bench.run(["unlock"])).stdout).to.equal("");
      expect((await bench.run(["unlock", "--remove-all"])).stdout).to.equal("successfully removed 1 locks\n");
      expect(await idsOf("locks")).to.deep.equal([]);
    });

    it("that do not go away are waited for with --retry-lock", async () => {
      await writeLock(2, true);
      const { stdout } = await bench.run(["snapshots", "--retry-lock", "50ms"], 11);
      expect(stdout).to.equal("repo already locked, waiting up to 50ms for the lock\n");
    });
  });

  describe("keys", () => {
    const keyIds = async (
      password: string,
    ): Promise<{ current: boolean; id: string; userName: string; hostName: string }[]> =>
      JSON.parse((await bench.run(["key", "list", "--json"], 0, { RESTIC_PASSWORD: password })).stdout);

    before(async () => {
      await bench.useNewRepository();
      writeFileSync(bench.path("second"), "second\n");
      writeFileSync(bench.path("third"), "third\n");
    });

    it("are listed as a table and as JSON", async () => {
      const lines = await bench.lines("key", "list");
      expect(lines[0]).to.equal(" ID        User  Host  Created");
      expect(lines[2]).to.match(/^\*[0-9a-f]{8} {2}root {2}srv1 {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
      expect(lines[3]).to.equal(lines[1]);
      const [key] = await keyIds(testPassword);
      expect(key).to.have.all.keys("current", "id", "userName", "hostName", "created");
      expect(key).to.include({ current: true, userName: "root", hostName: "srv1" });
    });

    it("are added, used, removed and changed", async () => {
      const added = await bench.run([
        ...["key", "add", "--new-password-file", bench.path("second"), "--user", "john", "--host", "example.com"],
      ]);
      const [, id = ""] = /^saved new key with ID ([0-9a-f]{64})\n$/.exec(added.stdout) ?? [];
      const keys = await keyIds("second");
      expect(keys).to.have.length(2);
      expect(keys.find((key) => key.current)).to.include({ id, userName: "john", hostName: "example.com" });

      const first = keys.find((key) => !key.current)?.id ?? "";
      const refused = await bench.run(["key", "remove", first.slice(0, 10)], 1);
      expect(refused.stderr).to.equal("Fatal: refusing to remove key currently used to access repository\n");
      const removed = await bench.run(["key", "remove", first.slice(0, 10)], 0, { RESTIC_PASSWORD: "second" });
      expect(removed.stdout).to.equal(`removed key ${first}\n`);
      await bench.run(["snapshots"], 12);

      const changed = await bench.run(["key", "passwd", "--new-password-file", bench.path("third")], 0, {
        RESTIC_PASSWORD: "second",
      });
      expect(changed.stdout).to.match(/^saved new key as <Key of \S+@\S+, created on \d{4}-[^>]+>\n$/);
      await bench.run(["snapshots"], 12, { RESTIC_PASSWORD: "second" });
      expect(await keyIds("third")).to.have.length(1);
    });

    it("may have an empty password when asked for", async () => {
      const third = { RESTIC_PASSWORD: "third" };
      await bench.run(["key", "add", "--new-insecure-no-password"], 0, third);
      await bench.run(["snapshots", "--insecure-no-password"], 0, { RESTIC_PASSWORD: "" });
      await bench.run(["key", "list", "--key-hint", "zz"], 0, third);
    });
  });

  describe("init", () => {
    it("makes a repository and says so", async () => {
      const location = bench.path("made");
      const env = { RESTIC_REPOSITORY: location };
      const { stdout } = await bench.run(["init", "--repository-version", "1"], 0, env);
      expect(stdout).to.match(
        /^created restic repository [0-9a-f]{10} at .*\/made\n\nPlease note that knowledge of your password is required to access\nthe repository\. Losing your password means that your data is\nirrecoverably lost\.\n$/,
      );
      const config = JSON.parse((await bench.run(["cat", "config"], 0, env)).stdout);
      expect(config.version).to.equal(1);

      const copy = { RESTIC_REPOSITORY: bench.path("copy"), RESTIC_FROM_PASSWORD: testPassword };
      const json = await bench.run(["init", "--json", "--copy-chunker-params", "--from-repo", location], 0, copy);
      const message = JSON.parse(json.stdout);
      expect(message).to.have.all.keys("message_type", "id", "repository");
      expect(message).to.include({ message_type: "initialized", repository: bench.path("copy") });
      const copied = JSON.parse((await bench.run(["cat", "config"], 0, copy)).stdout);
      expect(copied.chunker_polynomial).to.equal(config.chunker_polynomial);
      expect(copied.id).to.equal(message.id);
      const both = { ...copy, RESTIC_FROM_REPOSITORY_FILE: join(bench.folder, "x") };
      expect((await bench.run(["init", "--copy-chunker-params", "--from-repo", location], 1, both)).stderr).to.equal(
        "Fatal: Options --from-repo and --from-repository-file are mutually exclusive, please specify only one\n",
      );
    });
  });
});
