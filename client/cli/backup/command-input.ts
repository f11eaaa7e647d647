/** `--stdin-from-command`: the output of a program as a stream that fails when the program does. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { plainError } from "../exit-status.ts";
import { quoteText } from "../text/quote.ts";

/**
 * Starts the program directly, without a shell. Lines of its standard error are given to `tell`. Throws `usage` when it cannot be
 * started; the stream throws when it ends with anything but 0.
 */
export async function openCommandOutput(
  command: readonly string[],
  signal: AbortSignal,
  tell: (line: string) => void,
): Promise<AsyncIterable<Uint8Array>> {
  const [program = "", ...parameters] = command;
  const child = spawn(program, parameters, { stdio: ["inherit", "pipe", "pipe"], signal, killSignal: "SIGTERM" });
  await started(child, program);
  createInterface({ input: child.stderr }).on("line", (line) => tell(`subprocess ${program}: ${line}`));
  return outputOf(child);
}

function started(child: ChildProcess, program: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (error: NodeJS.ErrnoException) => {
      const reason = program.includes("/")
        ? `fork/exec ${program}: ${error.code === "EACCES" ? "permission denied" : "no such file or directory"}`
        : `exec: ${quoteText(program)}: executable file not found in $PATH`;
      reject(plainError(`failed to start command: ${reason}`, { cause: error }));
    });
  });
}

async function* outputOf(child: ChildProcess): AsyncGenerator<Uint8Array, void, void> {
  const ended = new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (exitCode, ending) => {
      if (ending !== null) resolve(`signal: ${ending}`);
      else resolve(exitCode === 0 ? undefined : `exit status ${exitCode}`);
    });
  });
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) yield chunk;
  const failure = await ended;
  if (failure !== undefined) throw plainError(`command failed: ${failure}`);
}
