/**
 * Names of users and groups from the system's database, asked through the C library (so that LDAP and the like are
 * included, as distribution builds of restic do it), and kept: a backup asks for the same few ids a million times.
 *
 * Where the C library cannot be called, /etc/passwd and /etc/group answer.
 */
import { readFileSync } from "node:fs";
import { loadNativeLibrary, type NativeFunction, type NativeLibrary, toCString } from "./system-calls.ts";

/** One of the two databases: users or groups. */
interface AccountDatabase {
  nameOf(id: number): string | undefined;
  idOf(name: string): number | undefined;
}

let databases: { readonly users: AccountDatabase; readonly groups: AccountDatabase } | undefined;

/** The login name of a user id; empty when the system knows none. */
export function userName(uid: number): string {
  return cached(userNames, uid, () => open().users.nameOf(uid) ?? "");
}

/** The name of a group id; empty when the system knows none. */
export function groupName(gid: number): string {
  return cached(groupNames, gid, () => open().groups.nameOf(gid) ?? "");
}

/** The id of a login name, or undefined when the system knows none. */
export function userId(name: string): number | undefined {
  return cached(userIds, name, () => open().users.idOf(name));
}

/** The id of a group name, or undefined when the system knows none. */
export function groupId(name: string): number | undefined {
  return cached(groupIds, name, () => open().groups.idOf(name));
}

const userNames = new Map<number, string>();
const groupNames = new Map<number, string>();
const userIds = new Map<string, number | undefined>();
const groupIds = new Map<string, number | undefined>();
/** More ids than any file system should hold; a snapshot with hostile names cannot fill the memory. */
const cacheMaxEntries = 65536;

function cached<Key, Value>(cache: Map<Key, Value>, key: Key, ask: () => Value): Value {
  const known = cache.get(key);
  if (known !== undefined || cache.has(key)) return known as Value;
  const value = ask();
  if (cache.size >= cacheMaxEntries) cache.clear();
  cache.set(key, value);
  return value;
}

function open(): { readonly users: AccountDatabase; readonly groups: AccountDatabase } {
  databases ??= openDatabases();
  return databases;
}

function openDatabases(): { readonly users: AccountDatabase; readonly groups: AccountDatabase } {
  const library = loadNativeLibrary();
  if (typeof library !== "string") {
    try {
      return {
        users: new NativeDatabase(library, "getpwuid_r", "getpwnam_r"),
        groups: new NativeDatabase(library, "getgrgid_r", "getgrnam_r"),
      };
    } catch {
      // A C library without these functions: the files answer.
    }
  }
  return { users: new FileDatabase("/etc/passwd"), groups: new FileDatabase("/etc/group") };
}

const outOfRange = 34;
const interrupted = 4;
const stringsMaxBytes = 1 << 20;

/**
 * getpwuid_r and its three relatives. struct passwd and struct group begin alike on every 64-bit Linux: pointer to the
 * name, pointer to the password, 32-bit id.
 */
class NativeDatabase implements AccountDatabase {
  readonly #library: NativeLibrary;
  readonly #byId: NativeFunction;
  readonly #byName: NativeFunction;
  readonly #record: Buffer = Buffer.from(new ArrayBuffer(256));
  readonly #result: Buffer = Buffer.from(new ArrayBuffer(256));
  #strings: Buffer = Buffer.from(new ArrayBuffer(4096));

  constructor(library: NativeLibrary, byId: string, byName: string) {
    this.#library = library;
    this.#byId = library.func(`int ${byId}(uint32, void*, void*, uint64, void*)`);
    this.#byName = library.func(`int ${byName}(const void*, void*, void*, uint64, void*)`);
  }

  nameOf(id: number): string | undefined {
    if (!this.#ask(this.#byId, id)) return undefined;
    // The name lies in the memory we handed in for strings.
    const start = Number(this.#record.readBigUInt64LE(0) - this.#library.address(this.#strings));
    const end = this.#strings.indexOf(0, start);
    return start < 0 || end < start ? undefined : this.#strings.toString("utf8", start, end);
  }

  idOf(name: string): number | undefined {
    if (name === "" || name.includes("\0")) return undefined;
    return this.#ask(this.#byName, toCString(name)) ? this.#record.readUInt32LE(16) : undefined;
  }

  /** True when the record was filled. A failing database counts as one that does not know, as in restic. */
  #ask(call: NativeFunction, key: number | Uint8Array): boolean {
    for (;;) {
      this.#result.fill(0);
      const error = call(key, this.#record, this.#strings, this.#strings.length, this.#result);
      if (error === 0) return this.#result.readBigUInt64LE(0) !== 0n;
      if (error === interrupted) continue;
      if (error !== outOfRange || this.#strings.length >= stringsMaxBytes) return false;
      this.#strings = Buffer.from(new ArrayBuffer(this.#strings.length * 4));
    }
  }
}

/** The third field of /etc/passwd and /etc/group is the id, the first the name; the first line that fits counts. */
class FileDatabase implements AccountDatabase {
  readonly #names = new Map<number, string>();
  readonly #ids = new Map<string, number>();

  constructor(path: string) {
    for (const line of readLines(path)) {
      const [name, , id] = line.split(":");
      if (!name || name.startsWith("#") || id === undefined || !/^\d+$/.test(id)) continue;
      if (!this.#names.has(Number(id))) this.#names.set(Number(id), name);
      if (!this.#ids.has(name)) this.#ids.set(name, Number(id));
    }
  }

  nameOf(id: number): string | undefined {
    return this.#names.get(id);
  }

  idOf(name: string): number | undefined {
    return this.#ids.get(name);
  }
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return [];
  }
}
