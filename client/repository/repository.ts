/** An open repository: its documents, its index, its blobs. Compiles without Node; runs in a browser over a fetch transport. */
import { CofferError, hasErrorCode } from "../../shared/errors.ts";
import { equalBytes, toHex } from "../../shared/format/bytes.ts";
import type { Config } from "../../shared/format/config.ts";
import { decodeDocument, encodeDocument } from "../../shared/format/document.ts";
import { describeHandle, type FileHandle, type FileType, type Id } from "../../shared/format/layout.ts";
import type { BlobType } from "../../shared/format/pack.ts";
import type { Provider, Sealer, SealingKey } from "../../shared/format/provider.ts";
import { ivBytes } from "../../shared/format/sealing.ts";
import { decodeTree } from "../../shared/format/tree.ts";
import type { TreeNode } from "../../shared/format/tree-node.ts";
import type { Backend, FileInfo } from "../backends/backend.ts";
import { CachedBackend } from "../backends/cache.ts";
import { BlobReader } from "./blob-reader.ts";
import { forEachConcurrently } from "./concurrency.ts";
import { isDamage, messageOf, signalOption } from "./failures.ts";
import { MasterIndex } from "./master-index.ts";
import { Prefetch } from "./prefetch.ts";
import { loadSnapshot, type StoredSnapshot } from "./snapshots.ts";
import { GuardedBackend, type WriteGuard } from "./write-guard.ts";

/** A file that is named by its hash. */
export type ObjectHandle = Extract<FileHandle, { readonly id: Id }>;

/** The kinds of files that are sealed JSON. */
export type DocumentType = "snapshots" | "index" | "locks";

export interface RepositoryParts {
  readonly backend: Backend;
  readonly provider: Provider;
  readonly config: Config;
  readonly keyId: Id;
  readonly masterKey: SealingKey;
  readonly sealer: Sealer;
  readonly prefetch?: Prefetch | undefined;
}

export interface LoadIndexOptions {
  readonly signal?: AbortSignal | undefined;
  /** Index files that are loaded, of how many. */
  readonly onProgress?: ((loaded: number, total: number) => void) | undefined;
}

/** A stored index is hardly compressible beyond this: 32 bytes of id, and offset and lengths. Estimates how many blobs come. */
const storedBytesPerBlob = { 1: 160, 2: 48 } as const;

export class Repository {
  /** What it saves and removes waits for the lock, see `guardWith`. */
  readonly backend: Backend;
  readonly provider: Provider;
  readonly config: Config;
  /** The key that opened the repository. */
  readonly keyId: Id;
  readonly masterKey: SealingKey;
  readonly sealer: Sealer;
  readonly #guarded: GuardedBackend;
  /** Where old packs of trees are dropped when the index is loaded; undefined without a cache. */
  readonly #cache: CachedBackend | undefined;
  readonly #prefetch: Prefetch;
  readonly #blobs: BlobReader;
  /** One list for the whole command, made before the index is loaded. */
  #snapshotFiles: Promise<FileInfo[]> | undefined;
  #index: MasterIndex | undefined;
  #loadingIndex: Promise<void> | undefined;

  constructor(parts: RepositoryParts) {
    this.#guarded = new GuardedBackend(parts.backend);
    this.#cache = parts.backend instanceof CachedBackend ? parts.backend : undefined;
    this.backend = this.#guarded;
    this.provider = parts.provider;
    this.config = parts.config;
    this.keyId = parts.keyId;
    this.masterKey = parts.masterKey;
    this.sealer = parts.sealer;
    this.#prefetch = parts.prefetch ?? new Prefetch(parts.backend, { withContent: false });
    this.#blobs = new BlobReader(this);
  }

  /** From now on nothing is written or removed, locks excepted, unless the guard (a held lock) admits it. */
  guardWith(guard: WriteGuard): void {
    this.#guarded.guardWith(guard);
  }

  /** Throws `internal` before `loadIndex` has ended. */
  get index(): MasterIndex {
    if (this.#index === undefined) throw new CofferError("internal", "index expected to be loaded, it is not");
    return this.#index;
  }

  /**
   * The files of a type. Snapshots are listed once, before the index is loaded, so that a command never sees a snapshot that
   * its index does not know; what this object stores and removes is followed up.
   */
  listFiles(type: FileType, signal?: AbortSignal): Promise<FileInfo[]> {
    if (type !== "snapshots") return this.#list(type, signal);
    if (this.#snapshotFiles === undefined) {
      const files = this.#list(type, signal);
      this.#snapshotFiles = files;
      files.catch(() => {
        this.#snapshotFiles = undefined;
      });
    }
    return this.#snapshotFiles;
  }

  async listIds(type: FileType, signal?: AbortSignal): Promise<Id[]> {
    return (await this.listFiles(type, signal)).map(({ id }) => id);
  }

  /**
   * The JSON text of a document. Content that does not hash to its name is loaded once more past the cache, then it is
   * `damaged`; so is content that does not open or decode.
   */
  async loadDocument(type: DocumentType, id: Id, signal?: AbortSignal): Promise<Uint8Array> {
    const handle = { type, id } as const;
    const sealed = await this.loadVerified(handle, signal);
    try {
      return decodeDocument(this.sealer.open(sealed), this.config.version, this.provider);
    } catch (error) {
      throw new CofferError("damaged", `${describeHandle(handle)}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** The stored bytes of a file, verified against its name; see `loadDocument`. Not for the config, which has no name. */
  async loadVerified(handle: ObjectHandle, signal?: AbortSignal): Promise<Uint8Array> {
    const ahead = await this.#prefetch.takeFile(handle.type, handle.id);
    if (ahead !== undefined && this.#isWhole(handle, ahead)) return ahead;
    const first = await this.backend.load(handle, signalOption(signal));
    if (this.#isWhole(handle, first)) return first;
    await this.backend.dropCached?.(handle);
    const second = await this.backend.load(handle, signalOption(signal));
    if (this.#isWhole(handle, second)) return second;
    throw new CofferError("damaged", `load(${describeHandle(handle)}): invalid data returned`, { data: { handle } });
  }

  /** Seals and stores a document and returns its id. The sealed form is opened and compared before it is sent. */
  async saveDocument(type: DocumentType, json: Uint8Array, signal?: AbortSignal): Promise<Id> {
    const sealed = this.sealDocument(json);
    const id = toHex(this.provider.sha256(sealed));
    await this.backend.save({ type, id }, sealed, signal);
    if (type === "snapshots") await this.#followUp((files) => [...files, { id, sizeBytes: sealed.length }]);
    return id;
  }

  /** The bytes to store for a document's JSON text. Each call gives others. */
  sealDocument(json: Uint8Array): Uint8Array {
    const plaintext = encodeDocument(json, this.config.version, this.provider);
    const sealed = this.seal(plaintext);
    const decoded = decodeDocument(this.sealer.open(sealed), this.config.version, this.provider);
    if (!equalBytes(decoded, json)) {
      throw new CofferError("internal", "document expected to read back as it was written; is the memory faulty?");
    }
    return sealed;
  }

  seal(plaintext: Uint8Array): Uint8Array {
    return this.sealer.seal(plaintext, this.provider.randomBytes(ivBytes));
  }

  /** Deletes a file; an absent one is no error. */
  async removeFile(handle: ObjectHandle, signal?: AbortSignal): Promise<void> {
    await this.backend.remove(handle, signal);
    if (handle.type === "snapshots") await this.#followUp((files) => files.filter(({ id }) => id !== handle.id));
  }

  /**
   * Loads every index file; a second call waits for the first. The list of snapshots is made before that of index files. Throws
   * `damaged` when one does not load: blobs that are missing from the index would be taken for lost.
   */
  loadIndex(options: LoadIndexOptions = {}): Promise<void> {
    if (this.#loadingIndex === undefined) {
      this.#loadingIndex = this.#loadIndex(options);
      this.#loadingIndex.catch(() => {
        this.#loadingIndex = undefined;
      });
    }
    return this.#loadingIndex;
  }

  /** The plaintext of a blob, verified. See `BlobReader.load`. */
  loadBlob(type: BlobType, id: Id, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#blobs.load(type, id, signal);
  }

  /** Throws `damaged` also when a tree that hashes to its id does not decode. */
  async loadTree(id: Id, signal?: AbortSignal): Promise<TreeNode[]> {
    const document = await this.loadBlob("tree", id, signal);
    try {
      return decodeTree(document);
    } catch (error) {
      throw new CofferError("damaged", `tree ${id}: ${messageOf(error)}`, { cause: error, data: { id } });
    }
  }

  /** Errors name the snapshot. */
  loadSnapshot(id: Id, signal?: AbortSignal): Promise<StoredSnapshot> {
    return loadSnapshot(this, id, signal);
  }

  async #list(type: FileType, signal: AbortSignal | undefined): Promise<FileInfo[]> {
    const ahead = await this.#prefetch.takeList(type);
    if (ahead === undefined) return this.backend.list(type, signal);
    // A list that came past the cache tells it all the same what is gone.
    if (type === "snapshots" || type === "index") await this.#cache?.keepOnly(type, new Set(ahead.map(({ id }) => id)));
    return ahead;
  }

  async #followUp(change: (files: readonly FileInfo[]) => FileInfo[]): Promise<void> {
    if (this.#snapshotFiles !== undefined) this.#snapshotFiles = Promise.resolve(change(await this.#snapshotFiles));
  }

  #isWhole(handle: ObjectHandle, content: Uint8Array): boolean {
    return toHex(this.provider.sha256(content)) === handle.id;
  }

  async #loadIndex({ signal, onProgress }: LoadIndexOptions): Promise<void> {
    await this.listFiles("snapshots", signal);
    const files = await this.listFiles("index", signal);
    const storedBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const index = new MasterIndex(Math.floor(storedBytes / storedBytesPerBlob[this.config.version]));
    let loaded = 0;
    onProgress?.(loaded, files.length);
    await forEachConcurrently(files, this.backend.connections, async ({ id }) => {
      await this.#loadIndexFile(index, id, signal);
      loaded += 1;
      onProgress?.(loaded, files.length);
    });
    index.finish();
    this.#index = index;
    await this.#forgetPacks(index);
  }

  async #loadIndexFile(index: MasterIndex, id: Id, signal: AbortSignal | undefined): Promise<void> {
    try {
      index.addDocument(await this.loadDocument("index", id, signal), this.config.version);
    } catch (error) {
      if (!isDamage(error) && !hasErrorCode(error, "not-found")) throw error;
      throw new CofferError("damaged", `unable to load index ${id.slice(0, 8)}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Packs in the cache that no index file has any more are of no use to anybody. */
  async #forgetPacks(index: MasterIndex): Promise<void> {
    if (this.#cache === undefined) return;
    const packs = new Set<Id>();
    for (const { id, hasTrees } of index.packs()) if (hasTrees) packs.add(id);
    await this.#cache.keepOnly("data", packs);
  }
}
