/** A list of any length, page by page. */
import { CofferError } from "../../../shared/errors.ts";
import type { ListedObject, ListPage } from "./list-page.ts";

/**
 * The objects of all pages, of which one is held at a time. `load` gets the place where a page begins, none for the first one. The
 * prefix is for messages. Throws `unavailable`.
 */
export async function* listPages(
  prefix: string,
  load: (continuation: string | undefined) => Promise<ListPage>,
): AsyncIterable<readonly ListedObject[]> {
  let next: string | undefined;
  do {
    const from = next;
    const page = await load(from);
    next = page.continuation;
    if (next !== undefined && next === from) {
      throw new CofferError("unavailable", `cannot list ${JSON.stringify(prefix)}: the storage repeats a page`);
    }
    if (page.objects.length > 0) yield page.objects;
  } while (next !== undefined);
}
