/** Storing the parts of a batch, each as a single upload would be, several at the same time. */
import { STATUS_CODES } from "node:http";
import type { Readable } from "node:stream";
import { CofferError } from "../../shared/errors.ts";
import { type BatchLimits, type PartResult, parsePartName } from "../../shared/rest/batch.ts";
import { Gate } from "../gate.ts";
import type { PartReceiver } from "../http/multipart.ts";
import { statusOfError } from "../http/statuses.ts";
import type { Storage } from "../storage/storage.ts";
import { PartContent } from "./part-content.ts";

/**
 * Storing a small object is waiting for the disk, so many wait together; more would take the places of other clients. Parts up to this
 * size arrive whole before they are stored. Larger ones are stored while they arrive, one at a time and after all others: while a part
 * waits for its client, nothing else waits for it.
 */
const parallelParts = 8;
const smallPartBytes = 262_144;
/** Whole parts that wait to be stored: more stay on the line. */
const waitingParts = 32;
const waitingBytes = 1_048_576;

export interface BatchPartsOptions {
  readonly storage: Storage;
  readonly limits: BatchLimits;
  /** Told about parts that could not be stored for a reason on the server's side. */
  reportFailure(error: unknown): void;
}

interface MutableResult {
  readonly name: string;
  status: number;
  error?: string;
}

export class BatchParts implements PartReceiver {
  readonly #options: BatchPartsOptions;
  readonly #results: MutableResult[] = [];
  readonly #gate = new Gate(parallelParts);
  /** Settles when all parts so far have been dealt with. */
  #earlier: Promise<unknown> = Promise.resolve();
  #waitingParts = 0;
  #waitingBytes = 0;
  #wake: (() => void) | undefined;

  constructor(options: BatchPartsOptions) {
    this.#options = options;
  }

  /** In the order of the parts. */
  get results(): readonly PartResult[] {
    return this.#results;
  }

  receive(name: string, stream: Readable): Promise<void> {
    const result = { name, status: 200 };
    this.#results.push(result);
    const content = new PartContent(stream, this.#options.limits.partBytes);
    const part = this.#receive(result, content, this.#earlier);
    this.#earlier = Promise.all([this.#earlier, part]);
    return part;
  }

  refuse(name: string): void {
    this.#results.push({ name, status: 400, error: "part expected a file name, which may be anything" });
  }

  async ready(): Promise<void> {
    while (this.#waitingParts >= waitingParts || this.#waitingBytes >= waitingBytes) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #receive(result: MutableResult, content: PartContent, earlier: Promise<unknown>): Promise<void> {
    try {
      await this.#store(result.name, content, earlier);
    } catch (error) {
      this.#refuse(result, content, error);
    } finally {
      await content.discard();
    }
  }

  #refuse(result: MutableResult, content: PartContent, error: unknown): void {
    result.status = content.isTooLong ? 413 : statusOfError(error instanceof CofferError ? error.code : "internal");
    const isForClient = error instanceof CofferError && error.data["isForClient"] === true;
    // Messages of the storage name places on the disk.
    result.error = isForClient ? error.message : (STATUS_CODES[result.status] ?? "Unknown");
    if (result.status >= 500 && !content.isCut) this.#options.reportFailure(error);
  }

  async #store(name: string, content: PartContent, earlier: Promise<unknown>): Promise<void> {
    const handle = parsePartName(name);
    if (handle === undefined) {
      const expected =
        "TYPE/ID, where TYPE is data, index, keys, locks or snapshots and ID has 64 lower-case hex digits";
      throw new CofferError("malformed", `name of a part expected ${expected}`, { data: { isForClient: true } });
    }
    const { storage } = this.#options;
    if (!(await content.gather(smallPartBytes))) {
      await earlier;
      return storage.put(handle, content);
    }
    const { gatheredBytes } = content;
    this.#waitingParts += 1;
    this.#waitingBytes += gatheredBytes;
    await this.#gate.enter();
    try {
      await storage.put(handle, content);
    } finally {
      this.#gate.leave();
      this.#waitingParts -= 1;
      this.#waitingBytes -= gatheredBytes;
      this.#wake?.();
    }
  }
}
