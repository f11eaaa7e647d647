/** Locks: who works on the repository, and whether others may too. Source: the section on locks of docs/format.md. */
import { encodeJsonString } from "./go-json.ts";
import { JsonFields } from "./json-fields.ts";
import { parseTime } from "./time.ts";

export interface Lock {
  /** RFC 3339 text, as stored. */
  readonly time: string;
  readonly exclusive: boolean;
  readonly hostname: string;
  readonly username: string;
  readonly pid: number;
  /** 0 for root, which is also what an absent field means. */
  readonly uid: number;
  readonly gid: number;
}

/** The JSON text, byte for byte as restic writes it; it still has to be packed by `encodeDocument`. */
export function encodeLock(lock: Lock): string {
  const owner = (lock.uid === 0 ? "" : `,"uid":${lock.uid}`) + (lock.gid === 0 ? "" : `,"gid":${lock.gid}`);
  return (
    `{"time":${encodeJsonString(lock.time)},"exclusive":${lock.exclusive},` +
    `"hostname":${encodeJsonString(lock.hostname)},"username":${encodeJsonString(lock.username)},` +
    `"pid":${lock.pid}${owner}}`
  );
}

/** Throws `malformed` on anything that is not a lock. Unknown keys are ignored. */
export function parseLock(document: string | Uint8Array): Lock {
  const fields = JsonFields.parse("lock", document);
  const time = fields.string("time");
  parseTime(time);
  return {
    time,
    exclusive: fields.boolean("exclusive"),
    hostname: fields.optionalString("hostname") ?? "",
    username: fields.optionalString("username") ?? "",
    pid: fields.optionalInteger("pid") ?? 0,
    uid: fields.optionalInteger("uid", 0xffffffff) ?? 0,
    gid: fields.optionalInteger("gid", 0xffffffff) ?? 0,
  };
}
