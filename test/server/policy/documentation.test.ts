/** The examples of docs/policy.md are policies, and do what the text around them says. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { explain } from "../../../server/policy/explain.ts";
import { parsePolicy } from "../../../server/policy/parse-policy.ts";
import type { Policy } from "../../../server/policy/policy.ts";

const text = readFileSync(new URL("../../../docs/policy.md", import.meta.url), "utf8");

function examples(): string[] {
  return Array.from(text.matchAll(/^```yaml\n(.*?)^```$/gms), ([, example = ""]) => example);
}

describe("docs/policy.md", () => {
  let policies: readonly Policy[];

  before(async () => {
    policies = await Promise.all(examples().map((example) => parsePolicy(example, "example")));
  });

  function isAllowed(example: number, user: string, method: string, path: string, address: string): boolean {
    const policy = policies[example];
    if (policy === undefined) throw new Error(`there is no example ${example}`);
    return explain(policy, { user, method, path, address }).isAllowed;
  }

  it("has the examples that are tested here", () => {
    expect(policies).to.have.length(4);
  });

  const id = "0".repeat(64);
  for (const [example, user, method, path, address, expected] of [
    [0, "eve", "DELETE", `/eve/x/data/${id}`, "203.0.113.9", true],
    [0, "ada", "GET", `/ben/data/${id}`, "192.168.1.5", false],
    [0, "ada", "POST", `/photos/data/${id}`, "203.0.113.9", true],
    [0, "ada", "DELETE", `/photos/data/${id}`, "192.168.1.5", false],
    [0, "tablet", "GET", `/photos/data/${id}`, "192.168.1.5", true],
    [0, "tablet", "GET", `/photos/data/${id}`, "203.0.113.9", false],
    [0, "tablet", "POST", `/photos/data/${id}`, "192.168.1.5", false],
    [2, "phys-srv1", "POST", `/physics/phys-srv1/data/${id}`, "10.20.3.4", true],
    [2, "phys-srv1", "GET", `/physics/phys-srv1/data/${id}`, "10.20.3.4", false],
    [2, "phys-srv1", "POST", `/physics/phys-srv2/data/${id}`, "10.20.3.4", false],
    [2, "phys-srv1", "POST", `/physics/phys-srv1/data/${id}`, "10.30.3.4", false],
    [2, "curie", "POST", "/physics/new/?create=true", "10.30.3.4", true],
    [2, "curie", "GET", "/library/lib-catalog/config", "10.30.3.4", false],
    [2, "op-chen", "DELETE", `/library/lib-catalog/data/${id}`, "10.0.99.7", true],
    [2, "op-chen", "DELETE", `/library/lib-catalog/data/${id}`, "10.20.3.4", false],
    [3, "web", "POST", "/web/?create=true", "203.0.113.9", true],
    [3, "web", "DELETE", `/web/snapshots/${id}`, "203.0.113.9", false],
    [3, "prune", "DELETE", `/web/snapshots/${id}`, "192.0.2.10", true],
    [3, "prune", "DELETE", `/web/snapshots/${id}`, "192.0.2.11", false],
    [3, "prune", "POST", "/prune/?create=true", "192.0.2.10", false],
  ] as const) {
    it(`example ${example + 1}: ${method} ${path.replace(id, "ID")} as ${user} from ${address}`, () => {
      expect(isAllowed(example, user, method, path, address)).to.equal(expected);
    });
  }

  it("shows what explain prints", () => {
    const [policy] = policies;
    const [, shown = ""] = /^\$ coffer-server policy explain tablet .*?\n(.*?)^```$/ms.exec(text) ?? [];
    if (policy === undefined) throw new Error("there is no example");
    const question = { user: "tablet", method: "GET", path: "/photos/data/", address: "192.168.1.20" };
    expect(`${explain(policy, question).lines.join("\n")}\n`).to.equal(shown);
  });
});
