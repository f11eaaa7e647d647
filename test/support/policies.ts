/** Policies as plain data, for tests: made into real ones, and judged by a slow and obvious twin of the decision. */
import fc from "fast-check";
import { AddressRanges } from "../../server/network/address-ranges.ts";
import { parsePattern } from "../../server/policy/patterns.ts";
import type { Policy, Rule } from "../../server/policy/policy.ts";
import { allRights, type Operation, type Right } from "../../server/policy/rights.ts";
import { fileTypes } from "../../shared/format/layout.ts";

export interface PlainRule {
  readonly effect: "grant" | "deny";
  readonly rights: readonly Right[];
  readonly users: readonly string[];
  readonly patterns: readonly string[];
  /** Only from 10.0.0.0/8, or only from elsewhere. */
  readonly place?: "inside" | "outside" | undefined;
}

export const userNames = ["alice", "bob", "carol"] as const;
export const folderNames = ["alice", "bob", "Alice", "shared", "x"] as const;
export const insideAddress = "10.1.2.3";
export const outsideAddress = "192.0.2.1";

export function policyOf(rules: readonly PlainRule[]): Policy {
  return { rules: rules.map(ruleOf), quotas: [], refusal: "forbidden" };
}

function ruleOf({ effect, rights, users, patterns, place }: PlainRule, index: number): Rule {
  return {
    title: `rule ${index}`,
    effect,
    rights,
    users: users.includes("*") ? "everybody" : new Set(users),
    patterns: patterns.map(parsePattern),
    ...(place === undefined ? {} : { [place]: new AddressRanges(["10.0.0.0/8"]) }),
  };
}

const patternTexts = [
  "**",
  "/",
  "{user}",
  "{user}/**",
  "*",
  "*/*",
  "*/{user}",
  "shared",
  "shared/*",
  "alice/**",
  "bob/x",
];

export const plainRules: fc.Arbitrary<PlainRule[]> = fc.array(
  fc.record({
    effect: fc.constantFrom("grant" as const, "grant" as const, "deny" as const),
    rights: fc.subarray([...allRights], { minLength: 1 }),
    users: fc.subarray(["*", ...userNames], { minLength: 1, maxLength: 2 }),
    patterns: fc.subarray(patternTexts, { minLength: 1, maxLength: 2 }),
    place: fc.constantFrom(undefined, undefined, "inside" as const, "outside" as const),
  }),
  { maxLength: 6 },
);

export const folderLists: fc.Arbitrary<string[]> = fc.array(fc.constantFrom(...folderNames), { maxLength: 2 });

export const addresses: fc.Arbitrary<string | undefined> = fc.constantFrom(
  insideAddress,
  `::ffff:${insideAddress}`,
  outsideAddress,
  undefined,
);

export const allOperations: readonly Operation[] = [
  { action: "create" },
  { action: "inspect" },
  ...fileTypes.map((type) => ({ action: "list" as const, type })),
  ...(["stat", "read", "store", "remove"] as const).flatMap((action) =>
    (["config", ...fileTypes] as const).map((type) => ({ action, type })),
  ),
];

export interface PlainQuestion {
  readonly user: string;
  readonly address?: string | undefined;
  readonly folders: readonly string[];
  readonly operation: Operation;
}

/** What docs/policy.md promises, with one regular expression for each pattern and one table for the operations. */
export function twinAllows(rules: readonly PlainRule[], { user, address, folders, operation }: PlainQuestion): boolean {
  const holds = (rule: PlainRule): boolean => {
    if (!rule.users.includes("*") && !rule.users.includes(user)) return false;
    const path = folders.map((name) => `/${name}`).join("");
    const isFitting = rule.patterns.some((text) => expressionOf(text, user, rule.effect === "deny").test(path));
    if (!isFitting || rule.place === undefined) return isFitting;
    if (address === undefined) return rule.effect === "deny";
    return address.includes("10.1.2.3") === (rule.place === "inside");
  };
  const holding = rules.filter(holds);
  const has = (right: Right): boolean => {
    const relevant = holding.filter(({ rights }) => rights.includes(right)).map(({ effect }) => effect);
    return relevant.includes("grant") && !relevant.includes("deny");
  };
  const name = "type" in operation ? `${operation.action} ${operation.type}` : operation.action;
  if (/^(?:create|inspect|store config)$/.test(name)) return has("manage");
  if (/ locks$/.test(name)) return has("read") || has("append") || has("delete");
  if (name === "read data") return has("read");
  if (/^(?:stat|list|read) /.test(name)) return has("read") || has("append");
  return has(name.startsWith("store ") ? "append" : "delete");
}

function expressionOf(pattern: string, user: string, ignoresCase: boolean): RegExp {
  const segments = pattern.split("/").filter((segment) => segment !== "");
  const source = segments.map((segment) => {
    if (segment === "**") return "(?:/[^/]+)*";
    if (segment === "*") return "/[^/]+";
    return `/${segment === "{user}" ? user : segment}`;
  });
  return new RegExp(`^${source.join("")}$`, ignoresCase ? "i" : "");
}
