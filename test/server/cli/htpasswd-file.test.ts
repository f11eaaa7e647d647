import {
  chmodSync,
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { parseHtpasswd } from "../../../server/auth/htpasswd.ts";
import { changeHtpasswd, withoutUser, withUser } from "../../../server/cli/htpasswd-file.ts";
import { expectError } from "../../conformance/storage.ts";
import { requireRoot } from "../../support/programs.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";

const hash = `$2y$10$${".".repeat(53)}`;
const otherHash = `$2y$05$${"O".repeat(53)}`;

describe("the text of an htpasswd file", () => {
  for (const [what, before, after] of [
    ["an empty one", "", `alice:${hash}\n`],
    ["others", `# users\nbob:${otherHash}\n`, `# users\nbob:${otherHash}\nalice:${hash}\n`],
    ["a last line without its end", `bob:${otherHash}`, `bob:${otherHash}\nalice:${hash}\n`],
    ["the user", `alice:${otherHash}\n# comment\nbob:x\n`, `alice:${hash}\n# comment\nbob:x\n`],
    ["the user twice, of whom the last counts", `alice:a\nalice:b\n`, `alice:a\nalice:${hash}\n`],
    ["Windows line breaks", `alice:a\r\nbob:b\r\n`, `alice:${hash}\r\nbob:b\r\n`],
    ["further fields and blanks", `  alice:a:note\n`, `  alice:${hash}:note\n`],
    ["the user in a comment", `#alice:a\n`, `#alice:a\nalice:${hash}\n`],
    ["a longer name", `alice2:a\n`, `alice2:a\nalice:${hash}\n`],
  ] as const) {
    it(`with ${what} gets a user`, () => {
      expect(withUser(before, "alice", hash)).to.equal(after);
    });
  }

  it("loses all lines of a user, and nothing else", () => {
    expect(withoutUser("# a\nalice:1\nbob:2\n\nalice:3\n nonsense", "alice")).to.equal("# a\nbob:2\n\n nonsense");
    expect(withoutUser("#alice:1\nalice2:2\n", "alice")).to.equal(undefined);
  });

  it("means what was asked for, whatever stood there before", () => {
    const lines = fc.array(
      fc.constantFrom("alice:x", `alice:${otherHash}`, `bob:${otherHash}`, "# alice:", "", "junk", " alice:1:2"),
    );
    fc.assert(
      fc.property(lines, fc.constantFrom("\n", "\r\n"), fc.boolean(), (list, end, isOpen) => {
        const text = list.join(end) + (isOpen ? "" : end);
        const [before, after] = [parseHtpasswd(text).hashes, parseHtpasswd(withUser(text, "alice", hash)).hashes];
        expect(after.get("alice")).to.deep.equal({ kind: "bcrypt", encoded: hash, cost: 10 });
        expect(after.get("bob")).to.deep.equal(before.get("bob"));
        const removed = parseHtpasswd(withoutUser(withUser(text, "alice", hash), "alice") ?? "").hashes;
        expect([removed.has("alice"), removed.has("bob")]).to.deep.equal([false, before.has("bob")]);
      }),
    );
  });
});

describe("changing an htpasswd file", () => {
  let folder: TemporaryFolder;
  let path: string;

  beforeEach(() => {
    folder = makeTemporaryFolder("htpasswd");
    path = join(folder.path, "users");
  });

  afterEach(() => folder.remove());

  it("makes one that only its owner may read, in a new folder if need be", async () => {
    const nested = join(folder.path, "a/b/users");
    await changeHtpasswd(nested, (text) => `${text}x`, { makes: true });
    expect(readFileSync(nested, "utf8")).to.equal("x");
    expect(statSync(nested).mode & 0o777).to.equal(0o600);
    await expectError(
      changeHtpasswd(path, () => "x", { makes: false }),
      "unavailable",
    );
  });

  it("keeps the mode, and leaves nothing else behind", async () => {
    writeFileSync(path, "old");
    chmodSync(path, 0o640);
    await changeHtpasswd(path, (text) => `${text} new`, { makes: false });
    expect(readFileSync(path, "utf8")).to.equal("old new");
    expect(statSync(path).mode & 0o777).to.equal(0o640);
    expect(readdirSync(folder.path)).to.deep.equal(["users"]);
  });

  it("keeps the owner", async function () {
    requireRoot(this);
    writeFileSync(path, "old");
    chownSync(path, 1234, 5678);
    await changeHtpasswd(path, () => "new", { makes: false });
    expect(statSync(path)).to.include({ uid: 1234, gid: 5678 });
  });

  it("changes the file behind a link", async () => {
    const link = join(folder.path, "link");
    writeFileSync(path, "old");
    symlinkSync("users", link);
    await changeHtpasswd(link, () => "new", { makes: true });
    expect(readFileSync(path, "utf8")).to.equal("new");
    expect(readdirSync(folder.path).sort()).to.deep.equal(["link", "users"]);
  });

  it("leaves it as it was when the change fails, and free for the next one", async () => {
    writeFileSync(path, "old");
    const failing = changeHtpasswd(
      path,
      () => {
        throw new Error("no");
      },
      { makes: false },
    );
    await expectError(failing, "unavailable");
    expect(readFileSync(path, "utf8")).to.equal("old");
    await changeHtpasswd(path, () => "new", { makes: false });
    expect(readFileSync(path, "utf8")).to.equal("new");
  });

  it("lets one at a time, so that no change is lost", async () => {
    writeFileSync(path, "");
    const changes = Array.from({ length: 10 }, (_, i) =>
      changeHtpasswd(path, (text) => `${text}${i}\n`, { makes: false }),
    );
    const results = await Promise.allSettled(changes);
    const done = results.flatMap(({ status }, i) => (status === "fulfilled" ? [String(i)] : []));
    expect(done).to.not.be.empty;
    expect(readFileSync(path, "utf8").trim().split("\n")).to.have.members(done);
    writeFileSync(`${path}.lock`, "");
    const error = await expectError(
      changeHtpasswd(path, () => "", { makes: false }),
      "unavailable",
    );
    expect(error.message).to.match(/being changed by another command: if no other .* remove .*users\.lock/);
    expect(existsSync(`${path}.lock`)).to.equal(true);
  });
});
