/** What restic can do with each kind of access: the table of docs/policy.md. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { fixedPolicy } from "../../server/policy/flags-policy.ts";
import { parsePolicy } from "../../server/policy/parse-policy.ts";
import { quotaLimits } from "../../server/quota/limits.ts";
import { LocalQuotaLedger } from "../../server/quota/local-ledger.ts";
import { namedUsers } from "../support/named-users.ts";
import { expectExit, type ProgramRun, requirePrograms, runRestic } from "../support/programs.ts";
import { type ServedApp, serveApp } from "../support/served-app.ts";
import { testBytes, testObject } from "../support/stored-files.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";

const policyText = `
rules:
  - {users: op, repositories: "**", access: full}
  - {users: ro, repositories: "**", access: read-only}
  - {users: wo, repositories: "**", access: write-only}
  - {users: ao, repositories: "**", access: append-only}
`;

/** A tool that does not know that 403 is final repeats for minutes, so what is refused is only asked for by HTTP. */
describe("interop: restic under a policy", function () {
  this.timeout(120_000);
  let folder: TemporaryFolder;
  let served: ServedApp;
  let source: string;
  const ledger = new LocalQuotaLedger(quotaLimits(undefined, []));

  before(async function () {
    requirePrograms(this, "restic");
    folder = makeTemporaryFolder("restic-policy");
    source = join(folder.path, "source");
    served = await serveApp({
      ledger,
      authenticator: namedUsers,
      policy: fixedPolicy(await parsePolicy(policyText, "p")),
    });
    writeFileSync(source, testBytes("first", 1_000_000));
    expectExit(await restic("op", ["init"]));
  });

  after(async () => {
    await served?.stop();
    folder?.remove();
  });

  function restic(user: string, parameters: readonly string[]): Promise<ProgramRun> {
    const env = {
      RESTIC_PASSWORD: "secret",
      RESTIC_REPOSITORY: `rest:http://${user}:x@127.0.0.1:${served.port}/r/`,
      RESTIC_CACHE_DIR: join(folder.path, `cache-${user}`),
    };
    return runRestic(parameters, { env });
  }

  const stored = (type: string): string[] => readdirSync(join(served.dataPath, "r", type)).sort();

  it("write-only: backs up, again from its cache, and with --force without one", async () => {
    expectExit(await restic("wo", ["backup", source]));
    writeFileSync(source, testBytes("second", 1_000_000));
    expectExit(await restic("wo", ["backup", source]));
    rmSync(join(folder.path, "cache-wo"), { recursive: true });
    writeFileSync(source, testBytes("third", 1_000_000));
    expectExit(await restic("wo", ["backup", "--force", source]));
    expect(stored("snapshots")).to.have.length(3);
    expectExit(await restic("wo", ["snapshots"]));
  });

  it("read-only: restores and checks, and leaves no lock", async () => {
    const target = join(folder.path, "restored");
    expectExit(await restic("ro", ["restore", "latest", "--target", target]));
    expect(readFileSync(join(target, source)).equals(readFileSync(source))).to.equal(true);
    expectExit(await restic("ro", ["check", "--read-data"]));
    expect(stored("locks")).to.deep.equal([]);
  });

  it("append-only: backs up with a parent, restores and checks, and leaves no lock", async () => {
    writeFileSync(source, testBytes("fourth", 1_000_000));
    const run = expectExit(await restic("ao", ["backup", source]));
    expect(run.stdout + run.stderr).to.match(/using parent snapshot/);
    expectExit(await restic("ao", ["restore", "latest", "--target", join(folder.path, "restored-ao")]));
    expectExit(await restic("ao", ["check", "--read-data"]));
    expect(stored("locks")).to.deep.equal([]);
    expect(stored("snapshots")).to.have.length(4);
  });

  it("only the operator forgets and prunes, and what is left is whole", async () => {
    const [snapshot = ""] = stored("snapshots");
    for (const user of ["ro", "wo", "ao"]) {
      const headers = { authorization: `Basic ${Buffer.from(`${user}:x`).toString("base64")}` };
      const reply = await served.client.send("DELETE", `/r/snapshots/${snapshot}`, { headers });
      expect(reply.status, user).to.equal(403);
    }
    expectExit(await restic("op", ["forget", "--keep-last", "1", "--prune"]));
    expect(stored("snapshots")).to.have.length(1);
    expectExit(await restic("ro", ["check", "--read-data"]));
  });

  it("a full repository takes no more, and is whole after forgetting and pruning what needs no room", async () => {
    const small = join(folder.path, "small");
    writeFileSync(small, "small");
    expectExit(await restic("op", ["backup", small]));
    ledger.useLimits(quotaLimits(100_000, []));
    const upload = testObject("more", 1000);
    const headers = { authorization: `Basic ${Buffer.from("op:x").toString("base64")}` };
    const reply = await served.client.send("POST", `/r/data/${upload.id}`, { headers, body: upload.content });
    expect(reply.status).to.equal(507);
    const before = ledger.usedBytes;
    expectExit(await restic("op", ["forget", "--keep-last", "1", "--group-by", ""]));
    expectExit(await restic("op", ["prune", "--max-repack-size", "0"]));
    expect(ledger.usedBytes).to.be.lessThan(before - 900_000);
    expectExit(await restic("ro", ["check", "--read-data"]));
  });
});
