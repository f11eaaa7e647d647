/** The memory that a response body of perhaps unknown length goes into, bounded. */
import { CofferError } from "../../shared/errors.ts";

/** More than this is not allocated on a server's word alone: the memory grows as bytes arrive. */
const trustedLengthBytes = 32 * 1024 * 1024;
const unknownLengthBytes = 64 * 1024;

export interface BodyMemoryOptions {
  /** Memory of the caller, of which nothing else may be used. */
  readonly given?: Uint8Array | undefined;
  /** The announced length. */
  readonly lengthBytes?: number | undefined;
  readonly limitBytes: number;
  /** What is being received, for messages. */
  readonly subject: string;
}

export class BodyMemory {
  readonly #limitBytes: number;
  readonly #isGiven: boolean;
  readonly #subject: string;
  #memory: Uint8Array;
  #receivedBytes = 0;

  /** Throws `limit-exceeded` when the announced length is above the limit. */
  constructor({ given, lengthBytes, limitBytes, subject }: BodyMemoryOptions) {
    this.#limitBytes = given?.length ?? limitBytes;
    this.#isGiven = given !== undefined;
    this.#subject = subject;
    if ((lengthBytes ?? 0) > this.#limitBytes) throw this.#tooLong(lengthBytes ?? 0);
    this.#memory = given ?? new Uint8Array(Math.min(lengthBytes ?? unknownLengthBytes, trustedLengthBytes));
  }

  /** Copies the next piece. Throws `limit-exceeded` when there is no room for it. */
  append(piece: Uint8Array): void {
    const neededBytes = this.#receivedBytes + piece.length;
    if (neededBytes > this.#limitBytes) throw this.#tooLong(neededBytes);
    if (neededBytes > this.#memory.length && !this.#isGiven) this.#growTo(neededBytes);
    this.#memory.set(piece, this.#receivedBytes);
    this.#receivedBytes = neededBytes;
  }

  /** What was received so far: a view. */
  get received(): Uint8Array {
    return this.#memory.subarray(0, this.#receivedBytes);
  }

  #growTo(neededBytes: number): void {
    const doubledBytes = Math.min(2 * this.#memory.length, this.#limitBytes);
    const grown = new Uint8Array(Math.max(neededBytes, doubledBytes));
    grown.set(this.received);
    this.#memory = grown;
  }

  #tooLong(lengthBytes: number): CofferError {
    const message = `${this.#subject}: expected at most ${this.#limitBytes} bytes, got ${lengthBytes}`;
    return new CofferError("limit-exceeded", message);
  }
}
