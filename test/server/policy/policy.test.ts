/** The decision: no order of rules ever gives more than was granted, and no rule that is taken away ever gives anything. */
import { expect } from "chai";
import fc from "fast-check";
import { policyOfFlags } from "../../../server/policy/flags-policy.ts";
import { accessTo, decide, rightsIn } from "../../../server/policy/policy.ts";
import { allRights, describeOperation, type Operation, rightsFor } from "../../../server/policy/rights.ts";
import {
  addresses,
  allOperations,
  folderLists,
  insideAddress,
  outsideAddress,
  type PlainRule,
  plainRules,
  policyOf,
  twinAllows,
  userNames,
} from "../../support/policies.ts";

const subjects = fc.record({
  user: fc.constantFrom("", ...userNames),
  address: addresses,
  folders: folderLists,
});

function allowedWith(rules: readonly PlainRule[], subject: Omit<Parameters<typeof decide>[1], "operation">): string[] {
  const policy = policyOf(rules);
  return allOperations.filter((operation) => decide(policy, { ...subject, operation }).allowed).map(describeOperation);
}

describe("decide", () => {
  it("says what its twin says, for every operation", () => {
    fc.assert(
      fc.property(plainRules, subjects, (rules, subject) => {
        const expected = allOperations.filter((operation) => twinAllows(rules, { ...subject, operation }));
        expect(allowedWith(rules, subject)).to.deep.equal(expected.map(describeOperation));
      }),
      { numRuns: 2000 },
    );
  });

  it("does not depend on the order of the rules", () => {
    const shuffled = plainRules.chain((rules) =>
      fc.tuple(fc.constant(rules), fc.shuffledSubarray(rules, { minLength: rules.length })),
    );
    fc.assert(
      fc.property(shuffled, subjects, ([rules, others], subject) => {
        expect(allowedWith(others, subject)).to.deep.equal(allowedWith(rules, subject));
      }),
    );
  });

  it("never allows more when a grant is taken away or a denial added", () => {
    fc.assert(
      fc.property(plainRules, plainRules, subjects, fc.nat(), (rules, added, subject, place) => {
        const before = allowedWith(rules, subject);
        const index = rules.length === 0 ? 0 : place % rules.length;
        const without = rules.filter((rule, i) => i !== index || rule.effect === "deny");
        expect(before).to.include.members(allowedWith(without, subject));
        const denials = added.filter(({ effect }) => effect === "deny");
        expect(before).to.include.members(allowedWith([...denials, ...rules], subject));
      }),
    );
  });

  it("allows nothing without rules, and names the rule whenever there is one", () => {
    fc.assert(
      fc.property(plainRules, subjects, fc.constantFrom(...allOperations), (rules, subject, operation) => {
        expect(decide(policyOf([]), { ...subject, operation })).to.deep.include({ allowed: false });
        const policy = policyOf(rules);
        const { allowed, rule, reason } = decide(policy, { ...subject, operation });
        if (allowed) expect(rule?.effect).to.equal("grant");
        else expect(rule?.effect).to.be.oneOf([undefined, "deny"]);
        if (rule !== undefined) expect(reason).to.include(rule.title);
        const alone = decide(
          { ...policy, rules: policy.rules.filter((each) => each === rule) },
          { ...subject, operation },
        );
        if (allowed) expect(alone.allowed, "a grant that is named is enough by itself").to.equal(true);
      }),
    );
  });

  it("says when only the address is wrong", () => {
    const policy = policyOf([{ effect: "grant", rights: ["read"], users: ["*"], patterns: ["**"], place: "inside" }]);
    const question = { user: "alice", folders: [], operation: { action: "read", type: "data" } as const };
    expect(decide(policy, { ...question, address: insideAddress }).allowed).to.equal(true);
    for (const address of [outsideAddress, undefined, "unix"]) {
      const { allowed, reason } = decide(policy, { ...question, address });
      expect(allowed).to.equal(false);
      expect(reason).to.match(/from this address \(rule 0: not from here\)$/);
    }
  });

  it("takes an address that is not known for one from which things are denied", () => {
    const grant: PlainRule = { effect: "grant", rights: allRights, users: ["*"], patterns: ["**"] };
    for (const place of ["inside", "outside"] as const) {
      const policy = policyOf([grant, { effect: "deny", rights: ["delete"], users: ["*"], patterns: ["**"], place }]);
      const rights = rightsIn(accessTo(policy, { user: "alice", folders: [], address: "/run/proxy.sock" }));
      expect(rights).to.deep.equal(["read", "append", "manage"]);
    }
  });

  it("needs at least one right for everything", () => {
    for (const operation of allOperations) expect(rightsFor(operation), describeOperation(operation)).to.not.be.empty;
  });
});

describe("the policy of the flags", () => {
  const remove: Operation = { action: "remove", type: "data" };

  it("gives everybody everything", () => {
    const policy = policyOfFlags({ appendOnly: false, privateRepositories: false });
    for (const operation of allOperations) {
      for (const user of ["", "alice"])
        expect(decide(policy, { user, folders: ["bob"], operation }).allowed).to.equal(true);
    }
  });

  it("is append-only but for locks", () => {
    const policy = policyOfFlags({ appendOnly: true, privateRepositories: false });
    const refused = allOperations.filter((operation) => !decide(policy, { user: "", folders: [], operation }).allowed);
    expect(refused.map(describeOperation)).to.have.members(
      ["config", "data", "keys", "snapshots", "index"].map((type) => `remove ${type}`),
    );
  });

  it("keeps private repositories private", () => {
    const policy = policyOfFlags({ appendOnly: false, privateRepositories: true });
    const mayRemove = (user: string, ...folders: string[]): boolean =>
      decide(policy, { user, folders, operation: remove }).allowed;
    expect(mayRemove("alice", "alice")).to.equal(true);
    expect(mayRemove("alice", "alice", "x")).to.equal(true);
    for (const folders of [[], ["bob"], ["Alice"], ["bob", "alice"]])
      expect(mayRemove("alice", ...folders)).to.equal(false);
    expect(mayRemove("")).to.equal(false);
    expect(policy.refusal).to.equal("unauthorized");
  });
});
