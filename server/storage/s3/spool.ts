/**
 * An upload, received whole before anything of it is sent on. So a client that goes away leaves nothing in the store, the length
 * is known, and what fails on the way to the store can be sent again.
 *
 * Small uploads stay in memory; the others go to a file that has no name any more when the first byte is written, so
 * that nothing is left of it, however this process ends.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { join } from "node:path";
import { CofferError } from "../../../shared/errors.ts";
import { DiskQueue, defaultTransfers } from "../disk/disk-queue.ts";
import {
  closeFile,
  createFlags,
  openFile,
  ownerModes,
  readFully,
  statusOfOpen,
  unlinkFile,
} from "../disk/file-system.ts";
import { makeFolders } from "../disk/folders.ts";
import { ReceivedBody } from "../disk/received-body.ts";

/** How much is read and handed to the connection at once. */
const pieceBytes = 262_144;
const readWriteFlags = (createFlags & ~constants.O_WRONLY) | constants.O_RDWR;

/** Who may write to the disk. */
const queue = new DiskQueue(defaultTransfers);

/** A received upload. Whoever gets one has to close it. */
export interface SpooledBody {
  readonly sizeBytes: number;
  /** The bytes from the beginning, as often as they are asked for. */
  open(): Uint8Array | AsyncIterable<Uint8Array>;
  close(): void;
}

/** Receives a body. Throws what the body throws, and `unavailable` when the temporary file cannot be written. */
export async function spool(body: AsyncIterable<Uint8Array>, folder: string): Promise<SpooledBody> {
  const received = new ReceivedBody(body);
  try {
    await received.begin();
    const whole = received.whole;
    if (whole === undefined) return await spoolToFile(received, folder);
    const content = Buffer.concat(whole);
    return { sizeBytes: content.length, open: () => content, close: () => undefined };
  } finally {
    await received.abandon();
  }
}

async function spoolToFile(received: ReceivedBody, folder: string): Promise<SpooledBody> {
  const descriptor = await openNamelessFile(folder);
  try {
    const turn = queue.turnFor("", false);
    await turn.take();
    try {
      await received.writeTo(descriptor, turn);
    } finally {
      turn.end();
    }
    return new SpoolFile(descriptor);
  } catch (error) {
    closeFile(descriptor);
    throw isSystemError(error) ? spoolError(folder, error) : error;
  }
}

class SpoolFile implements SpooledBody {
  readonly sizeBytes: number;
  readonly #descriptor: number;
  #runningReads = 0;
  #isClosed = false;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
    this.sizeBytes = statusOfOpen(descriptor).size;
  }

  /** Each piece is memory of its own: the connection may still hold it when the next one is asked for. */
  async *open(): AsyncIterable<Uint8Array> {
    for (let offset = 0; offset < this.sizeBytes; offset += pieceBytes) {
      const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, this.sizeBytes - offset));
      await this.#read(piece, offset);
      yield piece;
    }
  }

  async #read(piece: Buffer, offset: number): Promise<void> {
    if (this.#isClosed) throw new CofferError("internal", "a spooled upload was read after it was closed");
    this.#runningReads += 1;
    try {
      const readBytes = await readFully(this.#descriptor, piece, offset);
      if (readBytes < piece.length) throw new CofferError("internal", "a spooled upload has become shorter");
    } finally {
      this.#runningReads -= 1;
      this.#closeWhenIdle();
    }
  }

  /** A connection that was given up may still be reading; the number of a closed file could by then be another file's. */
  close(): void {
    this.#isClosed = true;
    this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    if (this.#isClosed && this.#runningReads === 0) closeFile(this.#descriptor);
  }
}

async function openNamelessFile(folder: string): Promise<number> {
  const path = join(folder, `spool-${randomBytes(12).toString("hex")}`);
  try {
    await makeFolders(folder, ownerModes.folder);
    const descriptor = await openFile(path, readWriteFlags, ownerModes.file);
    await unlinkFile(path);
    return descriptor;
  } catch (error) {
    throw spoolError(folder, error);
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && !(error instanceof CofferError) && "syscall" in error;
}

/** That this machine has no room is not a full storage: the client may try again. */
function spoolError(folder: string, cause: unknown): CofferError {
  const message = `cannot keep an upload in ${folder} until it is whole: ${(cause as Error).message}; make room there`;
  return new CofferError("unavailable", message, { cause });
}
