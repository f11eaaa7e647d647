/** The policy file: from text to rules. Source: docs/policy.md. */
import { CofferError } from "../../shared/errors.ts";
import { AddressRanges } from "../network/address-ranges.ts";
import { parseSize } from "../sizes.ts";
import { parsePattern, type RepositoryPattern } from "./patterns.ts";
import type { Policy, QuotaRule, Rule } from "./policy.ts";
import { accessLevels, allRights, type Right } from "./rights.ts";
import { YamlReader, type YamlValue } from "./yaml-reader.ts";

const ruleFields = [
  "name",
  "users",
  "groups",
  "repositories",
  "addresses",
  "except-addresses",
  "access",
  "rights",
  "deny",
] as const;
const quotaFields = ["name", "users", "groups", "repositories", "per-repository", "per-user"] as const;

type RuleFields = Partial<Record<(typeof ruleFields)[number], YamlValue>>;
type QuotaFields = Partial<Record<(typeof quotaFields)[number], YamlValue>>;

/** Throws `usage` with a line for each problem: "FILE:LINE: FIELD: MESSAGE". */
export async function parsePolicy(text: string, fileName: string): Promise<Policy> {
  const reader = await YamlReader.open(text);
  const policy = reader.problems.length > 0 ? undefined : new PolicyParser(reader).parse();
  if (policy !== undefined && reader.problems.length === 0) return policy;
  const lines = reader.problems.map(
    ({ line, field, message }) => `${fileName}:${line}: ${field === "" ? "" : `${field}: `}${message}`,
  );
  throw new CofferError("usage", lines.join("\n"), { data: { problems: reader.problems } });
}

class PolicyParser {
  readonly #reader: YamlReader;
  #groups: ReadonlyMap<string, readonly string[]> = new Map();

  constructor(reader: YamlReader) {
    this.#reader = reader;
  }

  parse(): Policy | undefined {
    const root = this.#reader.root();
    const fields = this.#reader.fields(root, ["groups", "rules", "quotas"]);
    if (fields === undefined) return undefined;
    if (fields.groups !== undefined) this.#groups = this.#parseGroups(fields.groups);
    // A file that was cut off must not count as a policy that grants nothing.
    if (fields.rules === undefined) this.#reader.report(root, 'expected the field "rules"');
    const rules = fields.rules === undefined ? [] : this.#reader.items(fields.rules);
    const quotas = fields.quotas === undefined ? [] : this.#reader.items(fields.quotas);
    return {
      rules: rules.flatMap((rule) => this.#parseRule(rule) ?? []),
      quotas: quotas.flatMap((quota) => this.#parseQuota(quota) ?? []),
      refusal: "forbidden",
    };
  }

  #parseGroups(value: YamlValue): Map<string, readonly string[]> {
    const groups = new Map<string, readonly string[]>();
    for (const [name, members] of this.#reader.entries(value) ?? []) {
      const names = this.#reader.texts(members).flatMap((member) => this.#parseUser(member.text, member.value) ?? []);
      groups.set(name, names);
    }
    return groups;
  }

  #parseRule(value: YamlValue): Rule | undefined {
    const fields = this.#reader.fields(value, ruleFields);
    if (fields === undefined) return undefined;
    const rights = this.#parseRights(value, fields);
    const users = this.#parseUsers(value, fields);
    const patterns = this.#parsePatterns(value, fields);
    const inside = this.#parseAddresses(fields.addresses);
    const outside = this.#parseAddresses(fields["except-addresses"]);
    return {
      title: this.#titleOf(value, fields.name),
      effect: fields.deny === undefined ? "grant" : "deny",
      rights,
      users: users ?? new Set(),
      patterns,
      ...(inside === undefined ? {} : { inside }),
      ...(outside === undefined ? {} : { outside }),
    };
  }

  #parseRights(value: YamlValue, fields: RuleFields): readonly Right[] {
    const given = [fields.access, fields.rights, fields.deny].filter((field) => field !== undefined);
    if (given.length !== 1) {
      this.#reader.report(value, 'expected one of the fields "access", "rights" and "deny"');
      return [];
    }
    if (fields.access !== undefined) return this.#parseLevel(fields.access);
    const list = fields.rights ?? fields.deny;
    const texts = list === undefined ? [] : this.#reader.texts(list);
    if (fields.deny !== undefined && texts.length === 1 && texts[0]?.text === "all") return allRights;
    return texts.flatMap(({ text, value: place }) => {
      const right = allRights.find((known) => known === text);
      if (right !== undefined) return [right];
      const all = fields.deny === undefined ? "" : ' (or "all" alone)';
      this.#reader.report(place, `expected ${allRights.join(", ")}${all}, got ${JSON.stringify(text)}`);
      return [];
    });
  }

  #parseLevel(value: YamlValue): readonly Right[] {
    const text = this.#reader.text(value);
    if (text === undefined) return [];
    const rights = accessLevels.get(text);
    if (rights !== undefined) return rights;
    this.#reader.report(value, `expected ${[...accessLevels.keys()].join(", ")}, got ${JSON.stringify(text)}`);
    return [];
  }

  /** Undefined when nobody is named. */
  #parseUsers(value: YamlValue, { users, groups }: RuleFields | QuotaFields): Rule["users"] | undefined {
    const texts = users === undefined ? [] : this.#reader.texts(users);
    const named = texts.filter(({ text }) => text !== "*");
    const names = new Set([
      ...named.flatMap(({ text, value: place }) => this.#parseUser(text, place) ?? []),
      ...(groups === undefined ? [] : this.#reader.texts(groups)).flatMap(({ text, value: place }) => {
        return this.#membersOf(text, place);
      }),
    ]);
    if (named.length < texts.length) return "everybody";
    if (users !== undefined || groups !== undefined) return names;
    if (!this.#isQuota(value)) this.#reader.report(value, 'expected the field "users" or "groups"');
    return undefined;
  }

  #membersOf(group: string, place: YamlValue): readonly string[] {
    const members = this.#groups.get(group);
    if (members !== undefined) return members;
    this.#reader.report(place, `no group has the name ${JSON.stringify(group)}: groups are listed under "groups"`);
    return [];
  }

  #isQuota(value: YamlValue): boolean {
    return value.field.startsWith("quotas");
  }

  /** A list of one, or undefined for what looks like a pattern: names are taken as they are. */
  #parseUser(text: string, place: YamlValue): readonly [string] | undefined {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    if (!/[*{}\x00-\x1f\x7f]/.test(text)) return [text];
    this.#reader.report(
      place,
      `expected the whole name of a user, or "*" alone for everybody, got ${JSON.stringify(text)}`,
    );
    return undefined;
  }

  #parsePatterns(value: YamlValue, { repositories }: RuleFields | QuotaFields): readonly RepositoryPattern[] {
    if (repositories === undefined) {
      this.#reader.report(value, 'expected the field "repositories"');
      return [];
    }
    return this.#reader.texts(repositories).flatMap(({ text, value: place }) => {
      return this.#reader.parsed(place, text, parsePattern) ?? [];
    });
  }

  #parseAddresses(value: YamlValue | undefined): AddressRanges | undefined {
    if (value === undefined) return undefined;
    const texts = this.#reader.texts(value).flatMap(({ text, value: place }) => {
      return this.#reader.parsed(place, text, (range) => new AddressRanges([range])) === undefined ? [] : [text];
    });
    return new AddressRanges(texts);
  }

  #parseQuota(value: YamlValue): QuotaRule | undefined {
    const fields = this.#reader.fields(value, quotaFields);
    if (fields === undefined) return undefined;
    const users = this.#parseUsers(value, fields);
    const patterns = this.#parsePatterns(value, fields);
    const repositoryBytes = this.#parseBytes(fields["per-repository"]);
    const userBytes = this.#parseBytes(fields["per-user"]);
    if (fields["per-repository"] === undefined && fields["per-user"] === undefined) {
      this.#reader.report(value, 'expected the field "per-repository" or "per-user"');
    }
    const isOwned = users instanceof Set || patterns.every(({ hasUser }) => hasUser);
    if (fields["per-user"] !== undefined && !isOwned) {
      this.#reader.report(fields["per-user"], 'expected "users" or "groups" by name, or {user} in each repository');
    }
    return {
      title: this.#titleOf(value, fields.name),
      patterns,
      ...(users instanceof Set ? { users } : {}),
      ...(repositoryBytes === undefined ? {} : { repositoryBytes }),
      ...(userBytes === undefined ? {} : { userBytes }),
    };
  }

  #parseBytes(value: YamlValue | undefined): number | undefined {
    const text = value === undefined ? undefined : this.#reader.text(value);
    return value === undefined || text === undefined ? undefined : this.#reader.parsed(value, text, parseSize);
  }

  #titleOf(value: YamlValue, name: YamlValue | undefined): string {
    const text = name === undefined ? undefined : this.#reader.text(name);
    const kind = this.#isQuota(value) ? "quota" : "rule";
    return text === undefined
      ? `the ${kind} in line ${value.line}`
      : `${kind} ${JSON.stringify(text)} (line ${value.line})`;
  }
}
