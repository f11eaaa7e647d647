/** Running the client and the foreign programs that tests compare it with. */
import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface ProgramRun {
  readonly exitCode: number;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningProgram {
  readonly pid: number;
  /** Settles when the program has ended; never rejects because of its exit code. */
  readonly finished: Promise<ProgramRun>;
  kill(signal: NodeJS.Signals): void;
}

export interface ProgramOptions {
  /** Added to a clean environment: PATH, HOME, TZ, TMPDIR and nothing of the caller's RESTIC_ variables. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string | Uint8Array;
}

const clientProgram = fileURLToPath(new URL("../../client/main.ts", import.meta.url));
/** Stripping the types of a hundred sources takes half a second of CPU; it is done once for all runs. */
export const compileCache: string = fileURLToPath(new URL("../../node_modules/.cache/coffer-tests", import.meta.url));
const cofferCommand: readonly string[] = [process.execPath, clientProgram];

export function startCoffer(parameters: readonly string[], options: ProgramOptions = {}): RunningProgram {
  return startProgram([...cofferCommand, ...parameters], options);
}

/** Runs the client from its sources to its end. */
export function runCoffer(parameters: readonly string[], options: ProgramOptions = {}): Promise<ProgramRun> {
  return startCoffer(parameters, options).finished;
}

/** Runs the restic on PATH. */
export function runRestic(parameters: readonly string[], options: ProgramOptions = {}): Promise<ProgramRun> {
  return startProgram(["restic", ...parameters], options).finished;
}

export function startProgram(command: readonly string[], options: ProgramOptions = {}): RunningProgram {
  const [program = "", ...parameters] = command;
  const child = spawn(program, parameters, {
    cwd: options.cwd,
    env: cleanEnvironment(options.env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const texts = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    texts.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    texts.stderr += text;
  });
  const finished = new Promise<ProgramRun>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode, signal) => resolve({ exitCode: exitCode ?? -1, signal, ...texts }));
  });
  return { pid: child.pid ?? 0, finished, kill: (signal) => child.kill(signal) };
}

function cleanEnvironment(added: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("RESTIC_") && name !== "TZ");
  return { ...Object.fromEntries(kept), TZ: "UTC", NODE_COMPILE_CACHE: compileCache, ...added };
}

/** Throws with everything the program printed when it did not end with the expected exit code. */
export function expectExit(run: ProgramRun, exitCode = 0): ProgramRun {
  if (run.exitCode !== exitCode) {
    throw new Error(`exit code ${run.exitCode} (${run.signal}), expected ${exitCode}\n${run.stdout}\n${run.stderr}`);
  }
  return run;
}

/**
 * To be called in a suite's `before`: skips the suite with a plain reason when a program that it needs is missing. In CI
 * that is a failure, because there everything has to run.
 */
export function requirePrograms(context: Mocha.Context, ...programs: readonly string[]): void {
  const missing = programs.filter((program) => spawnSync("which", [program]).status !== 0);
  if (missing.length > 0) skipOrFail(context, `needs ${missing.join(" and ")} on PATH`);
}

/** The same for tests that make device files, change owners or mount file systems. */
export function requireRoot(context: Mocha.Context): void {
  if (process.getuid?.() !== 0) skipOrFail(context, "needs to run as root");
}

function skipOrFail(context: Mocha.Context, reason: string): void {
  if (process.env["CI"] === "true") throw new Error(`${reason}, and in CI nothing may be skipped`);
  process.stdout.write(`    skipped: ${reason}\n`);
  context.skip();
}
