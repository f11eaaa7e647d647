/** Small repositories in memory, with keys that cost nothing to open, and packs as a backup writes them. */
import type { Backend } from "../../client/backends/backend.ts";
import { MemoryBackend } from "../../client/backends/memory.ts";
import { createNodeProvider } from "../../client/platform/node-provider.ts";
import { initializeRepository } from "../../client/repository/initialization.ts";
import { type OpenOptions, openRepository } from "../../client/repository/opening.ts";
import { Repository } from "../../client/repository/repository.ts";
import { concatBytes, toHex, utf8Encode, writeUint32LE } from "../../shared/format/bytes.ts";
import { parseConfig } from "../../shared/format/config.ts";
import { encodeIndex, type IndexPack } from "../../shared/format/index-file.ts";
import type { Id } from "../../shared/format/layout.ts";
import { type BlobType, encodePackHeader, type PackEntry } from "../../shared/format/pack.ts";
import type { Provider } from "../../shared/format/provider.ts";
import { type FixtureName, readFixture } from "./fixtures.ts";

export const testProvider: Provider = createNodeProvider();

export const cheapKey = {
  password: "secret",
  created: "2026-01-02T03:04:05Z",
  username: "tester",
  hostname: "machine",
  parameters: { N: 16, r: 1, p: 1 },
} as const;

const storages = new WeakMap<Repository, MemoryBackend>();

/** A new repository in memory. */
export async function createRepository(version = 2): Promise<Repository> {
  const backend = new MemoryBackend();
  const repository = await initializeRepository(backend, testProvider, { ...cheapKey, version });
  storages.set(repository, backend);
  return repository;
}

/** A fixture in memory, opened with its master key: no time goes into scrypt. */
export function openFixture(name: FixtureName): Repository {
  const { files, masterKey, manifest } = readFixture(name);
  const sealer = testProvider.sealer(masterKey);
  const config = parseConfig(sealer.open(files.get("config") ?? new Uint8Array()));
  const backend = new MemoryBackend({ files: new Map(files) });
  const keyId = manifest.keys[0]?.id ?? "";
  return new Repository({ backend, provider: testProvider, config, keyId, masterKey, sealer });
}

/** The storage of a repository that `createRepository` made. */
export function memoryOf(repository: Repository): MemoryBackend {
  const backend = storages.get(repository);
  if (backend === undefined) throw new Error("expected a repository made by createRepository");
  return backend;
}

export function openAgain(backend: Backend, options: Partial<OpenOptions> = {}): Promise<Repository> {
  return openRepository(backend, testProvider, { password: cheapKey.password, ...options });
}

export interface TestBlob {
  readonly type: BlobType;
  readonly content: string;
  /** Store it compressed. */
  readonly compressed?: boolean;
}

export function blobIdOf(content: string): Id {
  return toHex(testProvider.sha256(utf8Encode(content)));
}

/** Stores a pack; what an index says of it. */
export async function storePack(repository: Repository, blobs: readonly TestBlob[]): Promise<IndexPack> {
  const parts: Uint8Array[] = [];
  const entries: PackEntry[] = [];
  let offsetBytes = 0;
  for (const { type, content, compressed = false } of blobs) {
    const plain = utf8Encode(content);
    const sealed = repository.seal(compressed ? testProvider.compress(plain, "auto") : plain);
    const uncompressedBytes = compressed ? plain.length : 0;
    entries.push({ type, id: blobIdOf(content), offsetBytes, lengthBytes: sealed.length, uncompressedBytes });
    parts.push(sealed);
    offsetBytes += sealed.length;
  }
  const header = repository.seal(encodePackHeader(entries));
  const length = new Uint8Array(4);
  writeUint32LE(length, 0, header.length);
  const pack = concatBytes(...parts, header, length);
  const id = toHex(testProvider.sha256(pack));
  await repository.backend.save({ type: "data", id }, pack);
  return { id, blobs: entries };
}

/** Stores packs, each with its blobs, and one index of them all. */
export async function storeIndexed(
  repository: Repository,
  ...packs: readonly (readonly TestBlob[])[]
): Promise<IndexPack[]> {
  const stored: IndexPack[] = [];
  for (const blobs of packs) stored.push(await storePack(repository, blobs));
  await repository.saveDocument("index", encodeIndex(stored));
  return stored;
}

/** The error of a promise that must reject. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`expected an error, it threw ${String(error)}`);
  }
  throw new Error("expected a failure, it succeeded");
}
