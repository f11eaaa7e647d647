/** Ids by their beginnings, as people type them. */
import { CofferError } from "../../shared/errors.ts";
import { type Id, isId } from "../../shared/format/layout.ts";

/** The one id that begins so; even one digit will do. Throws `not-found` or `ambiguous`. */
export function resolvePrefix(ids: Iterable<Id>, prefix: string): Id {
  let found: Id | undefined;
  for (const id of ids) {
    if (!id.startsWith(prefix) || id === found) continue;
    if (found !== undefined) throw new CofferError("ambiguous", `multiple IDs with prefix "${prefix}" found`);
    found = id;
  }
  if (found === undefined) throw new CofferError("not-found", `no matching ID found for prefix "${prefix}"`);
  return found;
}

/** The full id itself, or the one in the list that begins so. The list is asked for only when it is needed. */
export async function resolveId(text: string, list: () => Promise<Iterable<Id>>): Promise<Id> {
  return isId(text) ? text : resolvePrefix(await list(), text);
}
