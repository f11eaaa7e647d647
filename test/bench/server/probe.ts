/** What the operating system knows about a process. Linux only (reads /proc). */
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";

/** Clock ticks of /proc/PID/stat; the same on all Linux systems that Node runs on. */
const ticksPerSecond = 100;

export interface Handles {
  readonly files: number;
  readonly sockets: number;
  readonly threads: number;
}

/** Of a process and those that it has started and that still run. */
export function cpuSecondsOf(pid: number): number {
  return sumOf(familyOf(pid), ownCpuSecondsOf);
}

function ownCpuSecondsOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name before it may contain anything, blanks and brackets included.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

export function residentMiBOf(pid: number): number {
  return sumOf(familyOf(pid), (each) => readStatus(each, "VmRSS") / 1024);
}

/** The most that was resident since the start or since `forgetPeak`; of several processes, the sum of each one's most. */
export function peakMiBOf(pid: number): number {
  return sumOf(familyOf(pid), (each) => readStatus(each, "VmHWM") / 1024);
}

export function forgetPeak(pid: number): void {
  for (const each of familyOf(pid)) writeFileSync(`/proc/${each}/clear_refs`, "5");
}

function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
  return [pid, ...children.flatMap(familyOf)];
}

function sumOf(pids: readonly number[], measure: (pid: number) => number): number {
  return pids.reduce((sum, pid) => sum + measure(pid), 0);
}

/** Regular files, sockets and threads; what a process needs for itself (event loop, pipes) is not counted. */
export function handlesOf(pid: number): Handles {
  let files = 0;
  let sockets = 0;
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${name}`);
      if (target.startsWith("socket:")) sockets += 1;
      else if (target.startsWith("/") && !target.startsWith("/dev/")) files += 1;
    } catch {
      // Closed since the folder was read.
    }
  }
  return { files, sockets, threads: readStatus(pid, "Threads") };
}

function readStatus(pid: number, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"));
  return match === null ? Number.NaN : Number(match[1]);
}
