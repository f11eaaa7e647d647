/** Reads of exactly the length that is wanted: the system may return fewer bytes at a time. */
import type { FileHandle } from "node:fs/promises";
import { CofferError } from "../../shared/errors.ts";
import { throwIfCancelled } from "../backends/cancellation.ts";

/** A cancelled read ends after at most one more piece of this length. */
const pieceBytes = 4 * 1024 * 1024;

/** Fills `memory` from the offset on. Throws `unavailable` when the file ends before. */
export async function readFully(
  file: FileHandle,
  memory: Uint8Array,
  offsetBytes: number,
  signal?: AbortSignal,
): Promise<void> {
  for (let done = 0; done < memory.length; ) {
    throwIfCancelled(signal);
    const length = Math.min(pieceBytes, memory.length - done);
    const { bytesRead } = await file.read(memory, done, length, offsetBytes + done);
    if (bytesRead === 0) throw new CofferError("unavailable", "the file became shorter while it was read");
    done += bytesRead;
  }
}
