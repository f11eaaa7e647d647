/** Standard input, whatever it is connected to. */
import { createReadStream, fstatSync } from "node:fs";
import type { Readable } from "node:stream";

/**
 * What Node makes of it for pipes, sockets and terminals. Of a disk Node makes an empty stream, and of a folder too; those are read as
 * files, so that a disk's content is there, and reading a folder fails.
 */
export function openStandardInput(): Readable {
  return isBlockDeviceOrFolder() ? createReadStream("", { fd: 0, autoClose: false }) : process.stdin;
}

function isBlockDeviceOrFolder(): boolean {
  try {
    const status = fstatSync(0);
    return status.isBlockDevice() || status.isDirectory();
  } catch {
    // Closed: Node knows what to make of that.
    return false;
  }
}
