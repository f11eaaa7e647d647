import { hash } from "@node-rs/bcrypt";
import { expect } from "chai";
import { parseBasicCredentials } from "../../../server/auth/basic-credentials.ts";
import { CredentialCache } from "../../../server/auth/credential-cache.ts";
import { parseHtpasswd } from "../../../server/auth/htpasswd.ts";
import { checkPassword } from "../../../server/auth/password-check.ts";

/** The SHA-1 of "password", as htpasswd -s writes it. */
const shaOfPassword = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=";
/** Written by Apache's htpasswd -B -C 5 for the password "myPassword". */
const bcryptHash = "$2y$05$c4WOFJK5Il2LRSmVLQPFhu8cN5TOzqVbGsGpT9nPNCj4dDpgHWq5W";

describe("htpasswd files", () => {
  it("are read as users and hashes", () => {
    const { hashes, highestCost, warnings } = parseHtpasswd(
      `# comment\n\n  alice:${shaOfPassword}\r\nbob:${bcryptHash}:ignored:fields\n  # comment\nübung.1_@-x:${shaOfPassword}`,
    );
    expect([...hashes.keys()]).to.deep.equal(["alice", "bob", "übung.1_@-x"]);
    expect(hashes.get("bob")).to.deep.equal({ kind: "bcrypt", encoded: bcryptHash, cost: 5 });
    expect(highestCost).to.equal(5);
    expect(warnings).to.deep.equal([]);
  });

  it("may be empty", () => {
    for (const text of ["", "\n", "# nobody\n"]) {
      expect(parseHtpasswd(text)).to.deep.equal({ hashes: new Map(), highestCost: 0, warnings: [] });
    }
  });

  for (const [what, line, warning] of [
    ["a line without a colon", "no colon", /line 1 .*no colon/],
    ["a name with a slash", `a/b:${shaOfPassword}`, /Ignoring invalid username "a\/b"/],
    ["an empty name", `:${shaOfPassword}`, /Ignoring invalid username ""/],
    ["a name with a blank", `a b:${shaOfPassword}`, /Ignoring invalid username "a b"/],
    [
      "Apache's MD5",
      "carol:$apr1$1x2y3z4a$abcdefghijklmnopqrstu1",
      /user "carol".*expected a hash of bcrypt or \{SHA\}/,
    ],
    ["crypt", "carol:rl0uE9kNkM9ks", /user "carol"/],
    ["SHA-512 crypt", "carol:$6$salt$hash", /user "carol"/],
    ["plain text", "carol:password", /user "carol"/],
    ["no hash", "carol:", /user "carol"/],
    ["bcrypt with a cost that it does not have", `carol:${bcryptHash.replace("$05$", "$32$")}`, /user "carol"/],
    ["a cut hash", `carol:${bcryptHash.slice(0, -1)}`, /user "carol"/],
  ] as const) {
    it(`lose only a line with ${what}`, () => {
      const { hashes, warnings } = parseHtpasswd(`${line}\nalice:${shaOfPassword}\n`);
      expect([...hashes.keys()]).to.deep.equal(["alice"]);
      expect(warnings).to.have.length(1);
      expect(warnings[0]).to.match(warning);
    });
  }

  it("count the last line of a user", async () => {
    const table = parseHtpasswd(`alice:${await hash("old", { cost: 4 })}\nalice:${shaOfPassword}\n`);
    expect(await checkPassword(table, "alice", Buffer.from("old"))).to.equal(false);
    expect(await checkPassword(table, "alice", Buffer.from("password"))).to.equal(true);
  });
});

describe("passwords", () => {
  for (const version of ["2a", "2b", "2y"] as const) {
    it(`are checked against bcrypt ${version}`, async () => {
      const table = parseHtpasswd(`alice:${await hash("pässword", { cost: 4, version })}\n`);
      expect(await checkPassword(table, "alice", Buffer.from("pässword"))).to.equal(true);
      for (const wrong of ["", "password", "pässword ", "Pässword"]) {
        expect(await checkPassword(table, "alice", Buffer.from(wrong))).to.equal(false);
      }
    });
  }

  it("are checked against SHA", async () => {
    const table = parseHtpasswd(`alice:${shaOfPassword}\n`);
    expect(await checkPassword(table, "alice", Buffer.from("password"))).to.equal(true);
    expect(await checkPassword(table, "alice", Buffer.from("Password"))).to.equal(false);
  });

  it("take as long to refuse for an unknown user, for a cheap hash, and for the most expensive one", async function () {
    this.timeout(60_000);
    const lines = await Promise.all([4, 7, 9].map(async (cost) => `bcrypt${cost}:${await hash("password", { cost })}`));
    const table = parseHtpasswd([...lines, `sha:${shaOfPassword}`].join("\n"));
    const users = ["bcrypt9", "bcrypt7", "bcrypt4", "sha", "unknown"];
    // Processor time, so that other programs do not count; the least of several, so that collecting garbage does not.
    const times = new Map(users.map((user) => [user, Number.POSITIVE_INFINITY]));
    for (let round = 0; round < 8; round++) {
      for (const user of users) {
        const before = process.cpuUsage();
        expect(await checkPassword(table, user, Buffer.from("wrong"))).to.equal(false);
        const { user: used } = process.cpuUsage(before);
        times.set(user, Math.min(times.get(user)!, used));
      }
    }
    const most = times.get("bcrypt9")!;
    for (const [user, time] of times) expect(time / most, user).to.be.within(0.6, 1.6);
  });
});

describe("Basic credentials", () => {
  const encode = (text: string): string => Buffer.from(text).toString("base64");

  for (const [header, user, password] of [
    [`Basic ${encode("alice:secret")}`, "alice", "secret"],
    [`bAsIc ${encode("alice:a:b:")}`, "alice", "a:b:"],
    [`Basic ${encode("ümlaut:pässword")}`, "ümlaut", "pässword"],
    ["Basic Og==", "", ""],
  ] as const) {
    it(`are found in ${header}`, () => {
      const credentials = parseBasicCredentials(header);
      expect(credentials?.user).to.equal(user);
      expect(Buffer.from(credentials?.password ?? []).toString()).to.equal(password);
    });
  }

  for (const header of [
    undefined,
    "",
    "Basic",
    "Basic ",
    "Bearer x",
    `Basic ${encode("no colon")}`,
    "Basic a",
    "Basic YWxpY2U6c2VjcmV0!",
    "Basic YWxpY2U6c2VjcmV0=",
    `Basic${encode("a:b")}`,
    `Basic ${encode("a:b")} x`,
  ]) {
    it(`are not found in ${header}`, () => {
      expect(parseBasicCredentials(header)).to.equal(undefined);
    });
  }
});

describe("CredentialCache", () => {
  let nowMs: number;
  let cache: CredentialCache;

  beforeEach(() => {
    nowMs = 1000;
    cache = new CredentialCache(60_000, () => nowMs);
  });

  it("knows what was added until a minute after its last use", () => {
    const key = cache.keyOf("alice", Buffer.from("secret"));
    expect(cache.has(key)).to.equal(false);
    cache.add(key);
    for (let i = 0; i < 5; i++) {
      nowMs += 59_999;
      expect(cache.has(key)).to.equal(true);
    }
    nowMs += 60_000;
    expect(cache.has(key)).to.equal(false);
    nowMs -= 60_000;
    expect(cache.has(key)).to.equal(false);
  });

  it("keeps users and passwords apart", () => {
    const keys = [
      ["a", "bc"],
      ["ab", "c"],
      ["a", "b"],
      ["", "abc"],
      // Clients may send a NUL, and digits and colons in front.
      ["alice", "x\0y"],
      ["alice\0x", "y"],
      ["1", "1:a"],
      ["11", ":a"],
      ["", "1:1:a"],
      ["m\u00fc", "x"],
      ["m", "\u00fcx"],
    ].map(([user, password]) => cache.keyOf(user!, Buffer.from(password!)));
    expect(new Set(keys).size).to.equal(keys.length);
  });

  it("forgets what was not used for longest when it is full, and everything when told to", () => {
    const key = (i: number): string => cache.keyOf(`user${i}`, Buffer.from("x"));
    for (let i = 0; i < 1000; i++) cache.add(key(i));
    expect(cache.has(key(0))).to.equal(true);
    cache.add(key(1000));
    expect(cache.has(key(1))).to.equal(false);
    expect(cache.has(key(0))).to.equal(true);
    cache.clear();
    expect(cache.has(key(0))).to.equal(false);
  });

  it("makes keys that mean nothing in another process", () => {
    const other = new CredentialCache(60_000, () => nowMs);
    expect(other.keyOf("alice", Buffer.from("x"))).to.not.equal(cache.keyOf("alice", Buffer.from("x")));
  });
});
