/** A policy file that is read again when it changes. */
import { readFile } from "node:fs/promises";
import { CofferError } from "../../shared/errors.ts";
import { versionOfFile } from "../file-version.ts";
import { parsePolicy } from "./parse-policy.ts";
import type { Policy, PolicySource } from "./policy.ts";

/** How old what is known of the file may be. */
export const lookIntervalMs = 3000;

/** To whoever counts by the policy: called with each new one. */
type Listener = (policy: Policy) => void;

export class PolicyFile implements PolicySource {
  readonly #path: string;
  readonly #log: (line: string) => void;
  readonly #now: () => number;
  readonly #listeners: Listener[] = [];
  #policy: Policy;
  /** Of the file that was read last, whether it could be used or not. */
  #version: string;
  #lookedAtMs: number;
  #loading: Promise<void> | undefined;

  private constructor(path: string, log: (line: string) => void, now: () => number, policy: Policy, version: string) {
    this.#path = path;
    this.#log = log;
    this.#now = now;
    this.#policy = policy;
    this.#version = version;
    this.#lookedAtMs = now();
  }

  /** Throws `usage` when the file cannot be read or is no policy. `now` is a clock in milliseconds that never goes back. */
  static async open(
    path: string,
    log: (line: string) => void,
    now: () => number = () => performance.now(),
  ): Promise<PolicyFile> {
    // The version first: a change between the two calls is then seen at the next look.
    const version = await versionOf(path);
    return new PolicyFile(path, log, now, await readPolicy(path), version);
  }

  /** The policy that was read last, without looking for another one. */
  get latest(): Policy {
    return this.#policy;
  }

  /** The policy of the file as it was at most a few seconds ago, or of the last one that was right. */
  async current(): Promise<Policy> {
    if (this.#now() - this.#lookedAtMs >= lookIntervalMs) await this.#load("changed");
    return this.#policy;
  }

  onChange(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** Reads the file now. When that fails, the old policy stays. */
  reload(): Promise<void> {
    return this.#load("always");
  }

  async #load(when: "always" | "changed"): Promise<void> {
    this.#lookedAtMs = this.#now();
    // One at a time, so that an older file never takes the place of a newer one.
    const loading = (this.#loading ?? Promise.resolve()).then(async () => {
      const version = await versionOf(this.#path);
      if (when === "always" || version !== this.#version) await this.#replace(version);
    });
    this.#loading = loading;
    await loading;
    if (this.#loading === loading) this.#loading = undefined;
  }

  async #replace(version: string): Promise<void> {
    try {
      const policy = await readPolicy(this.#path);
      // Somebody is writing it: the next look finds it whole.
      if ((await versionOf(this.#path)) !== version) return;
      this.#policy = policy;
      for (const listener of this.#listeners) listener(policy);
      this.#log("Reloaded policy file");
    } catch (error) {
      for (const line of (error as Error).message.split("\n")) this.#log(`Could not reload policy file: ${line}`);
    }
    this.#version = version;
  }
}

/** Reads and checks a policy file. Throws `usage`. */
export async function readPolicy(path: string): Promise<Policy> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    const reason = cause instanceof TypeError ? "it is not UTF-8" : (cause as Error).message;
    throw new CofferError("usage", `cannot read the policy file ${path}: ${reason}`, { cause });
  }
  return parsePolicy(text, path);
}

/** Equal for equal content as far as the file system can tell; a file that cannot be looked at has a version as well. */
async function versionOf(path: string): Promise<string> {
  try {
    return await versionOfFile(path);
  } catch (error) {
    return `unreadable: ${(error as NodeJS.ErrnoException).code}`;
  }
}
