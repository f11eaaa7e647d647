import { expect } from "chai";
import { parsePolicy } from "../../../server/policy/parse-policy.ts";
import { hasErrorCode } from "../../../shared/errors.ts";

async function problemsOf(text: string): Promise<string[]> {
  try {
    await parsePolicy(text, "p.yaml");
  } catch (error) {
    if (hasErrorCode(error, "usage")) return error.message.split("\n");
    throw error;
  }
  throw new Error("expected problems");
}

describe("the policy file", () => {
  it("says who may do what where", async () => {
    const { rules, quotas, refusal } = await parsePolicy(
      `
groups:
  staff: [alice, bob@example.org]
  night: 1234
rules:
  - name: own
    users: "*"
    repositories: "{user}/**"
    access: full
  - users: carol
    groups: [staff, night]
    repositories:
      - shared
      - /shared/*/
    rights: [read, append]
    addresses: [10.0.0.0/8, "::1"]
  - users: [null, "true", 0x10]
    repositories: /
    deny: all
    except-addresses: 192.168.0.0/16
quotas:
  - name: home
    repositories: "{user}/**"
    per-user: 1TB
    per-repository: 500GiB
  - groups: staff
    repositories: shared
    per-user: 10
`,
      "p.yaml",
    );
    expect(refusal).to.equal("forbidden");
    const [own, shared, root] = rules;
    expect(own).to.deep.include({ title: 'rule "own" (line 6)', effect: "grant", users: "everybody" });
    expect(own?.rights).to.deep.equal(["read", "append", "delete", "manage"]);
    expect(shared?.title).to.equal("the rule in line 10");
    expect([...(shared?.users ?? [])]).to.deep.equal(["carol", "alice", "bob@example.org", "1234"]);
    expect(shared?.patterns.map(({ text }) => text)).to.deep.equal(["shared", "/shared/*/"]);
    expect(shared?.rights).to.deep.equal(["read", "append"]);
    expect(shared?.inside?.texts).to.deep.equal(["10.0.0.0/8", "::1"]);
    expect([...(root?.users ?? [])]).to.deep.equal(["null", "true", "0x10"]);
    expect(root).to.include({ effect: "deny" });
    expect(root?.outside?.texts).to.deep.equal(["192.168.0.0/16"]);
    expect(quotas.map(({ title, userBytes, repositoryBytes }) => [title, userBytes, repositoryBytes])).to.deep.equal([
      ['quota "home" (line 22)', 1e12, 500 * 2 ** 30],
      ["the quota in line 26", 10, undefined],
    ]);
  });

  for (const [level, rights] of [
    ["read-only", ["read"]],
    ["write-only", ["append"]],
    ["append-only", ["read", "append"]],
    ["full", ["read", "append", "delete", "manage"]],
  ] as const) {
    it(`knows the access ${level}`, async () => {
      const text = `rules: [{users: a, repositories: x, access: ${level}}]`;
      expect((await parsePolicy(text, "p")).rules[0]?.rights).to.deep.equal(rights);
    });
  }

  it("takes anchors and aliases, JSON, and no rules at all", async () => {
    const aliased =
      "rules:\n  - {users: &who [a, b], repositories: x, access: full}\n  - {users: *who, repositories: y, access: full}\n";
    expect([...((await parsePolicy(aliased, "p")).rules[1]?.users ?? [])]).to.deep.equal(["a", "b"]);
    expect((await parsePolicy('{"rules": []}', "p")).rules).to.deep.equal([]);
  });

  it("names every mistake with file, line and field", async () => {
    const text = `groups:
  staff: [al*ce, bob]
rules:
  - users: "*"
    repositories: ["a/b/c", "x*",
      "data"]
    access: rw
    colour: 3
  - repositories: x
    rights: [reed]
    deny: all
    addresses: [1.2.3.4/33]
  - groups: [nobody]
    users:
    repositories: []
    rights: [reed]
quotas:
  - repositories: "**"
    per-user: 5 gigs
  - {}
  - text
`;
    const problems = await problemsOf(text);
    const places = problems.map((line) => /^p\.yaml:(\d+): ([^:]+): /.exec(line)?.slice(1, 3).join(" "));
    expect(places).to.have.members([
      "2 groups.staff[1]",
      "8 rules[1].colour",
      "7 rules[1].access",
      "5 rules[1].repositories[1]",
      "5 rules[1].repositories[2]",
      "6 rules[1].repositories[3]",
      "9 rules[2]",
      "9 rules[2]",
      "12 rules[2].addresses[1]",
      "14 rules[3].users",
      "13 rules[3].groups[1]",
      "15 rules[3].repositories",
      "16 rules[3].rights[1]",
      "19 quotas[1].per-user",
      "19 quotas[1].per-user",
      "20 quotas[2]",
      "20 quotas[2]",
      "21 quotas[3]",
    ]);
    expect(problems.join("\n")).to.match(/colour: unknown field: there are name, users/);
  });

  for (const [what, text, message] of [
    ["an empty file", "", /^p\.yaml:1: expected fields with values, got nothing$/],
    ["one that was cut off before its rules", "groups: {a: b}\n", /^p\.yaml:1: expected the field "rules"$/],
    ["rules that are no list", "rules: {}", /^p\.yaml:1: rules: expected a list, got fields with values$/],
    ["a field twice", "rules: []\nrules: []\n", /^p\.yaml:2: Map keys must be unique$/],
    ["broken YAML", 'rules:\n  - users: ["a\n', /^p\.yaml:\d+: /],
    ["two documents", "rules: []\n---\nrules: []\n", /^p\.yaml:\d: .*multiple documents/],
    ["an unknown field", "rules: []\nrule: []\n", /^p\.yaml:2: rule: unknown field: there are groups, rules, quotas$/],
    ["merge keys", "rules: [{<<: {users: a}, repositories: x, access: full}]", /unknown field/],
    ["a pattern for users", 'rules: [{users: "a*", repositories: x, access: full}]', /the whole name of a user/],
    [
      "an unknown alias",
      "rules: [{users: *who, repositories: x, access: full}]",
      /rules\[1\]\.users: expected a list, got nothing/,
    ],
  ] as const) {
    it(`refuses ${what}`, async () => {
      expect((await problemsOf(text)).join("\n")).to.match(message);
    });
  }
});
