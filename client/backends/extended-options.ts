/** `-o NAMESPACE.KEY=VALUE`: options of one kind of backend. */
import { CofferError } from "../../shared/errors.ts";

export type ExtendedOptions = ReadonlyMap<string, string>;

/** Understands the values of all `-o` flags. A key without `=` has an empty value. Throws `usage`. */
export function parseExtendedOptions(items: readonly string[]): Map<string, string> {
  const options = new Map<string, string>();
  for (const item of items) {
    const [name = "", ...value] = item.split("=");
    const key = name.trim().toLowerCase();
    if (key === "") throw new CofferError("usage", "empty key is not a valid option");
    const text = value.join("=").trim();
    if (options.has(key) && options.get(key) !== text) {
      throw new CofferError("usage", `key "${key}" present more than once`);
    }
    options.set(key, text);
  }
  return options;
}

/** What the backend of a namespace may be told. */
export interface NamespaceOptions {
  readonly connections: number | undefined;
}

/** Picks the options of one namespace; those of others are left alone. Throws `usage` for a key that it does not have. */
export function optionsOfNamespace(options: ExtendedOptions, namespace: string): NamespaceOptions {
  let connections: number | undefined;
  for (const [key, value] of options) {
    if (!key.startsWith(`${namespace}.`)) continue;
    if (key !== `${namespace}.connections`) throw new CofferError("usage", `option ${key} is not known`);
    connections = parseConnections(key, value);
  }
  return { connections };
}

function parseConnections(key: string, value: string): number {
  const connections = Number(value);
  if (!/^\d{1,4}$/.test(value) || connections < 1) {
    throw new CofferError("usage", `option ${key} expected a whole number from 1 to 9999, got "${value}"`);
  }
  return connections;
}
