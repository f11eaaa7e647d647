/** Tells of every change that a request makes to a repository, whatever route makes it. */
import { CofferError } from "../../shared/errors.ts";
import { type FileHandle, pathOf } from "../../shared/format/layout.ts";
import { statusOfError } from "../http/statuses.ts";
import type { Storage } from "../storage/storage.ts";
import { StorageWrapper } from "../storage/wrapper.ts";
import type { Actor, Observer, StorageChange } from "./observer.ts";
import { isRefusal } from "./refusal.ts";

/** The request on whose behalf a storage is used. */
export interface ObservedRequest extends Actor {
  /** Set when a refusal has been told. */
  isRefusalTold?: boolean;
}

type Tell = (change: Omit<StorageChange, keyof Actor | "folders">) => void;
type InTurn = (handle: FileHandle, action: () => Promise<void>) => Promise<void>;

export class StorageObservation {
  readonly #observer: Required<Observer>;
  /** Removals under way by path: of two at once, only one finds the file. */
  readonly #removals = new Map<string, Promise<void>>();

  constructor(observer: Required<Observer>) {
    this.#observer = observer;
  }

  /** The storage of one repository, for one request. */
  watch(storage: Storage, folders: readonly string[], request: ObservedRequest): Storage {
    const tell: Tell = (change) => {
      if (change.action === "refused") request.isRefusalTold = true;
      const { user, clientAddress } = request;
      this.#observer.storageChanged({ user, clientAddress, folders, ...change });
    };
    const inTurn: InTurn = (handle, action) => this.#inTurn([...folders, pathOf(handle)].join("/"), action);
    return new ObservedStorage(storage, tell, inTurn);
  }

  async #inTurn(path: string, action: () => Promise<void>): Promise<void> {
    const before = this.#removals.get(path);
    const turn = before === undefined ? action() : before.then(action, action);
    this.#removals.set(path, turn);
    try {
      await turn;
    } finally {
      if (this.#removals.get(path) === turn) this.#removals.delete(path);
    }
  }
}

class ObservedStorage extends StorageWrapper {
  readonly #tell: Tell;
  readonly #inTurn: InTurn;

  constructor(inner: Storage, tell: Tell, inTurn: InTurn) {
    super(inner);
    this.#tell = tell;
    this.#inTurn = inTurn;
  }

  override async create(): Promise<void> {
    await this.#tellRefusal(undefined, () => this.inner.create());
    this.#tell({ action: "create", status: 200 });
  }

  override async put(handle: FileHandle, body: AsyncIterable<Uint8Array>): Promise<void> {
    const counted = new CountedBody(body);
    await this.#tellRefusal(handle, () => this.inner.put(handle, counted));
    this.#tell({ action: "write", handle, sizeBytes: counted.receivedBytes, status: 200 });
  }

  override remove(handle: FileHandle): Promise<void> {
    return this.#inTurn(handle, async () => {
      const sizeBytes = await this.#sizeOf(handle);
      await this.#tellRefusal(handle, () => this.inner.remove(handle));
      this.#tell({ action: "delete", handle, status: 200, ...(sizeBytes === undefined ? {} : { sizeBytes }) });
    });
  }

  /** Undefined for what is not there. What else is wrong, the removal itself will find. */
  async #sizeOf(handle: FileHandle): Promise<number | undefined> {
    return this.inner.stat(handle).catch(() => undefined);
  }

  async #tellRefusal(handle: FileHandle | undefined, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      const status = error instanceof CofferError ? statusOfError(error.code) : 500;
      if (isRefusal(status)) {
        this.#tell({ action: "refused", status, ...(handle === undefined ? {} : { handle }) });
      }
      throw error;
    }
  }
}

/** A body that knows how much of it was read. Who leaves it early does not end it. */
class CountedBody implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterator<Uint8Array>;
  receivedBytes = 0;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#source = body[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return { next: () => this.#next() };
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    const result = await this.#source.next();
    // Counted now: whoever gets the chunk may take its memory away.
    if (result.done !== true) this.receivedBytes += result.value.length;
    return result;
  }
}
