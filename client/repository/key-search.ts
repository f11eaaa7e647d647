/** Finding the key file that a password opens. Source: docs/format.md, section 2.5. */
import { CofferError, hasErrorCode } from "../../shared/errors.ts";
import type { KeyFile } from "../../shared/format/key-file.ts";
import { type Id, isId } from "../../shared/format/layout.ts";
import { maxKeysTried } from "../../shared/format/limits.ts";
import type { SealingKey } from "../../shared/format/provider.ts";
import { isDamage } from "./failures.ts";
import { type KeyStore, loadKeyFile, openKeyFile } from "./keys.ts";
import { resolvePrefix } from "./prefix.ts";

export interface FoundKey {
  readonly id: Id;
  readonly masterKey: SealingKey;
}

export interface KeySearchOptions {
  /** A beginning of the id of the key to try first; one that does not help is ignored. */
  readonly keyHint?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of each key file that cannot be read. */
  readonly onUnreadable?: ((id: Id, error: unknown) => void) | undefined;
}

/**
 * The master key that the password opens: by the hinted key, else by the keys in the order in which the backend lists them, of which
 * at most 20 are tried. Throws `wrong-password` when none opens, `usage` when there are more that were not tried. A key file that is damaged does not stand in the way of the others; when
 * none opens, its error is thrown, because the password may have been right.
 */
export async function findKey(store: KeyStore, password: string, options: KeySearchOptions = {}): Promise<FoundKey> {
  const ids = store.backend.list("keys", options.signal).then((files) => files.map(({ id }) => id));
  // The hint may settle everything before the list is there.
  ids.catch(() => undefined);
  const hinted = await tryHint(store, password, options, ids);
  if (hinted !== undefined) return hinted;
  return tryAll(store, password, options, await ids);
}

async function tryAll(
  store: KeyStore,
  password: string,
  options: KeySearchOptions,
  ids: readonly Id[],
): Promise<FoundKey> {
  let unreadable: unknown;
  const candidates = ids.slice(0, maxKeysTried);
  /** The file of the next key is on its way while scrypt works on this one. */
  const load = (id: Id | undefined): Promise<KeyFile> | undefined => {
    const file = id === undefined ? undefined : loadKeyFile(store, id, options.signal);
    file?.catch(() => undefined);
    return file;
  };
  let next = load(candidates[0]);
  for (const [index, id] of candidates.entries()) {
    const current = next;
    next = load(candidates[index + 1]);
    try {
      if (current !== undefined) return { id, masterKey: await openKeyFile(store.provider, password, await current) };
    } catch (error) {
      if (hasErrorCode(error, "unauthenticated")) continue;
      if (!isDamage(error) && !hasErrorCode(error, "not-found")) throw error;
      options.onUnreadable?.(id, error);
      unreadable ??= error;
    }
  }
  if (ids.length > maxKeysTried) {
    throw new CofferError("usage", "maximum number of keys reached; name the right one by --key-hint");
  }
  if (unreadable !== undefined && !hasErrorCode(unreadable, "not-found")) throw unreadable;
  throw new CofferError("wrong-password", "wrong password or no key found");
}

async function tryHint(
  store: KeyStore,
  password: string,
  { keyHint, signal }: KeySearchOptions,
  ids: Promise<readonly Id[]>,
): Promise<FoundKey | undefined> {
  if (!keyHint) return undefined;
  try {
    const id = isId(keyHint) ? keyHint : resolvePrefix(await ids, keyHint);
    const file = await loadKeyFile(store, id, signal);
    return { id, masterKey: await openKeyFile(store.provider, password, file) };
  } catch (error) {
    if (hasErrorCode(error, "cancelled")) throw error;
    return undefined;
  }
}
