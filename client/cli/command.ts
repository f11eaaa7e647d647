/** What a command is: its flags, its texts, and what it does. One file in client/commands defines one. */
import type { FlagTable } from "./arguments/flag.ts";
import type { ParsedArguments } from "./arguments/parse.ts";
import type { CommandEntry, ParentEntry } from "./command-entry.ts";
import type { GlobalOptions } from "./global-options.ts";
import type { Output } from "./output.ts";
import type { KnownPassword } from "./password/sources.ts";
import type { Cancellation } from "./signals.ts";

/** What every command gets from its surroundings. */
export interface CommandContext {
  readonly options: GlobalOptions;
  readonly output: Output;
  readonly environment: NodeJS.ProcessEnv;
  readonly cancellation: Cancellation;
  /** Resolved before the command begins; commands that need none get "ask". */
  readonly password: KnownPassword;
  /** All arguments of the program, to look up raw bytes. */
  readonly argumentCount: number;
  /** All commands, for the help. */
  readonly commands: readonly (CommandEntry | ParentEntry)[];
  /** The pause between updates of progress; undefined for none. */
  readonly updateIntervalMs: number | undefined;
}

export interface CommandDefinition<Table extends FlagTable> {
  /** Words behind the program's name: "key add". */
  readonly name: string;
  /** Behind the name in the usage line. */
  readonly synopsis: string;
  /** A few sentences for the help. */
  readonly description: string;
  readonly flags: Table;
  /** With `--json`, results are JSON; otherwise only the final error is. */
  readonly hasJson?: boolean;
  /** True when the command resolves no password. */
  readonly needsNoPassword?: boolean;
  /** True when its output is all that a command is for: it ends when nobody reads on. */
  readonly endsWithOutput?: boolean;
  /** Exit codes besides 0, 1, 10, 11, 12 and 130, and what they mean. */
  readonly exitCodes?: readonly string[];
  /** Looks at the arguments before anything else is done. Throws `usage`. */
  checkOperands?(operands: readonly string[]): void;
  run(context: CommandContext, parsed: ParsedArguments<Table>): Promise<void>;
}

/** A command without its types: what the program that dispatches sees. */
export type Command = CommandDefinition<FlagTable>;

/** Forgets the types of a command's flags once its own code has been checked against them. */
export function defineCommand<Table extends FlagTable>(definition: CommandDefinition<Table>): Command {
  return definition as unknown as Command;
}
