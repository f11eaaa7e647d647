/** Who runs the program, where. */
import { hostname, userInfo } from "node:os";

export interface ProcessOwner {
  readonly hostname: string;
  readonly username: string;
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export function processOwner(): ProcessOwner {
  return {
    hostname: hostname(),
    username: currentUserName(),
    pid: process.pid,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
  };
}

/** Empty for a user that the system has no name for, as in a container that runs under an arbitrary number. */
function currentUserName(): string {
  try {
    return userInfo().username;
  } catch {
    return "";
  }
}

/** Whether a process of this machine exists. Not asked by SIGHUP, as restic does, which ends programs. */
export function isProcessAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Not allowed to signal it: then it exists.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

export function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
