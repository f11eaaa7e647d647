/** A password that another program prints. */
import { spawn } from "node:child_process";
import { CofferError } from "../../../shared/errors.ts";
import { plainError } from "../exit-status.ts";
import { quoteText } from "../text/quote.ts";
import { splitWords } from "../text/split-words.ts";

/** More than any password; a program that prints without end must not fill the memory. */
const longestOutputBytes = 1 << 20;

/**
 * Runs the command without a shell; its input and its standard error are the terminal's. Returns what it printed, white space
 * around it removed. Throws `usage` with the reason when it fails.
 */
export async function readPasswordFromCommand(commandLine: string, signal: AbortSignal): Promise<string> {
  const [program, ...parameters] = splitWords(commandLine);
  if (program === undefined) throw plainError("command string is empty");
  const output = await run(program, parameters, signal);
  return output.toString("utf8").trim();
}

function run(program: string, parameters: readonly string[], signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { stdio: ["inherit", "pipe", "inherit"], signal });
    const chunks: Buffer[] = [];
    let lengthBytes = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      lengthBytes += chunk.length;
      if (lengthBytes > longestOutputBytes) {
        child.kill();
        reject(plainError(`password command printed more than ${longestOutputBytes} bytes`));
      } else chunks.push(chunk);
    });
    child.once("error", (error) => reject(startFailure(error, program)));
    child.once("close", (exitCode, ending) => {
      if (ending !== null) reject(plainError(`signal: ${nameOfEnding(ending)}`));
      else if (exitCode !== 0) reject(plainError(`exit status ${exitCode}`));
      else resolve(Buffer.concat(chunks));
    });
  });
}

function startFailure(error: NodeJS.ErrnoException, program: string): Error {
  if (error.name === "AbortError") return new CofferError("cancelled", "context canceled");
  const reason = error.code === "EACCES" ? "permission denied" : "no such file or directory";
  if (program.includes("/")) return plainError(`fork/exec ${program}: ${reason}`, { cause: error });
  return plainError(`exec: ${quoteText(program)}: executable file not found in $PATH`, { cause: error });
}

function nameOfEnding(signal: NodeJS.Signals): string {
  const names: Partial<Record<NodeJS.Signals, string>> = {
    SIGKILL: "killed",
    SIGTERM: "terminated",
    SIGINT: "interrupt",
    SIGHUP: "hangup",
    SIGSEGV: "segmentation fault",
  };
  return names[signal] ?? signal;
}
