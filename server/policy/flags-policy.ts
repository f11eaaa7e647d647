/** The policy that rest-server's flags stand for. */
import { parsePattern } from "./patterns.ts";
import type { Policy, PolicySource, Rule } from "./policy.ts";
import { allRights } from "./rights.ts";

export interface PolicyFlags {
  readonly appendOnly: boolean;
  readonly privateRepositories: boolean;
}

/** Everybody has everything, or what is below the folder of their name, without deletion if the server is append-only. */
export function policyOfFlags({ appendOnly, privateRepositories }: PolicyFlags): Policy {
  const grant: Rule = {
    title: privateRepositories ? "--private-repos" : "the default without --private-repos",
    effect: "grant",
    rights: allRights,
    users: "everybody",
    patterns: [parsePattern(privateRepositories ? "{user}/**" : "**")],
  };
  const deny: Rule = {
    title: "--append-only",
    effect: "deny",
    rights: ["delete"],
    users: "everybody",
    patterns: [parsePattern("**")],
  };
  return { rules: appendOnly ? [grant, deny] : [grant], quotas: [], refusal: "unauthorized" };
}

/** A policy that never changes. */
export function fixedPolicy(policy: Policy): PolicySource {
  return { current: () => policy };
}
