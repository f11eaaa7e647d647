/**
 * What one user may do with one repository. Every route reaches files through this wrapper, so none can forget to ask. Overwriting
 * is refused by every storage anyway.
 */
import { CofferError } from "../../shared/errors.ts";
import { describeHandle, type FileHandle, type FileType } from "../../shared/format/layout.ts";
import { type Access, decideOn, rightsIn } from "../policy/policy.ts";
import type { Operation } from "../policy/rights.ts";
import type { ByteSelection } from "./selection.ts";
import type { Storage, StoredContent, StoredFile, UploadBody } from "./storage.ts";
import { StorageWrapper } from "./wrapper.ts";

/** A lock has some hundred bytes. Whoever may only read must not keep anything else under that name. */
const largestLockBytes = 65_536;

/** Throws `forbidden` for what the rules do not allow, also for what does not exist. */
export class GuardedStorage extends StorageWrapper {
  readonly #access: Access;

  constructor(inner: Storage, access: Access) {
    super(inner);
    this.#access = access;
  }

  override async create(): Promise<void> {
    this.#require({ action: "create" }, "the repository");
    await this.inner.create();
  }

  override async *list(type: FileType): AsyncIterable<readonly StoredFile[]> {
    this.#require({ action: "list", type }, type);
    yield* this.inner.list(type);
  }

  override async stat(handle: FileHandle): Promise<number> {
    this.#requireFor("stat", handle);
    return this.inner.stat(handle);
  }

  override async read(handle: FileHandle, selection?: ByteSelection): Promise<StoredContent> {
    this.#requireFor("read", handle);
    return this.inner.read(handle, selection);
  }

  override async put(handle: FileHandle, body: UploadBody): Promise<void> {
    this.#requireFor("store", handle);
    const isReader = handle.type === "locks" && !rightsIn(this.#access).includes("append");
    await this.inner.put(handle, isReader ? limitLock(handle, body) : body);
  }

  override async remove(handle: FileHandle): Promise<void> {
    this.#requireFor("remove", handle);
    await this.inner.remove(handle);
  }

  #requireFor(action: "stat" | "read" | "store" | "remove", handle: FileHandle): void {
    this.#require({ action, type: handle.type }, describeHandle(handle));
  }

  #require(operation: Operation, what: string): void {
    const { allowed, rule, reason } = decideOn(this.#access, operation);
    if (allowed) return;
    const data = rule === undefined ? {} : { rule: rule.title };
    throw new CofferError("forbidden", `${what}: ${reason}`, { data });
  }
}

async function* limitLock(handle: FileHandle, body: UploadBody): AsyncIterable<Uint8Array> {
  let receivedBytes = 0;
  for await (const chunk of body) {
    receivedBytes += chunk.length;
    if (receivedBytes > largestLockBytes) {
      throw new CofferError(
        "forbidden",
        `${describeHandle(handle)} expected at most ${largestLockBytes} bytes from somebody who may only read`,
      );
    }
    yield chunk;
  }
}
