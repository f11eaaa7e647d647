import { mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { decide, type Policy, type PolicySource } from "../../../server/policy/policy.ts";
import { PolicyFile } from "../../../server/policy/policy-file.ts";
import { expectError } from "../../conformance/storage.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";

const readers = 'rules: [{users: "*", repositories: "**", access: read-only}]\n';
const everybody = 'rules: [{users: "*", repositories: "**", access: full}]\n';

describe("PolicyFile", () => {
  let folder: TemporaryFolder;
  let path: string;
  let logged: string[];
  let nowMs: number;

  beforeEach(() => {
    folder = makeTemporaryFolder("policy");
    path = join(folder.path, "policy.yaml");
    logged = [];
    nowMs = 0;
    writeFileSync(path, readers);
  });

  afterEach(() => folder.remove());

  const open = (): Promise<PolicyFile> =>
    PolicyFile.open(
      path,
      (line) => logged.push(line),
      () => nowMs,
    );

  async function mayRemove(source: PolicySource): Promise<boolean> {
    const operation = { action: "remove", type: "data" } as const;
    return decide(await source.current(), { user: "alice", folders: [], operation }).allowed;
  }

  it("is read again when it has changed, at most every three seconds", async () => {
    const file = await open();
    expect(await mayRemove(file)).to.equal(false);
    writeFileSync(path, everybody);
    nowMs = 2999;
    expect(await mayRemove(file)).to.equal(false);
    nowMs = 3000;
    expect(await mayRemove(file)).to.equal(true);
    expect(logged).to.deep.equal(["Reloaded policy file"]);
    nowMs = 9000;
    expect(await mayRemove(file)).to.equal(true);
    expect(logged).to.have.length(1);
  });

  it("is read at once when it is told to, and tells those who count by it", async () => {
    const file = await open();
    const heard: Policy[] = [];
    file.onChange((policy) => heard.push(policy));
    writeFileSync(path, everybody);
    await file.reload();
    expect(await mayRemove(file)).to.equal(true);
    expect(heard).to.deep.equal([file.latest]);
  });

  it("is seen to change when another file takes its place with the same size and time", async () => {
    const file = await open();
    const other = join(folder.path, "other");
    writeFileSync(other, readers.replace("read-only", "full     "));
    for (const each of [path, other]) utimesSync(each, 1, 1);
    nowMs = 3000;
    await file.current();
    renameSync(other, path);
    nowMs = 6000;
    expect(await mayRemove(file)).to.equal(true);
  });

  for (const [what, spoil] of [
    ["is wrong", (target: string) => writeFileSync(target, `${everybody}colour: red\nsize: 3\n`)],
    ["is not UTF-8", (target: string) => writeFileSync(target, Buffer.from([0x72, 0xff, 0xfe]))],
    ["is empty", (target: string) => writeFileSync(target, "")],
    ["is gone", (target: string) => rmSync(target)],
    [
      "cannot be read",
      (target: string) => {
        rmSync(target);
        mkdirSync(target);
      },
    ],
  ] as const) {
    it(`keeps the old policy when it ${what}, says so once, and recovers`, async () => {
      const file = await open();
      spoil(path);
      for (nowMs = 3000; nowMs < 30_000; nowMs += 3000) expect(await mayRemove(file)).to.equal(false);
      expect(logged.length).to.be.within(1, 2);
      for (const line of logged) expect(line).to.match(/^Could not reload policy file: .*policy\.yaml/);
      rmSync(path, { recursive: true, force: true });
      writeFileSync(path, everybody);
      nowMs = 40_000;
      expect(await mayRemove(file)).to.equal(true);
      expect(logged.at(-1)).to.equal("Reloaded policy file");
    });
  }

  it("must be right at the start", async () => {
    writeFileSync(path, "rules: 3");
    const error = await expectError(open(), "usage");
    expect(error.message).to.equal(`${path}:1: rules: expected a list, got "3"`);
    rmSync(path);
    expect((await expectError(open(), "usage")).message).to.match(/cannot read the policy file .*ENOENT/);
  });
});
