/** Making a new repository. Source: docs/format.md, section 3.1. */
import { CofferError, hasErrorCode } from "../../shared/errors.ts";
import { toHex, utf8Encode } from "../../shared/format/bytes.ts";
import { type Config, encodeConfig } from "../../shared/format/config.ts";
import { configHandle, type Id } from "../../shared/format/layout.ts";
import { derivePolynomial } from "../../shared/format/polynomial.ts";
import type { Provider, SealingKey } from "../../shared/format/provider.ts";
import { ivBytes, parseSealingKey, sealingKeyBytes } from "../../shared/format/sealing.ts";
import type { Backend } from "../backends/backend.ts";
import { messageOf } from "./failures.ts";
import { type NewKey, saveKey } from "./keys.ts";
import { Repository } from "./repository.ts";

export interface InitializeOptions extends NewKey {
  /** 1 or 2; anything else is refused. */
  readonly version: number;
  /** Of another repository, so that both cut files alike. A new one when missing. */
  readonly polynomial?: bigint | undefined;
  readonly signal?: AbortSignal | undefined;
}

const idBytes = 32;

/**
 * Makes a repository: first the key, last the config, so that a failure in between leaves none behind. Throws `repository-exists` when there
 * is a config, a key or a snapshot already, and then changes nothing.
 */
export async function initializeRepository(
  backend: Backend,
  provider: Provider,
  options: InitializeOptions,
): Promise<Repository> {
  const { version, signal } = options;
  if (version !== 1 && version !== 2) {
    throw new CofferError("usage", "only repository versions between 1 and 2 are allowed");
  }
  await refuseConfig(backend, signal);
  await backend.create(signal);
  await refuseFiles(backend, "keys", signal);
  await refuseFiles(backend, "snapshots", signal);

  const masterKey = parseSealingKey(provider.randomBytes(sealingKeyBytes));
  const sealer = provider.sealer(masterKey);
  const config: Config = {
    version,
    id: toHex(provider.randomBytes(idBytes)),
    chunkerPolynomial: options.polynomial ?? derivePolynomial((length) => provider.randomBytes(length)),
  };
  const keyId = await storeKey(backend, provider, masterKey, options);
  try {
    await backend.save(
      configHandle,
      sealer.seal(utf8Encode(encodeConfig(config)), provider.randomBytes(ivBytes)),
      signal,
    );
  } catch (error) {
    // Somebody else's config may have come first; ours may have arrived although the answer was lost.
    if (hasErrorCode(error, "already-exists")) await backend.remove({ type: "keys", id: keyId }).catch(() => undefined);
    throw failedCreation(backend, "create repository", error);
  }
  return new Repository({ backend, provider, config, keyId, masterKey, sealer });
}

async function refuseConfig(backend: Backend, signal: AbortSignal | undefined): Promise<void> {
  try {
    await backend.stat(configHandle, signal);
  } catch (error) {
    if (hasErrorCode(error, "not-found")) return;
    throw failedCreation(backend, "create repository", error);
  }
  throw new CofferError(
    "repository-exists",
    `create repository at ${backend.location} failed: config file already exists`,
  );
}

async function refuseFiles(
  backend: Backend,
  type: "keys" | "snapshots",
  signal: AbortSignal | undefined,
): Promise<void> {
  if ((await backend.list(type, signal)).length === 0) return;
  throw new CofferError(
    "repository-exists",
    `create key in repository at ${backend.location} failed: repository already contains ${type}`,
  );
}

async function storeKey(
  backend: Backend,
  provider: Provider,
  masterKey: SealingKey,
  options: InitializeOptions,
): Promise<Id> {
  try {
    return await saveKey({ backend, provider }, masterKey, options, options.signal);
  } catch (error) {
    throw failedCreation(backend, "create key in repository", error);
  }
}

function failedCreation(backend: Backend, action: string, error: unknown): unknown {
  if (!(error instanceof CofferError) || error.code === "cancelled") return error;
  const code = error.code === "already-exists" ? "repository-exists" : error.code;
  return new CofferError(code, `${action} at ${backend.location} failed: ${messageOf(error)}`, {
    cause: error,
    data: { isFatal: true },
  });
}
