import { rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hash } from "@node-rs/bcrypt";
import { expect } from "chai";
import { HtpasswdAuthenticator } from "../../../server/auth/htpasswd-authenticator.ts";
import { expectError } from "../../conformance/storage.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";

function basic(user: string, password: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
}

describe("HtpasswdAuthenticator", () => {
  let folder: TemporaryFolder;
  let path: string;
  let nowMs: number;
  let logged: string[];
  let authenticator: HtpasswdAuthenticator;

  async function writeUsers(users: Readonly<Record<string, string>>, cost = 4): Promise<void> {
    const lines = Object.entries(users).map(async ([user, password]) => `${user}:${await hash(password, { cost })}`);
    writeFileSync(path, `${(await Promise.all(lines)).join("\n")}\n`);
  }

  beforeEach(async () => {
    folder = makeTemporaryFolder("htpasswd");
    path = join(folder.path, ".htpasswd");
    nowMs = 1_000_000;
    logged = [];
    await writeUsers({ alice: "secret", bob: "hidden" });
    authenticator = await HtpasswdAuthenticator.open(
      path,
      (line) => logged.push(line),
      () => nowMs,
    );
  });

  afterEach(() => folder.remove());

  it("knows its users", async () => {
    expect(await authenticator.authenticate(basic("alice", "secret"))).to.equal("alice");
    expect(await authenticator.authenticate(basic("bob", "hidden"))).to.equal("bob");
  });

  it("does not take one user's password for that of a longer name with a NUL", async () => {
    await writeUsers({ alice: "x\0y" });
    await authenticator.reload();
    expect(await authenticator.authenticate(basic("alice", "x\0y"))).to.equal("alice");
    expect(await authenticator.authenticate(basic("alice\0x", "y"))).to.equal(undefined);
  });

  for (const [what, headers] of [
    ["no header", {}],
    ["a wrong password", basic("alice", "hidden")],
    ["an empty password", basic("alice", "")],
    ["an unknown user", basic("carol", "secret")],
    ["nobody", basic("", "")],
    ["another case", basic("Alice", "secret")],
    ["another scheme", { authorization: "Bearer secret" }],
  ] as const) {
    it(`refuses ${what}`, async () => {
      expect(await authenticator.authenticate(headers)).to.equal(undefined);
    });
  }

  it("J: does not let a right password open the door for a wrong one", async () => {
    for (let i = 0; i < 10; i++) {
      expect(await authenticator.authenticate(basic("alice", "secret"))).to.equal("alice");
      expect(await authenticator.authenticate(basic("alice", "wrong"))).to.equal(undefined);
      expect(await authenticator.authenticate(basic("bob", "secret"))).to.equal(undefined);
    }
  });

  it("compares a password once for all who send it at the same time, and not again for a minute", async function () {
    this.timeout(30_000);
    await writeUsers({ alice: "secret" }, 11);
    await authenticator.reload();
    const before = process.cpuUsage();
    await Promise.all(Array.from({ length: 20 }, () => authenticator.authenticate(basic("alice", "secret"))));
    const once = process.cpuUsage(before).user;
    const again = process.cpuUsage();
    for (let i = 0; i < 200; i++) {
      nowMs += 250;
      expect(await authenticator.authenticate(basic("alice", "secret"))).to.equal("alice");
    }
    const cached = process.cpuUsage(again).user;
    expect(cached).to.be.lessThan(once);
    const other = process.cpuUsage();
    await authenticator.authenticate(basic("alice", "wrong"));
    // Twenty comparisons would take twenty times as long as one.
    expect(once).to.be.lessThan(process.cpuUsage(other).user * 6);
  });

  it("refuses to let more than a hundred wait", async function () {
    this.timeout(60_000);
    await writeUsers({ alice: "secret" }, 8);
    await authenticator.reload();
    const results = await Promise.allSettled(
      Array.from({ length: 150 }, (_, i) => authenticator.authenticate(basic("alice", `wrong ${i}`))),
    );
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused).to.have.length(48);
    await expectError(Promise.reject(refused[0]?.reason), "limit-exceeded");
    expect(await authenticator.authenticate(basic("alice", "secret"))).to.equal("alice");
  });

  it("reads a changed file again after half a minute", async () => {
    expect(await authenticator.authenticate(basic("alice", "secret"))).to.equal("alice");
    await writeUsers({ alice: "changed", carol: "new" });
    nowMs += 29_000;
    expect(await authenticator.authenticate(basic("alice", "secret"))).to.equal("alice");
    nowMs += 1_000;
    expect(await authenticator.authenticate(basic("alice", "secret"))).to.equal(undefined);
    expect(await authenticator.authenticate(basic("alice", "changed"))).to.equal("alice");
    expect(await authenticator.authenticate(basic("carol", "new"))).to.equal("carol");
    expect(await authenticator.authenticate(basic("bob", "hidden"))).to.equal(undefined);
    expect(logged).to.deep.equal(["Reloaded htpasswd file"]);
  });

  it("sees a change of the time alone, and leaves an unchanged file alone", async () => {
    nowMs += 31_000;
    await authenticator.authenticate(basic("alice", "secret"));
    expect(logged).to.deep.equal([]);
    utimesSync(path, 1, 1);
    nowMs += 31_000;
    await authenticator.authenticate(basic("alice", "secret"));
    expect(logged).to.deep.equal(["Reloaded htpasswd file"]);
  });

  it("keeps its users when the file is gone, says so, and comes back", async () => {
    rmSync(path);
    nowMs += 31_000;
    expect(await authenticator.authenticate(basic("alice", "secret"))).to.equal("alice");
    expect(logged).to.have.length(1);
    expect(logged[0]).to.match(/^Could not reload htpasswd file: ENOENT/);
    await writeUsers({ alice: "changed" });
    nowMs += 31_000;
    expect(await authenticator.authenticate(basic("alice", "changed"))).to.equal("alice");
  });

  it("does not remember what the old file allowed while the new one was read", async () => {
    const waiting = authenticator.authenticate(basic("alice", "secret"));
    await writeUsers({ bob: "hidden" });
    await authenticator.reload();
    await waiting;
    expect(await authenticator.authenticate(basic("alice", "secret"))).to.equal(undefined);
  });

  it("warns of lines that mean nothing", async () => {
    writeFileSync(path, "nonsense\n");
    await authenticator.reload();
    expect(logged[0]).to.match(/Ignoring line 1/);
    expect(await authenticator.authenticate(basic("nonsense", ""))).to.equal(undefined);
  });

  it("cannot be opened without its file", async () => {
    const error = await expectError(
      HtpasswdAuthenticator.open(join(folder.path, "absent"), () => undefined),
      "usage",
    );
    expect(error.message).to.match(/^cannot load .*absent \(use --no-auth to disable\): ENOENT/);
  });
});
