/** Remembers for a while which credentials were found to be right: bcrypt is slow on purpose, and clients send them with every request. */
import { hash, randomBytes } from "node:crypto";

const keptEntries = 1000;

export class CredentialCache {
  readonly #lifetimeMs: number;
  readonly #now: () => number;
  /** Of this process only: what is kept is worth nothing to anybody who reads it. */
  readonly #secret = randomBytes(32);
  /** Digest of credentials to the time of their end, in the order of their last use. */
  readonly #entries = new Map<string, number>();

  /** Entries live for `lifetimeMs` after their last use. */
  constructor(lifetimeMs: number, now: () => number) {
    this.#lifetimeMs = lifetimeMs;
    this.#now = now;
  }

  /**
   * The key of credentials. The length of the name tells where the password begins, as clients may send any byte in both. A secret in front is
   * enough where nobody ever sees a key; `createHmac` takes twenty times as long, a third of a small request.
   */
  keyOf(user: string, password: Uint8Array): string {
    const name = Buffer.from(`${Buffer.byteLength(user)}:${user}`);
    return hash("sha256", Buffer.concat([this.#secret, name, password]), "base64");
  }

  /** True when the credentials were right not long ago; this counts as a use. */
  has(key: string): boolean {
    const endMs = this.#entries.get(key);
    if (endMs === undefined) return false;
    this.#entries.delete(key);
    if (endMs <= this.#now()) return false;
    this.add(key);
    return true;
  }

  add(key: string): void {
    this.#entries.delete(key);
    this.#entries.set(key, this.#now() + this.#lifetimeMs);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > keptEntries && oldest !== undefined) this.#entries.delete(oldest);
  }

  clear(): void {
    this.#entries.clear();
  }
}
