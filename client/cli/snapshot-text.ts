/** A snapshot in one line. */
import { formatLong } from "../../shared/format/time.ts";
import { localTimeZone } from "../platform/time-zone.ts";
import type { StoredSnapshot } from "../repository/snapshots.ts";

/** Such as `142af026 of [/data] at 2024-03-04 10:00:00 +0000 UTC by root@srv1`. */
export function describeSnapshot({ id, paths, time, username = "", hostname = "" }: StoredSnapshot): string {
  const at = formatLong(time, localTimeZone());
  return `${id.slice(0, 8)} of [${paths.join(" ")}] at ${at} by ${username}@${hostname}`;
}
