/** A command, and how it reads its arguments. */
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { CofferError } from "../../shared/errors.ts";

export interface Command {
  /** Two words. */
  readonly name: string;
  /** Arguments and flags, as the help shows them. */
  readonly usage: string;
  readonly help: string;
  /** Prints what there is to say and returns the exit code. Throws `CofferError`. */
  run(parameters: readonly string[]): Promise<number>;
}

export interface Arguments {
  readonly positionals: readonly string[];
  readonly strings: Readonly<Record<string, string | undefined>>;
  readonly booleans: Readonly<Record<string, boolean | undefined>>;
}

/** Throws `usage` with the command's usage when there are other flags, or more or fewer arguments. */
export function readArguments(
  command: Command,
  parameters: readonly string[],
  positionalCount: number,
  options: ParseArgsOptionsConfig,
): Arguments {
  try {
    const { values, positionals } = parseArgs({ args: [...parameters], options, allowPositionals: true, strict: true });
    if (positionals.length !== positionalCount) {
      throw new TypeError(`expected ${positionalCount} arguments, got ${positionals.length}`);
    }
    const entries = Object.entries(values);
    return {
      positionals,
      strings: Object.fromEntries(entries.filter((entry) => typeof entry[1] === "string")) as Record<string, string>,
      booleans: Object.fromEntries(entries.filter((entry) => typeof entry[1] === "boolean")) as Record<string, boolean>,
    };
  } catch (cause) {
    const usage = `usage: coffer-server ${command.name} ${command.usage}`;
    throw new CofferError("usage", `${(cause as Error).message}; ${usage}`, { cause });
  }
}
