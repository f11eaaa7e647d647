/** Faults on purpose, for tests: failures before and after an operation, lost answers, delays, damaged bytes. */
import type { FileHandle, FileType } from "../../shared/format/layout.ts";
import type { Backend, FileInfo, LoadOptions } from "./backend.ts";
import { BackendWrapper } from "./wrapper.ts";

export type OperationName = "create" | "list" | "stat" | "load" | "save" | "remove";

export interface OperationCall {
  readonly name: OperationName;
  readonly type: FileHandle["type"] | undefined;
  /** Absent for create, list and `config`. */
  readonly id: string | undefined;
  /** How many calls of this name came before. */
  readonly index: number;
}

export interface Fault {
  /** Waited for first. */
  readonly delay?: Promise<void>;
  /** Thrown instead of the operation. */
  readonly before?: Error;
  /** Thrown although the operation succeeded: a lost answer. */
  readonly after?: Error;
  /** Changes what was loaded. */
  readonly damage?: (bytes: Uint8Array) => Uint8Array;
}

export class FaultyBackend extends BackendWrapper {
  /** All calls so far, in order. */
  readonly calls: OperationCall[] = [];
  readonly #decide: (call: OperationCall) => Fault | undefined;

  constructor(inner: Backend, decide: (call: OperationCall) => Fault | undefined) {
    super(inner);
    this.#decide = decide;
  }

  override create(signal?: AbortSignal): Promise<void> {
    return this.#run("create", undefined, () => this.inner.create(signal));
  }

  override list(type: FileType, signal?: AbortSignal): Promise<FileInfo[]> {
    return this.#run("list", { type }, () => this.inner.list(type, signal));
  }

  override stat(handle: FileHandle, signal?: AbortSignal): Promise<number> {
    return this.#run("stat", handle, () => this.inner.stat(handle, signal));
  }

  override load(handle: FileHandle, options?: LoadOptions): Promise<Uint8Array> {
    return this.#run("load", handle, async (fault) => {
      const bytes = await this.inner.load(handle, options);
      return fault?.damage?.(bytes) ?? bytes;
    });
  }

  override save(handle: FileHandle, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#run("save", handle, () => this.inner.save(handle, body, signal));
  }

  override remove(handle: FileHandle, signal?: AbortSignal): Promise<void> {
    return this.#run("remove", handle, () => this.inner.remove(handle, signal));
  }

  async #run<Result>(
    name: OperationName,
    subject: { readonly type: FileHandle["type"]; readonly id?: string } | undefined,
    work: (fault: Fault | undefined) => Promise<Result>,
  ): Promise<Result> {
    const index = this.calls.filter((call) => call.name === name).length;
    const call: OperationCall = { name, type: subject?.type, id: subject?.id, index };
    this.calls.push(call);
    const fault = this.#decide(call);
    await fault?.delay;
    if (fault?.before) throw fault.before;
    const result = await work(fault);
    if (fault?.after) throw fault.after;
    return result;
  }
}
