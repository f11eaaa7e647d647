/**
 * Reading objects. A read that breaks off goes on where it was, in the same version of the object; what is shorter than it should be
 * never passes for the whole.
 */
import { CofferError } from "../../../shared/errors.ts";
import type { ByteExtent } from "../selection.ts";
import type { Bucket, ObjectName } from "./bucket.ts";
import { withRetries } from "./retry.ts";
import { transportError } from "./store-error.ts";
import { discardBody, type S3Answer } from "./transport.ts";

/** An answer that has begun to give an extent of an object. */
export interface OpenedRead {
  readonly answer: S3Answer;
  readonly totalBytes: number;
  readonly extent: ByteExtent;
}

/** Where the body of an answer begins in the object, and how large the object is. Throws when the store does not say it. */
export function placeOf(
  object: ObjectName,
  { status, headers }: S3Answer,
): { readonly offsetBytes: number; readonly totalBytes: number } {
  const length = String(headers["content-length"]);
  if (status === 200 && /^\d{1,15}$/.test(length)) return { offsetBytes: 0, totalBytes: Number(length) };
  const match = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15})$/.exec(String(headers["content-range"]));
  if (match !== null) return { offsetBytes: Number(match[1]), totalBytes: Number(match[2]) };
  throw new CofferError("unavailable", `${object.name}: the storage did not say which part it sends`);
}

/** The bytes of an extent in order, from as many answers as it takes. */
export class ResumedRead {
  readonly extent: ByteExtent;
  readonly totalBytes: number;
  readonly #bucket: Bucket;
  readonly #object: ObjectName;
  readonly #onClose: () => void;
  readonly #entityTag: string | undefined;
  #answer: S3Answer;
  #chunks: AsyncIterator<Uint8Array>;
  /** What the next chunk of the answer begins with, and where the answer ends. */
  #answerOffset = 0;
  #answerEnd = 0;
  #position: number;
  #isOpen = true;

  /** `onClose` is called once, as soon as the connection is not needed any more. */
  constructor(bucket: Bucket, object: ObjectName, { answer, totalBytes, extent }: OpenedRead, onClose: () => void) {
    this.#bucket = bucket;
    this.#object = object;
    this.#onClose = onClose;
    this.totalBytes = totalBytes;
    this.extent = extent;
    this.#position = extent.offsetBytes;
    this.#entityTag = entityTagOf(answer);
    this.#answer = answer;
    this.#chunks = this.#startReading(answer);
  }

  get #end(): number {
    return this.extent.offsetBytes + this.extent.lengthBytes;
  }

  /** Not to be called behind the end. Closes with the last chunk. */
  async next(): Promise<Uint8Array> {
    const chunk = await this.#nextOfAnswer().catch((error: unknown) => this.#resume(error));
    this.#position += chunk.length;
    if (this.#position === this.#end) this.close();
    return chunk;
  }

  /** Throws when the answer breaks off or ends too early. */
  async #nextOfAnswer(): Promise<Uint8Array> {
    while (true) {
      const piece = await this.#readAnswer();
      const from = this.#position - this.#answerOffset;
      this.#answerOffset += piece.length;
      if (from < 0) throw new CofferError("unavailable", `${this.#object.name}: the storage sent a later part`);
      const chunk = piece.subarray(from, from + this.#end - this.#position);
      if (chunk.length > 0) return chunk;
    }
  }

  async #readAnswer(): Promise<Uint8Array> {
    const action = `cannot read ${this.#object.name}`;
    let result: IteratorResult<Uint8Array>;
    try {
      result = await this.#chunks.next();
    } catch (cause) {
      throw transportError(action, cause);
    }
    if (result.done !== true) return result.value;
    throw transportError(action, new Error(`expected ${this.#end - this.#position} bytes more`));
  }

  /** Asks for the rest until something of it comes. */
  async #resume(cause: unknown): Promise<Uint8Array> {
    const tag = this.#entityTag;
    if (tag === undefined || !this.#isOpen) throw cause;
    return withRetries(this.#bucket.retries, async () => {
      giveUp(this.#answer);
      const range = `bytes=${this.#position}-${this.#end - 1}`;
      const answer = await this.#bucket.open(this.#object, { range, "if-match": tag });
      if (!this.#isOpen) {
        await discardBody(answer.body);
        throw cause;
      }
      this.#answer = answer;
      this.#chunks = this.#startReading(answer);
      if (entityTagOf(answer) !== tag || placeOf(this.#object, answer).totalBytes !== this.totalBytes) {
        throw new CofferError("unavailable", `${this.#object.name} was replaced while it was read`);
      }
      return this.#nextOfAnswer();
    });
  }

  #startReading(answer: S3Answer): AsyncIterator<Uint8Array> {
    const { offsetBytes, totalBytes } = placeOf(this.#object, answer);
    const length = Number(answer.headers["content-length"]);
    this.#answerOffset = offsetBytes;
    this.#answerEnd = Number.isSafeInteger(length) ? offsetBytes + length : totalBytes;
    return answer.body[Symbol.asyncIterator]();
  }

  /** Idempotent; never throws. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#onClose();
    // Only an answer whose end was seen leaves its connection to the next request.
    if (this.#answerOffset === this.#answerEnd) this.#chunks.next().catch(() => undefined);
    else giveUp(this.#answer);
  }
}

function giveUp({ body }: S3Answer): void {
  body.on("error", () => undefined).destroy();
}

function entityTagOf({ headers }: S3Answer): string | undefined {
  const tag = headers["etag"];
  return typeof tag === "string" && tag !== "" ? tag : undefined;
}
