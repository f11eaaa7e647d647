/**
 * The policy of a server, and the decision about one operation: a pure function. Grants add up and whatever is denied is taken
 * away from their sum, so the order of the rules never matters; what no rule grants is refused.
 */
import type { AddressRanges } from "../network/address-ranges.ts";
import { isAddress } from "../network/ip-address.ts";
import { fits, fitsBroadly, type RepositoryPattern } from "./patterns.ts";
import { allRights, describeOperation, type Operation, type Right, rightsFor } from "./rights.ts";

export interface Rule {
  /** How messages name it: its name and its line. */
  readonly title: string;
  readonly effect: "grant" | "deny";
  readonly rights: readonly Right[];
  /** Names of users; "everybody" has the user without a name as well. */
  readonly users: ReadonlySet<string> | "everybody";
  readonly patterns: readonly RepositoryPattern[];
  /** The rule holds only for addresses in these ranges. */
  readonly inside?: AddressRanges;
  /** The rule holds only for addresses in none of these ranges. */
  readonly outside?: AddressRanges;
}

/** A limit on what repositories hold, whoever stores it. */
export interface QuotaRule {
  readonly title: string;
  readonly patterns: readonly RepositoryPattern[];
  /** Whose repositories these are. Absent: of whomever `{user}` stands for in the patterns. */
  readonly users?: ReadonlySet<string>;
  readonly repositoryBytes?: number;
  /** For all repositories of a user together. */
  readonly userBytes?: number;
}

export interface Policy {
  readonly rules: readonly Rule[];
  readonly quotas: readonly QuotaRule[];
  /** What somebody without any right to a repository is told: that they may not, or that they should log in as somebody else. */
  readonly refusal: "forbidden" | "unauthorized";
}

/** Where a policy comes from. It may be another one from request to request. */
export interface PolicySource {
  current(): Policy | Promise<Policy>;
}

/** Who asks, from where, and for which repository. */
export interface Subject {
  /** Empty when nobody has to say who they are. */
  readonly user: string;
  /** Absent when it is not known, as for connections over a socket file. */
  readonly address?: string | undefined;
  readonly folders: readonly string[];
}

type RuleOfRight = Partial<Readonly<Record<Right, Rule>>>;

/** What the rules say about a subject: each right with the first rule that grants it, and with the first that denies it. */
export interface Access {
  readonly granted: RuleOfRight;
  readonly denied: RuleOfRight;
  /** Grants that only the address keeps from holding: for explanations. */
  readonly elsewhere: readonly Rule[];
}

export interface Decision {
  readonly allowed: boolean;
  /** The rule that decides; absent when no rule grants anything. */
  readonly rule?: Rule;
  readonly reason: string;
}

export function accessTo(policy: Policy, subject: Subject): Access {
  const granted: Partial<Record<Right, Rule>> = {};
  const denied: Partial<Record<Right, Rule>> = {};
  const elsewhere: Rule[] = [];
  for (const rule of policy.rules) {
    if (!isAbout(rule, subject)) continue;
    if (!holdsAt(rule, subject.address)) {
      if (rule.effect === "grant") elsewhere.push(rule);
      continue;
    }
    const found = rule.effect === "grant" ? granted : denied;
    for (const right of rule.rights) found[right] ??= rule;
  }
  return { granted, denied, elsewhere };
}

function isAbout(rule: Rule, { user, folders }: Subject): boolean {
  if (rule.users !== "everybody" && !rule.users.has(user)) return false;
  const doesFit = rule.effect === "grant" ? fits : fitsBroadly;
  return rule.patterns.some((pattern) => doesFit(pattern, folders, user));
}

/** Where somebody is whose address is not known: not where something is granted, but wherever something is denied. */
function holdsAt({ effect, inside, outside }: Rule, address: string | undefined): boolean {
  if (inside === undefined && outside === undefined) return true;
  if (address === undefined || !isAddress(address)) return effect === "deny";
  return (inside === undefined || inside.has(address)) && (outside === undefined || !outside.has(address));
}

/** The rights that are granted and not denied. */
export function rightsIn({ granted, denied }: Access): readonly Right[] {
  return allRights.filter((right) => granted[right] !== undefined && denied[right] === undefined);
}

export function decideOn(access: Access, operation: Operation): Decision {
  const needed = rightsFor(operation);
  const { granted, denied } = access;
  for (const right of needed) {
    const rule = granted[right];
    if (rule !== undefined && denied[right] === undefined) {
      return { allowed: true, rule, reason: `${rule.title} grants "${right}"` };
    }
  }
  const what = `${describeOperation(operation)} needs ${needed.map((right) => `"${right}"`).join(" or ")}`;
  for (const right of needed) {
    const rule = granted[right] === undefined ? undefined : denied[right];
    if (rule !== undefined) return { allowed: false, rule, reason: `${what}; ${rule.title} denies it` };
  }
  return { allowed: false, reason: `${what}, which no rule grants${describeElsewhere(access.elsewhere)}` };
}

function describeElsewhere(rules: readonly Rule[]): string {
  if (rules.length === 0) return "";
  return ` from this address (${rules.map(({ title }) => title).join(", ")}: not from here)`;
}

/** May this subject do this? */
export function decide(policy: Policy, { operation, ...subject }: Subject & { operation: Operation }): Decision {
  return decideOn(accessTo(policy, subject), operation);
}
