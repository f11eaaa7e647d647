/** Where a password comes from, in order: nowhere on purpose, a command, a file, the environment, standard input. */
import { readFile } from "node:fs/promises";
import { type CofferError, hasErrorCode } from "../../../shared/errors.ts";
import { fatalError, plainError, wrapError } from "../exit-status.ts";
import type { Output } from "../output.ts";
import type { Cancellation } from "../signals.ts";
import { decodeText } from "../text/decode.ts";

export interface PasswordOptions {
  readonly passwordFile: string;
  readonly passwordCommand: string;
  readonly insecureNoPassword: boolean;
  /** RESTIC_PASSWORD; empty counts as unset. */
  readonly passwordVariable: string;
}

/** A password, or the word that standard input has to be asked. */
export type KnownPassword = { readonly kind: "known"; readonly password: string } | { readonly kind: "ask" };

/** Settles before anything is opened: what is wrong here is said first. Throws `usage`. */
export async function resolvePassword(options: PasswordOptions, signal: AbortSignal): Promise<KnownPassword> {
  const { passwordFile, passwordCommand, insecureNoPassword, passwordVariable } = options;
  if (insecureNoPassword) {
    if (passwordFile || passwordCommand || passwordVariable) {
      throw fatalError(
        "--insecure-no-password must not be specified together with providing a password via a cli option or environment variable",
      );
    }
    return { kind: "known", password: "" };
  }
  try {
    const password = await readGivenPassword(options, signal);
    if (password === undefined) return { kind: "ask" };
    if (password === "") throw emptyPasswordError();
    return { kind: "known", password };
  } catch (error) {
    if (hasErrorCode(error, "cancelled") || isEmptyPassword(error)) throw error;
    throw wrapError("Resolving password failed: ", error);
  }
}

async function readGivenPassword(options: PasswordOptions, signal: AbortSignal): Promise<string | undefined> {
  const { passwordFile, passwordCommand, passwordVariable } = options;
  if (passwordFile && passwordCommand) {
    throw plainError("Password file and command are mutually exclusive options");
  }
  if (passwordCommand) {
    const { readPasswordFromCommand } = await import("./command.ts");
    return readPasswordFromCommand(passwordCommand, signal);
  }
  if (passwordFile) return readPasswordFile(passwordFile);
  return passwordVariable || undefined;
}

/** Throws `usage` when the file is missing or cannot be read. */
export async function readPasswordFile(path: string): Promise<string> {
  try {
    return decodeText(await readFile(path)).trim();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      throw plainError(`${path} does not exist`, { cause: error });
    }
    throw error;
  }
}

const emptyPasswordMessage = (flag: string): string =>
  `an empty password is not allowed by default. Pass the flag \`--${flag}\` to coffer to disable this check`;

export function emptyPasswordError(): CofferError {
  return fatalError(emptyPasswordMessage("insecure-no-password"));
}

export function emptyNewPasswordError(): CofferError {
  return plainError(emptyPasswordMessage("new-insecure-no-password"));
}

function isEmptyPassword(error: unknown): boolean {
  return error instanceof Error && error.message === emptyPasswordMessage("insecure-no-password");
}

/** Asks at the terminal, or reads the first line that is piped in. */
export async function askForPassword(prompt: string, output: Output, cancellation: Cancellation): Promise<string> {
  const { isTerminalInput, promptForPassword, readLineFromInput } = await import("./prompt.ts");
  if (isTerminalInput()) return promptForPassword(prompt, cancellation);
  output.terminalOnly("reading repository password from stdin");
  return readLineFromInput(cancellation.signal);
}

/** A password that is going to be set: at a terminal it is asked for twice. Throws `usage` when the two differ. */
export async function askForNewPassword(prompt: string, output: Output, cancellation: Cancellation): Promise<string> {
  const password = await askForPassword(prompt, output, cancellation);
  const { isTerminalInput } = await import("./prompt.ts");
  if (password !== "" && isTerminalInput()) {
    const again = await askForPassword("enter password again: ", output, cancellation);
    if (again !== password) throw fatalError("passwords do not match");
  }
  return password;
}
