/** What a bucket holds below a prefix, for the accounting. */
import type { StoredUsage } from "../storage.ts";
import { usageOf } from "../usage-place.ts";
import type { Bucket } from "./bucket.ts";
import { isOwnKey } from "./keys.ts";
import type { ListedObject } from "./list-page.ts";
import { listPages } from "./list-pages.ts";

/**
 * The sizes of all objects, in the order of their keys, but for the server's own. An object that comes or goes meanwhile may be there or not.
 * Old versions in a bucket that keeps them are not listed. Throws `unavailable`.
 */
export async function* measureBucket(bucket: Bucket, prefix: string): AsyncIterable<StoredUsage> {
  for await (const objects of listPages(prefix, (from) => bucket.list(prefix, from))) {
    for (const object of objects) if (!isOwnKey(prefix, object.key)) yield usageOfObject(prefix, object);
  }
}

function usageOfObject(prefix: string, { key, sizeBytes }: ListedObject): StoredUsage {
  const names = key.slice(prefix.length).split("/");
  if (names.at(-1) !== "config") names.pop();
  return usageOf(names, sizeBytes);
}
