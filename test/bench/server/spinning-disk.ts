/**
 * Preloaded into a server process (`node --import`): makes its disk one that spins. What is read from files and synced to them waits for
 * one arm, in the order in which it was asked for: 8 ms for a seek, then 150 MB/s. Reading on in one of the eight files that were
 * read last costs no seek: so much do drives and systems read ahead. Writing costs nothing until it is synced, which takes a seek
 * for the file and one for the journal. Folders and sizes are in memory.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const seekMs = 8;
const bytesPerMs = 150_000;
const filesReadAhead = 8;

type Callback = (...results: unknown[]) => void;
type Call = (...parameters: unknown[]) => void;

let busyUntilMs = 0;
let filesOpened = 0;
/** Descriptor to a name for what was opened under it, because descriptors are used again. */
const openFiles = new Map<number, number>();
/** Where reading goes on without a seek, the one read last at the end. */
const readAhead = new Map<number, number>();
const unsyncedBytes = new Map<number, number>();

/** Calls the original when the disk has done what was asked for before, and this. */
function occupy(durationMs: number, action: () => void): void {
  const nowMs = performance.now();
  busyUntilMs = Math.max(nowMs, busyUntilMs) + durationMs;
  setTimeout(action, busyUntilMs - nowMs);
}

function readingMs(descriptor: number, lengthBytes: number, offsetBytes: number): number {
  const file = openFiles.get(descriptor) ?? 0;
  const goesOn = readAhead.get(file) === offsetBytes;
  readAhead.delete(file);
  readAhead.set(file, offsetBytes + lengthBytes);
  for (const oldest of readAhead.keys()) {
    if (readAhead.size <= filesReadAhead) break;
    readAhead.delete(oldest);
  }
  return lengthBytes / bytesPerMs + (goesOn ? 0 : seekMs);
}

const original = {
  open: fs.open as unknown as Call,
  read: fs.read as unknown as Call,
  writev: fs.writev as unknown as Call,
  fsync: fs.fsync as unknown as Call,
};

const slow: Readonly<Record<keyof typeof original, Call>> = {
  open: (...parameters) => {
    const callback = parameters.pop() as Callback;
    original.open(...parameters, (error: unknown, descriptor: number) => {
      filesOpened += 1;
      openFiles.set(descriptor, filesOpened);
      callback(error, descriptor);
    });
  },
  read: (...parameters) => {
    const [descriptor, , , lengthBytes, offsetBytes] = parameters as [number, unknown, number, number, number];
    occupy(readingMs(descriptor, lengthBytes, offsetBytes), () => original.read(...parameters));
  },
  writev: (descriptor, chunks, callback) => {
    original.writev(descriptor, chunks, (error: unknown, writtenBytes: number) => {
      const before = unsyncedBytes.get(descriptor as number) ?? 0;
      unsyncedBytes.set(descriptor as number, before + (writtenBytes ?? 0));
      (callback as Callback)(error, writtenBytes);
    });
  },
  fsync: (descriptor, callback) => {
    const bytes = unsyncedBytes.get(descriptor as number) ?? 0;
    unsyncedBytes.delete(descriptor as number);
    occupy(2 * seekMs + bytes / bytesPerMs, () => original.fsync(descriptor, callback));
  },
};

Object.assign(fs, slow);
syncBuiltinESMExports();
