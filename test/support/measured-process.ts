/** Runs a program to its end and says what it cost: wall time, CPU time, peak memory. Linux only (reads /proc). */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

export interface MeasuredRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly peakMemoryMiB: number;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly input?: string;
}

/** The high-water mark of a process's resident memory, or 0 when it is gone. */
function readPeakMemoryMiB(pid: number): number {
  try {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
    return match ? Number(match[1]) / 1024 : 0;
  } catch {
    return 0;
  }
}

/**
 * CPU time comes from bash's `time`, which counts a whole process when it has been waited for; the peak of memory is
 * sampled, and being a high-water mark it only misses what happened in the last sampling interval.
 */
export function runMeasured(command: readonly string[], options: RunOptions = {}): Promise<MeasuredRun> {
  return new Promise((resolve, reject) => {
    const script = 'TIMEFORMAT="%R %U %S"; exec 3>&2; { time "$@" 2>&3 3>&-; } 2>&4; exit $?';
    const child = spawn("bash", ["-c", script, "bash", ...command], {
      env: options.env ?? process.env,
      cwd: options.cwd,
      stdio: ["pipe", "pipe", "pipe", "ignore", "pipe"],
    });
    const texts = { stdout: "", stderr: "", times: "" };
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      texts.stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      texts.stderr += text;
    });
    child.stdio[4]?.on("data", (chunk: Buffer) => {
      texts.times += chunk.toString("latin1");
    });
    child.stdin?.on("error", () => {});
    child.stdin?.end(options.input ?? "");
    let peakMemoryMiB = 0;
    const sampling = setInterval(() => {
      for (const pid of childrenOf(child.pid)) peakMemoryMiB = Math.max(peakMemoryMiB, readPeakMemoryMiB(pid));
    }, 10);
    child.on("error", (error) => {
      clearInterval(sampling);
      reject(error);
    });
    child.on("close", (exitCode) => {
      clearInterval(sampling);
      const [wall = 0, user = 0, system = 0] = texts.times.trim().split(/\s+/).map(Number);
      resolve({
        exitCode: exitCode ?? 1,
        stdout: texts.stdout,
        stderr: texts.stderr,
        wallSeconds: wall,
        cpuSeconds: user + system,
        peakMemoryMiB,
      });
    });
  });
}

function childrenOf(pid: number | undefined): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
