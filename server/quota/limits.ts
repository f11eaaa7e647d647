/** Which limits a repository counts for. A limit is about places, never about who writes: so a new start counts as the old one did. */
import { fits } from "../policy/patterns.ts";
import type { QuotaRule } from "../policy/policy.ts";

/** A limit for the sum of some repositories. */
export interface QuotaScope {
  /** Repositories with the same key count together. */
  readonly key: string;
  readonly limitBytes: number;
  /** For messages: what has the limit, and where the limit comes from. */
  readonly title: string;
}

/** The scopes of a repository. Of what belongs to none (undefined), only those for the whole server. */
export type QuotaLimits = (folders: readonly string[] | undefined) => readonly QuotaScope[];

/** The limits of `--max-size` (absent: none) and of the policy. */
export function quotaLimits(maximumBytes: number | undefined, quotas: readonly QuotaRule[]): QuotaLimits {
  const server: readonly QuotaScope[] =
    maximumBytes === undefined ? [] : [{ key: "server", limitBytes: maximumBytes, title: "the server (--max-size)" }];
  return (folders) => {
    return folders === undefined ? server : [...server, ...quotas.flatMap((quota, i) => scopesOf(quota, i, folders))];
  };
}

function scopesOf(quota: QuotaRule, index: number, folders: readonly string[]): QuotaScope[] {
  const owners = ownersOf(quota, folders);
  if (owners === undefined) return [];
  const scopes: QuotaScope[] = [];
  const { repositoryBytes, userBytes, title } = quota;
  if (repositoryBytes !== undefined) {
    const repository = folders.join("/");
    const key = JSON.stringify([index, "repository", repository]);
    scopes.push({ key, limitBytes: repositoryBytes, title: `repository ${JSON.stringify(repository)} (${title})` });
  }
  if (userBytes !== undefined) {
    for (const owner of owners) {
      const key = JSON.stringify([index, "user", owner]);
      scopes.push({ key, limitBytes: userBytes, title: `user ${JSON.stringify(owner)} (${title})` });
    }
  }
  return scopes;
}

/** Whose repository this is by the quota's patterns; none for a place without an owner; undefined for one the quota is not about. */
function ownersOf({ patterns, users }: QuotaRule, folders: readonly string[]): ReadonlySet<string> | undefined {
  // A user's name stands for the name of a folder, so there are no other candidates.
  const named = folders.filter((name) => users === undefined || users.has(name));
  const owners = patterns.flatMap((pattern) => {
    if (pattern.hasUser) return named.filter((name) => fits(pattern, folders, name));
    return fits(pattern, folders, "") ? [...(users ?? [])] : [];
  });
  const isAbout = owners.length > 0 || patterns.some((pattern) => !pattern.hasUser && fits(pattern, folders, ""));
  return isAbout ? new Set(owners) : undefined;
}
