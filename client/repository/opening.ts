/** Opening a repository. Source: docs/format.md, sections 2.5 and 3.1. */
import { CofferError, hasErrorCode } from "../../shared/errors.ts";
import { type Config, parseConfig } from "../../shared/format/config.ts";
import { configHandle, type Id } from "../../shared/format/layout.ts";
import type { Provider, Sealer } from "../../shared/format/provider.ts";
import type { Backend } from "../backends/backend.ts";
import { CachedBackend, type CacheStore } from "../backends/cache.ts";
import { messageOf, signalOption } from "./failures.ts";
import { type FoundKey, findKey } from "./key-search.ts";
import { Prefetch, type PrefetchedType } from "./prefetch.ts";
import { Repository } from "./repository.ts";

export interface OpenOptions {
  readonly password: string;
  /** A beginning of the id of the key to try first; one that does not help is ignored. */
  readonly keyHint?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Something odd that did not stop the opening, such as a damaged key file. */
  readonly onWarning?: ((text: string) => void) | undefined;
  /** What to request while the key is being derived, in this order. */
  readonly prefetch?: readonly PrefetchedType[] | undefined;
  /** The cache for the repository of that id; undefined when there is none. What it throws ends the opening. */
  readonly openCache?: ((repositoryId: Id) => Promise<CacheStore | undefined>) | undefined;
}

/**
 * Opens the repository with a password. Throws `repository-missing` when there is no config, `wrong-password` when no key
 * opens, `damaged` when the config does not belong to the key, `unsupported` for versions other than 1 and 2, and what
 * the backend throws. Config, key files and what is prefetched are requested at once; only opening them waits for the key.
 */
export async function openRepository(backend: Backend, provider: Provider, options: OpenOptions): Promise<Repository> {
  const opening = new RepositoryOpening(backend, provider, options);
  return opening.open(options.password);
}

/** An opening that has begun: its requests are on their way while, say, somebody still types the password. */
export class RepositoryOpening {
  readonly #backend: Backend;
  readonly #provider: Provider;
  readonly #options: Omit<OpenOptions, "password">;
  readonly #prefetch: Prefetch;
  readonly #sealedConfig: Promise<Uint8Array>;

  constructor(backend: Backend, provider: Provider, options: Omit<OpenOptions, "password">) {
    this.#backend = backend;
    this.#provider = provider;
    this.#options = options;
    this.#prefetch = new Prefetch(backend, { signal: options.signal, withContent: options.openCache === undefined });
    this.#sealedConfig = loadSealedConfig(backend, options.signal);
    // Nothing more is asked for before it is known that there is a repository.
    this.#sealedConfig.then(() => this.#prefetch.start(options.prefetch ?? [])).catch(() => undefined);
  }

  /** Throws `repository-missing` when there is none; for those who would rather not ask for a password then. */
  async exists(): Promise<void> {
    await this.#sealedConfig;
  }

  /** May be called again after `wrong-password`. */
  async open(password: string): Promise<Repository> {
    const sealedConfig = await this.#sealedConfig;
    const key = await this.#findKey(password);
    const sealer = this.#provider.sealer(key.masterKey);
    const config = openConfig(sealer, sealedConfig);
    const store = await this.#options.openCache?.(config.id);
    return new Repository({
      backend: store === undefined ? this.#backend : this.#withCache(store),
      provider: this.#provider,
      config,
      keyId: key.id,
      masterKey: key.masterKey,
      sealer,
      prefetch: this.#prefetch,
    });
  }

  #findKey(password: string): Promise<FoundKey> {
    const { keyHint, signal, onWarning } = this.#options;
    const onUnreadable = (id: Id, error: unknown): void =>
      onWarning?.(`key ${id.slice(0, 8)} cannot be read and is passed over: ${messageOf(error)}`);
    return findKey({ backend: this.#backend, provider: this.#provider }, password, { keyHint, signal, onUnreadable });
  }

  #withCache(store: CacheStore): CachedBackend {
    const onFailure = (error: unknown): void =>
      this.#options.onWarning?.(`the cache fails and is not used: ${messageOf(error)}`);
    return new CachedBackend(this.#backend, store, { onFailure });
  }
}

async function loadSealedConfig(backend: Backend, signal: AbortSignal | undefined): Promise<Uint8Array> {
  let sealed: Uint8Array;
  try {
    sealed = await backend.load(configHandle, signalOption(signal));
  } catch (error) {
    if (hasErrorCode(error, "cancelled") || !(error instanceof CofferError)) throw error;
    const isMissing = error.code === "not-found";
    const beginning = isMissing ? "repository does not exist: " : "";
    throw new CofferError(
      isMissing ? "repository-missing" : error.code,
      `${beginning}unable to open config file: ${error.message}\n` +
        `Is there a repository at the following location?\n${backend.location}`,
      { cause: error, data: { isFatal: true } },
    );
  }
  if (sealed.length === 0) throw new CofferError("damaged", "config file has zero size, invalid repository?");
  return sealed;
}

function openConfig(sealer: Sealer, sealed: Uint8Array): Config {
  try {
    return parseConfig(sealer.open(sealed));
  } catch (error) {
    const code = hasErrorCode(error, "unsupported") ? "unsupported" : "damaged";
    throw new CofferError(code, `config cannot be loaded: ${messageOf(error)}`, {
      cause: error,
      data: { isFatal: true },
    });
  }
}
