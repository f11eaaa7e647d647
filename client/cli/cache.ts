/** The local cache of a session: where it is, what is said about it, and caches that nobody uses any more. */

import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasErrorCode } from "../../shared/errors.ts";
import type { Id } from "../../shared/format/layout.ts";
import type { CacheStore } from "../backends/cache.ts";
import {
  CacheDirectory,
  createTemporaryCacheBase,
  defaultCacheBase,
  findOldCaches,
} from "../platform/cache-directory.ts";
import type { CommandContext } from "./command.ts";
import { reasonOf } from "./exit-status.ts";

const oldAgeMs = 30 * 24 * 3600 * 1000;

/** `usual`: the cache that all commands share. `temporary`: an empty one, removed at the end. */
export type CacheKind = "usual" | "temporary";

/** Where the shared caches are. */
export function cacheBaseOf({ options, environment }: Pick<CommandContext, "options" | "environment">): string {
  return options.cacheDirectory || defaultCacheBase(environment);
}

export class SessionCache {
  readonly #context: CommandContext;
  readonly #kind: CacheKind;
  #temporaryBase: string | undefined;

  constructor(context: CommandContext, kind: CacheKind) {
    this.#context = context;
    this.#kind = kind;
  }

  /** Makes the place of a temporary cache and says where; a place that cannot be made is a warning. */
  async prepare(): Promise<void> {
    if (this.#kind !== "temporary") return;
    const { options, environment, output } = this.#context;
    const parent = options.cacheDirectory || environment["RESTIC_CACHE_DIR"] || tmpdir();
    try {
      this.#temporaryBase = await createTemporaryCacheBase(parent);
      output.normal(`using temporary cache in ${this.#temporaryBase}`);
    } catch (error) {
      output.error(`unable to create cache directory: ${reasonOf(error)}`);
    }
  }

  /** The cache of a repository; undefined, after a warning, when there can be none. */
  async open(repositoryId: Id): Promise<CacheStore | undefined> {
    const base = this.#kind === "temporary" ? this.#temporaryBase : cacheBaseOf(this.#context);
    if (base === undefined) return undefined;
    const { output, options } = this.#context;
    try {
      const isNew = !existsSync(join(base, repositoryId));
      const store = await CacheDirectory.open(base, repositoryId);
      if (isNew && this.#kind === "usual") output.terminalOnly(`created new cache in ${base}`);
      if (this.#kind === "usual" && (options.cleanupCache || output.terminal.screen.isTerminal)) await this.#tidy(base);
      return store;
    } catch (error) {
      if (hasErrorCode(error, "cancelled")) throw error;
      output.error(`unable to open cache: ${reasonOf(error)}`);
      return undefined;
    }
  }

  async close(): Promise<void> {
    if (this.#temporaryBase !== undefined) await rm(this.#temporaryBase, { recursive: true, force: true });
  }

  async #tidy(base: string): Promise<void> {
    const { output, options } = this.#context;
    const old = await findOldCaches(base, oldAgeMs, Date.now());
    if (old.length === 0) return;
    if (!options.cleanupCache) {
      output.terminalOnly(
        `found ${old.length} old cache directories in ${base}, run any command with --cleanup-cache to remove them`,
      );
      return;
    }
    output.terminalOnly(`removing ${old.length} old cache dirs from ${base}`);
    for (const path of old) await rm(path, { recursive: true, force: true });
  }
}
