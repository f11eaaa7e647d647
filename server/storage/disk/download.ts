/** Reading stored files in pooled buffers. */
import { CofferError } from "../../../shared/errors.ts";
import { type ByteExtent, type ByteSelection, requireExtent } from "../selection.ts";
import type { StoredContent } from "../storage.ts";
import { pooledBufferBytes, returnBuffer, takeBuffer } from "./buffer-pool.ts";
import type { DiskTurn } from "./disk-turn.ts";
import { closeFile, openFile, readFlags, readFully, statusOfOpen } from "./file-system.ts";

/**
 * Opens a file and reads the beginning of what was selected. A selection that fits one buffer is read whole and the file closed
 * before anybody waits for a client.
 */
export async function openDownload(
  path: string,
  selection: ByteSelection | undefined,
  turn: DiskTurn,
): Promise<Download> {
  await turn.take(pooledBufferBytes);
  const source = new OpenFile(await endOnError(turn, openFile(path, readFlags)), turn);
  const buffer = takeBuffer();
  try {
    const status = statusOfOpen(source.descriptor);
    if (!status.isFile()) throw new CofferError("not-found", `${path} is not a regular file`);
    const extent = requireExtent(selection, status.size);
    const beginning = buffer.subarray(0, Math.min(extent.lengthBytes, pooledBufferBytes));
    await readWhole(source, beginning, extent.offsetBytes, path);
    if (beginning.length === extent.lengthBytes) source.close();
    else turn.lend();
    return new Download(path, status.size, extent, source, buffer);
  } catch (error) {
    returnBuffer(buffer);
    source.close();
    throw error;
  }
}

async function endOnError(turn: DiskTurn, opening: Promise<number>): Promise<number> {
  try {
    return await opening;
  } catch (error) {
    turn.end();
    throw error;
  }
}

async function readWhole(source: OpenFile, target: Uint8Array, offsetBytes: number, path: string): Promise<void> {
  const readBytes = await readFully(source.descriptor, target, offsetBytes);
  if (readBytes < target.length) {
    throw new CofferError("damaged", `${path} expected ${target.length} bytes at ${offsetBytes}, got ${readBytes}`);
  }
}

/** A descriptor with its place in the queue; both are given back once. */
class OpenFile {
  readonly descriptor: number;
  readonly turn: DiskTurn;
  #isOpen = true;

  constructor(descriptor: number, turn: DiskTurn) {
    this.descriptor = descriptor;
    this.turn = turn;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeFile(this.descriptor);
    this.turn.end();
  }
}

class Download implements StoredContent {
  readonly totalBytes: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly #path: string;
  readonly #source: OpenFile;
  #buffer: Buffer | undefined;

  /** `buffer` holds the beginning of the extent. */
  constructor(path: string, totalBytes: number, extent: ByteExtent, source: OpenFile, buffer: Buffer) {
    this.#path = path;
    this.totalBytes = totalBytes;
    this.offsetBytes = extent.offsetBytes;
    this.lengthBytes = extent.lengthBytes;
    this.#source = source;
    this.#buffer = buffer;
  }

  async *chunks(): AsyncIterable<Uint8Array> {
    const { turn } = this.#source;
    let givenBytes = 0;
    while (this.#buffer !== undefined && givenBytes < this.lengthBytes) {
      const chunk = this.#buffer.subarray(0, Math.min(pooledBufferBytes, this.lengthBytes - givenBytes));
      if (givenBytes > 0) {
        await turn.take(chunk.length);
        await readWhole(this.#source, chunk, this.offsetBytes + givenBytes, this.#path);
      }
      givenBytes += chunk.length;
      if (givenBytes === this.lengthBytes) this.#source.close();
      else turn.lend();
      yield chunk;
    }
  }

  async close(): Promise<void> {
    this.#source.close();
    if (this.#buffer !== undefined) returnBuffer(this.#buffer);
    this.#buffer = undefined;
  }
}
