/**
 * Repositories in a bucket of an S3-compatible store. No state that two servers on one bucket could disagree about: what is
 * remembered here is only which marks of places (keys.ts) have been made already.
 */
import { createHash } from "node:crypto";
import { CofferError, hasErrorCode } from "../../../shared/errors.ts";
import {
  describeHandle,
  type FileHandle,
  type FileType,
  fileTypes,
  isId,
  pathOf,
} from "../../../shared/format/layout.ts";
import { Gate } from "../../gate.ts";
import { LocalNameTurns, type NameTurns } from "../name-turns.ts";
import type { ByteSelection } from "../selection.ts";
import type { Repositories, Storage, StoredContent, StoredFile } from "../storage.ts";
import type { Bucket, ObjectName } from "./bucket.ts";
import { openDownload } from "./download.ts";
import { keyOf, markOf, repositoryPrefix } from "./keys.ts";
import type { ListedObject } from "./list-page.ts";
import { listPages } from "./list-pages.ts";
import type { Capabilities } from "./probe.ts";
import { emptyHash } from "./signature.ts";
import { type SpooledBody, spool } from "./spool.ts";
import type { RequestContent } from "./transport.ts";

/** Connections at once. Packs and the small files have their own, so that a lock never waits behind packs. */
const packTransfers = 64;
const smallTransfers = 64;
const rememberedMarks = 20_000;

export interface S3StorageSettings {
  readonly bucket: Bucket;
  /** Before every key: empty, or ending in a slash. */
  readonly prefix: string;
  readonly capabilities: Pick<Capabilities, "conditionalPut" | "needsMd5">;
  /** Uploads are kept there until they are whole. */
  readonly spoolFolder: string;
  /** For looking whether an object exists before it is written. Those of this process alone when absent. */
  readonly turns?: NameTurns | undefined;
}

export class S3Repositories implements Repositories {
  readonly #shared: SharedState;

  constructor(settings: S3StorageSettings) {
    this.#shared = {
      ...settings,
      packGate: new Gate(packTransfers),
      smallGate: new Gate(smallTransfers),
      // A store with conditional put needs no look: there, turns only spare it what it would refuse, and are worth no message.
      turns: (settings.capabilities.conditionalPut ? undefined : settings.turns) ?? new LocalNameTurns(),
      marks: new Set(),
    };
  }

  at(folders: readonly string[]): Storage {
    return new S3Storage(repositoryPrefix(this.#shared.prefix, folders), this.#shared);
  }
}

interface SharedState extends S3StorageSettings {
  readonly packGate: Gate;
  readonly smallGate: Gate;
  readonly turns: NameTurns;
  /** Keys of marks that exist, as far as this server knows. Making one again does no harm. */
  readonly marks: Set<string>;
}

class S3Storage implements Storage {
  readonly #repository: string;
  readonly #shared: SharedState;

  constructor(repository: string, shared: SharedState) {
    this.#repository = repository;
    this.#shared = shared;
  }

  async create(): Promise<void> {
    await Promise.all(fileTypes.map((type) => within(this.#shared.smallGate, () => this.#makeMark(type))));
  }

  async *list(type: FileType): AsyncIterable<readonly StoredFile[]> {
    const prefix = markOf(this.#repository, type);
    let isPlace = false;
    const { bucket, smallGate } = this.#shared;
    for await (const objects of listPages(prefix, (from) => within(smallGate, () => bucket.list(prefix, from)))) {
      isPlace = true;
      yield filesOf(this.#repository, type, objects);
    }
    if (!isPlace) await this.#requireMark(type);
  }

  stat(handle: FileHandle): Promise<number> {
    return within(this.#shared.smallGate, () => this.#shared.bucket.size(this.#nameOf(handle)));
  }

  read(handle: FileHandle, selection?: ByteSelection): Promise<StoredContent> {
    return openDownload(this.#shared.bucket, this.#nameOf(handle), selection, this.#gateFor(handle));
  }

  async put(handle: FileHandle, body: AsyncIterable<Uint8Array>): Promise<void> {
    if (handle.type === "config") await this.#requireRepository();
    const spooled = await spool(body, this.#shared.spoolFolder);
    try {
      const { key } = this.#nameOf(handle);
      // Waiting for another upload of the same object must not cost a place that this one may need.
      await this.#shared.turns.run(key, () => within(this.#gateFor(handle), () => this.#store(handle, spooled)));
    } finally {
      spooled.close();
    }
  }

  remove(handle: FileHandle): Promise<void> {
    return within(this.#gateFor(handle), () => this.#shared.bucket.remove(this.#nameOf(handle)));
  }

  async #store(handle: FileHandle, spooled: SpooledBody): Promise<void> {
    const { bucket, capabilities } = this.#shared;
    const object = this.#nameOf(handle);
    if (!capabilities.conditionalPut && (await bucket.exists(object))) throw existsAlready(object);
    const content: RequestContent = {
      sizeBytes: spooled.sizeBytes,
      hash: handle.type === "config" ? await hashOf(spooled) : handle.id,
      open: () => spooled.open(),
    };
    const rules = { onlyIfAbsent: capabilities.conditionalPut, withMd5: capabilities.needsMd5 };
    try {
      const putting = bucket.put(object, content, rules);
      // The place is made at the same time: neither is of use without the other, and both are there when this returns.
      const marking = handle.type === "config" ? undefined : this.#makeMark(handle.type);
      const [outcome] = await settleBoth(putting, marking);
      if (outcome.kind === "stored") return;
      if (!outcome.isDoubtful || !(await this.#hasContent(object, content))) throw existsAlready(object);
    } catch (error) {
      // Which of its two reasons a store names first is its own business.
      if (hasErrorCode(error, "hash-mismatch") && (await bucket.exists(object))) throw existsAlready(object);
      throw error;
    }
  }

  /** Whether an earlier attempt, whose answer was lost, has stored the object. */
  async #hasContent(object: ObjectName, content: RequestContent): Promise<boolean> {
    // A place of the gate is held already.
    const stored = await openDownload(this.#shared.bucket, object, undefined, new Gate(1));
    try {
      if (stored.totalBytes !== content.sizeBytes) return false;
      const hash = createHash("sha256");
      for await (const chunk of stored.chunks()) hash.update(chunk);
      return hash.digest("hex") === content.hash;
    } finally {
      await stored.close();
    }
  }

  async #makeMark(type: FileType): Promise<void> {
    const { bucket, marks, capabilities } = this.#shared;
    const key = markOf(this.#repository, type);
    if (marks.has(key)) return;
    const content: RequestContent = { sizeBytes: 0, hash: emptyHash, open: () => new Uint8Array() };
    const rules = { onlyIfAbsent: false, withMd5: capabilities.needsMd5 };
    await bucket.put({ key, name: `the place of ${type}` }, content, rules);
    if (marks.size >= rememberedMarks) marks.clear();
    marks.add(key);
  }

  /** For lists in which nothing is (yet): some stores show new objects in lists only after a while. */
  async #requireMark(type: FileType): Promise<void> {
    const key = markOf(this.#repository, type);
    const object = { key, name: `the place of ${type}` };
    if (await within(this.#shared.smallGate, () => this.#shared.bucket.exists(object))) return;
    throw new CofferError("not-found", `place ${key} does not exist`);
  }

  /** A repository exists when anything of it exists. */
  async #requireRepository(): Promise<void> {
    const { bucket, smallGate } = this.#shared;
    const mark = { key: markOf(this.#repository, "data"), name: "the place of data" };
    if (await within(smallGate, () => bucket.exists(mark))) return;
    const page = await within(smallGate, () => bucket.list(this.#repository, undefined, 1));
    if (page.objects.length > 0) return;
    throw new CofferError("not-found", `repository ${JSON.stringify(this.#repository)} does not exist`);
  }

  #gateFor(handle: FileHandle): Gate {
    return handle.type === "data" ? this.#shared.packGate : this.#shared.smallGate;
  }

  #nameOf(handle: FileHandle): ObjectName {
    return { key: keyOf(this.#repository, handle), name: describeHandle(handle) };
  }
}

/** Only objects in the place where they belong, under a name that is an id. */
function filesOf(repository: string, type: FileType, objects: readonly ListedObject[]): StoredFile[] {
  const files: StoredFile[] = [];
  for (const { key, sizeBytes } of objects) {
    const id = key.slice(-64);
    if (isId(id) && key === repository + pathOf({ type, id })) files.push({ id, sizeBytes });
  }
  return files;
}

async function hashOf(spooled: SpooledBody): Promise<string> {
  const hash = createHash("sha256");
  const content = spooled.open();
  if (content instanceof Uint8Array) return hash.update(content).digest("hex");
  for await (const piece of content) hash.update(piece);
  return hash.digest("hex");
}

/** Waits for both, also when one fails: what is sent must not be closed while it is still being read. */
async function settleBoth<A, B>(first: Promise<A>, second: Promise<B> | undefined): Promise<[A, B | undefined]> {
  await Promise.allSettled([first, second]);
  return [await first, await second];
}

function existsAlready({ name }: ObjectName): CofferError {
  return new CofferError("already-exists", `${name} exists already`);
}

async function within<Result>(gate: Gate, action: () => Promise<Result>): Promise<Result> {
  await gate.enter();
  try {
    return await action();
  } finally {
    gate.leave();
  }
}
