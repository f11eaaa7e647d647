/** Users of an htpasswd file. */
import { readFile } from "node:fs/promises";
import { CofferError } from "../../shared/errors.ts";
import { versionOfFile } from "../file-version.ts";
import { Gate } from "../gate.ts";
import type { Authenticator, RequestHeaders } from "./authenticator.ts";
import { parseBasicCredentials } from "./basic-credentials.ts";
import { CredentialCache } from "./credential-cache.ts";
import { type HtpasswdTable, parseHtpasswd } from "./htpasswd.ts";
import { checkPassword } from "./password-check.ts";

/** Password hashes keep a whole core busy; more at a time would stop everybody else. */
const parallelChecks = 2;
const waitingChecks = 100;
const cacheLifetimeMs = 60_000;
const reloadIntervalMs = 30_000;

export class HtpasswdAuthenticator implements Authenticator {
  readonly #path: string;
  readonly #log: (line: string) => void;
  readonly #now: () => number;
  readonly #cache: CredentialCache;
  readonly #gate = new Gate(parallelChecks);
  /** Checks under way, by the key of their credentials: clients open several connections at once. */
  readonly #checks = new Map<string, Promise<boolean>>();
  #table: HtpasswdTable;
  #version: string;
  #lookedAtMs: number;

  private constructor(path: string, log: (line: string) => void, now: () => number, loaded: LoadedFile) {
    this.#path = path;
    this.#log = log;
    this.#now = now;
    this.#cache = new CredentialCache(cacheLifetimeMs, now);
    this.#table = loaded.table;
    this.#version = loaded.version;
    this.#lookedAtMs = now();
  }

  /** Reads the file. Throws `usage` when it cannot be read. `now` is a clock in milliseconds that never goes back. */
  static async open(
    path: string,
    log: (line: string) => void,
    now: () => number = () => performance.now(),
  ): Promise<HtpasswdAuthenticator> {
    try {
      return new HtpasswdAuthenticator(path, log, now, await load(path, log));
    } catch (cause) {
      const reason = (cause as Error).message;
      const message = `cannot load ${path} (use --no-auth to disable): ${reason}; --create-first-user makes one`;
      throw new CofferError("usage", message, { cause });
    }
  }

  async authenticate(headers: RequestHeaders): Promise<string | undefined> {
    const credentials = parseBasicCredentials(headers.authorization);
    if (credentials === undefined) return undefined;
    if (this.#now() - this.#lookedAtMs >= reloadIntervalMs) await this.#reloadIfChanged();
    const { user, password } = credentials;
    const key = this.#cache.keyOf(user, password);
    if (this.#cache.has(key)) return user;
    return (await this.#check(key, user, password)) ? user : undefined;
  }

  /** Reads the file now. When that fails, the old table stays. */
  async reload(): Promise<void> {
    this.#lookedAtMs = this.#now();
    try {
      const loaded = await load(this.#path, this.#log);
      this.#table = loaded.table;
      this.#version = loaded.version;
      this.#cache.clear();
      this.#log("Reloaded htpasswd file");
    } catch (error) {
      this.#log(`Could not reload htpasswd file: ${(error as Error).message}`);
    }
  }

  async #reloadIfChanged(): Promise<void> {
    this.#lookedAtMs = this.#now();
    const version = await versionOfFile(this.#path).catch(() => undefined);
    if (version !== this.#version) await this.reload();
  }

  #check(key: string, user: string, password: Uint8Array): Promise<boolean> {
    const underWay = this.#checks.get(key);
    if (underWay !== undefined) return underWay;
    if (this.#gate.waitingCount >= waitingChecks) {
      throw new CofferError("limit-exceeded", `${waitingChecks} logins wait already`);
    }
    const check = this.#checkAlone(key, user, password).finally(() => this.#checks.delete(key));
    this.#checks.set(key, check);
    return check;
  }

  async #checkAlone(key: string, user: string, password: Uint8Array): Promise<boolean> {
    await this.#gate.enter();
    const table = this.#table;
    try {
      const isRight = await checkPassword(table, user, password);
      // A table that was read meanwhile may not have this user any more.
      if (isRight && table === this.#table) this.#cache.add(key);
      return isRight;
    } finally {
      this.#gate.leave();
    }
  }
}

interface LoadedFile {
  readonly table: HtpasswdTable;
  readonly version: string;
}

async function load(path: string, log: (line: string) => void): Promise<LoadedFile> {
  // The version first: a change between the two calls is then seen at the next look.
  const version = await versionOfFile(path);
  const table = parseHtpasswd(await readFile(path, "utf8"));
  for (const warning of table.warnings) log(warning);
  return { table, version };
}
