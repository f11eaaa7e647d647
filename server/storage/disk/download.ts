/** Reading stored files in pooled buffers. */
import { CofferError } from "../../../shared/errors.ts";
import type { Gate } from "../../gate.ts";
import { type ByteExtent, type ByteSelection, requireExtent } from "../selection.ts";
import type { StoredContent } from "../storage.ts";
import { pooledBufferBytes, returnBuffer, takeBuffer } from "./buffer-pool.ts";
import { closeFile, openFile, readFlags, readFully, statusOfOpen } from "./file-system.ts";

/**
 * Opens a file and reads the beginning of what was selected. A selection that fits one buffer is read whole and the file closed
 * before anybody waits for a client. Each read takes a place of the gate for itself.
 */
export function openDownload(path: string, selection: ByteSelection | undefined, gate: Gate): Promise<Download> {
  return gate.run(() => openWithPlace(path, selection, gate));
}

async function openWithPlace(path: string, selection: ByteSelection | undefined, gate: Gate): Promise<Download> {
  const source = new OpenFile(await openFile(path, readFlags));
  const buffer = takeBuffer();
  try {
    const status = statusOfOpen(source.descriptor);
    if (!status.isFile()) throw new CofferError("not-found", `${path} is not a regular file`);
    const extent = requireExtent(selection, status.size);
    const beginning = buffer.subarray(0, Math.min(extent.lengthBytes, pooledBufferBytes));
    await readWhole(source, beginning, extent.offsetBytes, path);
    if (beginning.length === extent.lengthBytes) source.close();
    return new Download({ path, source, gate }, status.size, extent, buffer);
  } catch (error) {
    returnBuffer(buffer);
    source.close();
    throw error;
  }
}

async function readWhole(source: OpenFile, target: Uint8Array, offsetBytes: number, path: string): Promise<void> {
  const readBytes = await readFully(source.descriptor, target, offsetBytes);
  if (readBytes < target.length) {
    throw new CofferError("damaged", `${path} expected ${target.length} bytes at ${offsetBytes}, got ${readBytes}`);
  }
}

/** A descriptor that is closed once. */
class OpenFile {
  readonly descriptor: number;
  #isOpen = true;

  constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeFile(this.descriptor);
  }
}

/** Where the rest is read from. */
interface DownloadOrigin {
  readonly path: string;
  readonly source: OpenFile;
  readonly gate: Gate;
}

class Download implements StoredContent {
  readonly totalBytes: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly #origin: DownloadOrigin;
  #buffer: Buffer | undefined;

  /** `buffer` holds the beginning of the extent. */
  constructor(origin: DownloadOrigin, totalBytes: number, extent: ByteExtent, buffer: Buffer) {
    this.#origin = origin;
    this.totalBytes = totalBytes;
    this.offsetBytes = extent.offsetBytes;
    this.lengthBytes = extent.lengthBytes;
    this.#buffer = buffer;
  }

  async *chunks(): AsyncIterable<Uint8Array> {
    const { path, source, gate } = this.#origin;
    let givenBytes = 0;
    while (this.#buffer !== undefined && givenBytes < this.lengthBytes) {
      const chunk = this.#buffer.subarray(0, Math.min(pooledBufferBytes, this.lengthBytes - givenBytes));
      const offsetBytes = this.offsetBytes + givenBytes;
      if (givenBytes > 0) await gate.run(() => readWhole(source, chunk, offsetBytes, path));
      givenBytes += chunk.length;
      if (givenBytes === this.lengthBytes) source.close();
      yield chunk;
    }
  }

  async close(): Promise<void> {
    this.#origin.source.close();
    if (this.#buffer !== undefined) returnBuffer(this.#buffer);
    this.#buffer = undefined;
  }
}
