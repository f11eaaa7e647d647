/** What a backup is about: targets of arguments and files, or one stream. Source: docs/cli.md, backup. */
import { targetProblem } from "../../backup/selection.ts";
import type { ArgumentText } from "../arguments/parse.ts";
import { bytesOfArgument, workingDirectoryBytes } from "../arguments/raw-arguments.ts";
import type { CommandContext } from "../command.ts";
import { fatalError, plainError } from "../exit-status.ts";
import { readTargetFiles } from "./files-from.ts";
import type { BackupValues } from "./flags.ts";

export interface BackupTargets {
  readonly kind: "targets";
  /** Those that exist. */
  readonly targets: readonly Uint8Array[];
  readonly workingDirectory: Uint8Array;
  /** Some do not exist or cannot be looked at. */
  readonly areSomeMissing: boolean;
}

/** A stream; with a command, that of its output. */
export interface BackupStream {
  readonly kind: "stream";
  readonly command: readonly string[] | undefined;
}

/** Throws `usage` for flags that contradict each other; nothing is read for that. */
export function checkInputFlags(
  values: BackupValues,
  operands: readonly unknown[],
  password: CommandContext["password"],
): void {
  const files = [...values.filesFrom, ...values.filesFromVerbatim, ...values.filesFromRaw];
  if (password.kind === "ask") {
    if (values.stdin) throw fatalError("cannot read both password and data from stdin");
    if (files.includes("-")) {
      throw fatalError(
        "unable to read password from stdin when data is to be read from stdin, use --password-file or $RESTIC_PASSWORD",
      );
    }
  }
  if (!values.stdin && !values.stdinFromCommand) return;
  if (files.length > 0) throw fatalError("--stdin and --files-from cannot be used together");
  if (values.stdinFromCommand) {
    if (operands.length === 0) throw plainError("no command was specified as argument");
  } else if (operands.length > 0) throw fatalError("--stdin was specified and files/dirs were listed as arguments");
}

/** Reads the files that name targets. Tells about targets that do not exist, and throws `usage` when none does. */
export async function collectTargets(
  { output, argumentCount }: CommandContext,
  values: BackupValues,
  operands: readonly ArgumentText[],
): Promise<BackupTargets | BackupStream> {
  if (values.stdinFromCommand) return { kind: "stream", command: operands.map(({ text }) => text) };
  if (values.stdin) return { kind: "stream", command: undefined };
  const fromFiles = await readTargetFiles(values, (text) => output.error(text));
  const named = [...fromFiles, ...operands.map((operand) => bytesOfArgument(operand, argumentCount))];
  if (named.length === 0) throw fatalError("nothing to backup, please specify source files/dirs");
  const workingDirectory = workingDirectoryBytes();
  const targets = named.filter((target) => {
    const problem = targetProblem(target, workingDirectory);
    if (problem !== undefined) output.error(problem);
    return problem === undefined;
  });
  if (targets.length === 0) throw fatalError("all source directories/files do not exist");
  return { kind: "targets", targets, workingDirectory, areSomeMissing: targets.length < named.length };
}
