/**
 * Key files: reading, adding, listing and removing them. All of a repository's keys hold the same master key.
 * Source: docs/format.md, sections 2.4 and 2.6.
 */
import { CofferError, hasErrorCode } from "../../shared/errors.ts";
import { equalBytes, toHex, utf8Encode } from "../../shared/format/bytes.ts";
import {
  encodeKeyFile,
  encodeMasterKey,
  type KeyFile,
  parseKeyFile,
  parseMasterKey,
} from "../../shared/format/key-file.ts";
import type { Id } from "../../shared/format/layout.ts";
import type { CryptoProvider, ScryptParameters, SealingKey } from "../../shared/format/provider.ts";
import { ivBytes, maskMacR, parseSealingKey, sealingKeyBytes } from "../../shared/format/sealing.ts";
import type { Backend } from "../backends/backend.ts";
import { isDamage, messageOf, signalOption } from "./failures.ts";

const saltBytes = 64;

/** Where key files are, and what opens them. A `Repository` is one. */
export interface KeyStore {
  readonly backend: Backend;
  readonly provider: CryptoProvider;
}

/** Throws `hash-mismatch` when the content is not what the name says, and as `parseKeyFile` does. */
export async function loadKeyFile(store: KeyStore, id: Id, signal?: AbortSignal): Promise<KeyFile> {
  const document = await store.backend.load({ type: "keys", id }, signalOption(signal));
  if (toHex(store.provider.sha256(document)) !== id) {
    throw new CofferError("hash-mismatch", `key ${id} expected content that hashes to its name, got other content`);
  }
  return parseKeyFile(document);
}

/** The master key. Throws `unauthenticated` when the password does not open this key file. */
export async function openKeyFile(provider: CryptoProvider, password: string, file: KeyFile): Promise<SealingKey> {
  const userKey = await deriveUserKey(provider, password, file.salt, file);
  const document = provider.sealer(userKey).open(file.data);
  return parseMasterKey(document);
}

async function deriveUserKey(
  provider: CryptoProvider,
  password: string,
  salt: Uint8Array,
  parameters: ScryptParameters,
): Promise<SealingKey> {
  return parseSealingKey(await provider.scrypt(utf8Encode(password), salt, parameters, sealingKeyBytes));
}

export interface NewKey {
  readonly password: string;
  /** RFC 3339 text, local zone. */
  readonly created: string;
  readonly username: string;
  readonly hostname: string;
  readonly parameters: ScryptParameters;
}

/** Stores a key file for the master key and returns its id. It is not tried out here. */
export async function saveKey(store: KeyStore, masterKey: SealingKey, key: NewKey, signal?: AbortSignal): Promise<Id> {
  const { provider } = store;
  const { password, created, username, hostname, parameters } = key;
  const salt = provider.randomBytes(saltBytes);
  const userKey = await deriveUserKey(provider, password, salt, parameters);
  const plaintext = utf8Encode(encodeMasterKey(masterKey));
  const data = provider.sealer(userKey).seal(plaintext, provider.randomBytes(ivBytes));
  const document = utf8Encode(encodeKeyFile({ created, username, hostname, kdf: "scrypt", ...parameters, salt, data }));
  const id = toHex(provider.sha256(document));
  await store.backend.save({ type: "keys", id }, document, signal);
  return id;
}

/** What of an open repository the management of keys needs. */
export interface KeyedRepository extends KeyStore {
  readonly masterKey: SealingKey;
  /** The key that opened it. */
  readonly keyId: Id;
}

/**
 * Adds a key: it is stored, loaded back from the storage and opened with the password. If that does not give the master key, the file is
 * deleted again and `damaged` is thrown.
 */
export async function addKey(repository: KeyedRepository, key: NewKey, signal?: AbortSignal): Promise<Id> {
  const id = await saveKey(repository, repository.masterKey, key, signal);
  try {
    const file = await loadKeyFile(repository, id, signal);
    const opened = await openKeyFile(repository.provider, key.password, file);
    if (!isSameKey(opened, repository.masterKey)) throw new CofferError("damaged", "it holds another master key");
  } catch (error) {
    await repository.backend.remove({ type: "keys", id }).catch(() => undefined);
    if (hasErrorCode(error, "cancelled", "lock-lost", "unavailable")) throw error;
    throw new CofferError(
      "damaged",
      `new key ${id.slice(0, 8)} does not open the repository and was removed: ${messageOf(error)}`,
      { cause: error },
    );
  }
  return id;
}

/** Throws `usage` for the key in use: the last way in must not be closed by mistake. */
export async function removeKey(repository: KeyedRepository, id: Id, signal?: AbortSignal): Promise<void> {
  if (id === repository.keyId) {
    throw new CofferError("usage", "refusing to remove key currently used to access repository");
  }
  await repository.backend.stat({ type: "keys", id }, signal);
  await repository.backend.remove({ type: "keys", id }, signal);
}

/**
 * Replaces the key in use: adds the new one, which is verified, then removes the old. When the removal fails both keys stay valid. Returns
 * the id of the new key, which the repository should take over as its `keyId`.
 */
export async function changePassword(repository: KeyedRepository, key: NewKey, signal?: AbortSignal): Promise<Id> {
  const id = await addKey(repository, key, signal);
  await repository.backend.remove({ type: "keys", id: repository.keyId }, signal);
  return id;
}

export interface ListedKey extends KeyFile {
  readonly id: Id;
  /** True for the key that opened the repository. */
  readonly isCurrent: boolean;
}

export interface ListKeysOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told of each key file that cannot be read. */
  readonly onUnreadable?: ((id: Id, error: unknown) => void) | undefined;
}

/** All key files that can be read; the others are told to `onUnreadable`. In the backend's order. */
export async function listKeys(repository: KeyedRepository, options: ListKeysOptions = {}): Promise<ListedKey[]> {
  const files = await repository.backend.list("keys", options.signal);
  const keys = await Promise.all(
    files.map(async ({ id }) => {
      try {
        const file = await loadKeyFile(repository, id, options.signal);
        return { ...file, id, isCurrent: id === repository.keyId };
      } catch (error) {
        if (!isDamage(error) && !hasErrorCode(error, "not-found")) throw error;
        options.onUnreadable?.(id, error);
        return undefined;
      }
    }),
  );
  return keys.filter((key) => key !== undefined);
}

/** Not in constant time: both keys are our own. Programs store `mac.r` with or without the bits that do not count. */
function isSameKey(a: SealingKey, b: SealingKey): boolean {
  const isSameR = equalBytes(maskMacR(a.mac.r), maskMacR(b.mac.r));
  return equalBytes(a.encrypt, b.encrypt) && equalBytes(a.mac.k, b.mac.k) && isSameR;
}
