/**
 * Sockets that read into one piece of memory again and again. Node's sockets make a new 64 KiB buffer for each read; at
 * hundreds of megabytes per second those buffers and their collection cost more than the network. With `onread` the
 * system reads up to 1 MiB at once into memory that is ours, and undici takes it from there synchronously.
 */
import type { Socket } from "node:net";

/** Large reads halve the work per byte; several sockets of 1 MiB are no burden. */
const readBufferBytes = 1024 * 1024;

/**
 * The longest response head that undici is told to accept. undici keeps views of a head that has only come in part; a head
 * can only be in part in a read shorter than this, so shorter reads are handed out as copies.
 */
export const maxHeadBytes: number = 16 * 1024;

export interface OnRead {
  readonly buffer: Buffer;
  readonly callback: (lengthBytes: number) => boolean;
}

/** The memory of one socket: `onRead` for its creation, `attach` once it exists and before anything is read. */
export class ReusedMemory {
  readonly onRead: OnRead;
  #held: Buffer | null = null;
  #socket: Socket | null = null;

  /** `sizeBytes`: the most that is read at once; smaller when reading is to be slowed down. */
  constructor(sizeBytes: number = readBufferBytes) {
    const buffer = Buffer.allocUnsafeSlow(sizeBytes);
    this.onRead = { buffer, callback: (lengthBytes) => this.#arrived(buffer.subarray(0, lengthBytes)) };
  }

  /** Makes the socket's `read` hand out what has arrived; everything else, such as its end, stays Node's own. */
  attach(socket: Socket): void {
    this.#socket = socket;
    const read = socket.read;
    socket.read = (size?: number): unknown => {
      const held = this.#held;
      if (held === null || size === 0) return read.call(socket, size);
      this.#held = null;
      return held;
    };
    // What a paused reader gives back must outlive the next read.
    socket.unshift = (rest: Uint8Array): void => {
      if (rest.length > 0) this.#held = Buffer.from(rest);
    };
  }

  /** Called by the socket; false makes it stop reading until `read` is called again. */
  #arrived(bytes: Buffer): boolean {
    this.#held = bytes.length < maxHeadBytes ? Buffer.from(bytes) : bytes;
    this.#socket?.emit("readable");
    if (this.#held === null) return true;
    // Nobody took it: the reader is paused.
    this.#held = Buffer.from(this.#held);
    return false;
  }
}
