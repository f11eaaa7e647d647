/** Names of unfinished uploads. They tell whose they are, so that a server that starts leaves those of another one alone. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { entryStatusOf, failedWith } from "./file-system.ts";

/** Longer than any upload: after that a process of that number is another one. */
const longestUploadMs = 24 * 60 * 60 * 1000;

/** Changes whenever the machine starts, which makes process numbers mean something else. */
const bootId = readBootId();

/** Names of other servers are avoided by the random part, names of this one by counting. */
const namesOfThisProcess = `${bootId}-${process.pid}-${randomBytes(12).toString("hex")}`;
let namesGiven = 0;

/** A name that no other upload has or had. */
export function newUploadName(): string {
  namesGiven += 1;
  return `${namesOfThisProcess}-${namesGiven}`;
}

/**
 * True when the file of that name is the upload of another process of this machine that still runs. In a container the number is
 * always the same, and as its own it counts as gone.
 */
export async function isInUse(path: string): Promise<boolean> {
  const [boot, pid] = basename(path).split("-");
  if (boot !== bootId || pid === undefined || Number(pid) === process.pid || !isAlive(Number(pid))) return false;
  const status = await entryStatusOf(path).catch(() => undefined);
  return status !== undefined && Date.now() - status.mtimeMs < longestUploadMs;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return failedWith(error, "EPERM");
  }
}

/** "0" where it cannot be told. */
function readBootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").slice(0, 8);
  } catch {
    return "0";
  }
}
