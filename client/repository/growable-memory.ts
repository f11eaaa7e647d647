/** Memory that several threads may use, and that grows in place; plain memory where there is no such thing. */

export type TableBuffer = ArrayBuffer | SharedArrayBuffer;

/** ECMAScript 2024; every Node that this program runs on has it, older browsers do not. */
interface GrowableBuffer extends SharedArrayBuffer {
  readonly maxByteLength: number;
  grow(byteLength: number): void;
}

/** Zeroed memory: growable and shared where there is such a thing, otherwise of this thread alone. */
export function allocate(byteLength: number, maxByteLength: number): TableBuffer {
  if (typeof SharedArrayBuffer !== "function" || !("grow" in SharedArrayBuffer.prototype)) {
    return new ArrayBuffer(byteLength);
  }
  const Growable = SharedArrayBuffer as unknown as new (
    length: number,
    options: { maxByteLength: number },
  ) => SharedArrayBuffer;
  // Only addresses are reserved; where even they are scarce (ulimit -v), less will do.
  for (let reserved = maxByteLength; reserved > byteLength; reserved = Math.floor(reserved / 2)) {
    try {
      return new Growable(byteLength, { maxByteLength: reserved });
    } catch {
      // Try with less.
    }
  }
  return new Growable(byteLength, { maxByteLength: byteLength });
}

/** All of the buffer as it is now. Views that follow a growing buffer exist, but are three times as slow. */
export function viewOf(buffer: TableBuffer): Int32Array {
  return new Int32Array(buffer, 0, buffer.byteLength / 4);
}

/** The view itself, or a new one when the buffer has grown. */
export function renewedView(view: Int32Array): Int32Array {
  return view.byteLength === view.buffer.byteLength ? view : viewOf(view.buffer);
}

/** At least that long, in the same buffer if it can grow so far, otherwise in another with the same content. */
export function resizedView(view: Int32Array, byteLength: number, maxByteLength: number): Int32Array {
  const { buffer } = view;
  if (buffer.byteLength >= byteLength) return viewOf(buffer);
  if (isGrowable(buffer) && buffer.maxByteLength >= byteLength) {
    buffer.grow(byteLength);
    return viewOf(buffer);
  }
  const resized = viewOf(allocate(byteLength, maxByteLength));
  resized.set(view);
  return resized;
}

/** Lengthens a buffer that other threads use. False when it cannot grow so far. */
export function growShared(buffer: ArrayBufferLike, byteLength: number): boolean {
  if (!isGrowable(buffer) || buffer.maxByteLength < byteLength) return false;
  if (buffer.byteLength < byteLength) buffer.grow(byteLength);
  return true;
}

function isGrowable(buffer: ArrayBufferLike): buffer is GrowableBuffer {
  return !(buffer instanceof ArrayBuffer) && "grow" in buffer;
}

const pauseWord = typeof SharedArrayBuffer === "function" ? new Int32Array(new SharedArrayBuffer(4)) : undefined;

/** Lets other threads run for a millisecond. A browser's main thread may not wait: it only asks again. */
export function pauseThread(): void {
  if (pauseWord === undefined) return;
  try {
    Atomics.wait(pauseWord, 0, 0, 1);
  } catch {
    // A thread that may not wait.
  }
}
