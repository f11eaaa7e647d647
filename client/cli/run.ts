/** From arguments to an exit status: finds the command, understands the flags, runs it, and says what went wrong. */
import { hasErrorCode } from "../../shared/errors.ts";
import { encodeJsonString } from "../../shared/format/go-json.ts";
import { findWord, suggestNames } from "./arguments/find-command.ts";
import type { FlagTable, FlagValues } from "./arguments/flag.ts";
import { ArgumentError, type ParsedArguments, parseArguments } from "./arguments/parse.ts";
import type { Command, CommandContext } from "./command.ts";
import { type CommandEntry, isParent, type ParentEntry } from "./command-entry.ts";
import { type ExitStatus, exitStatus, exitStatusOf, finalMessageOf, plainError } from "./exit-status.ts";
import { type GlobalFlags, globalFlags } from "./global-flags.ts";
import { type GlobalOptions, resolveGlobalOptions } from "./global-options.ts";
import { jsonMessage, Output } from "./output.ts";
import { OutputQueue, type OutputQueueOptions } from "./output-queue.ts";
import type { KnownPassword } from "./password/sources.ts";
import { commandEntries } from "./registry.ts";
import { Cancellation } from "./signals.ts";
import { noScreen, Terminal } from "./terminal.ts";

/** What the program is run with. */
export interface ProgramCall {
  /** Without the names of Node and of the script. */
  readonly parameters: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** For tests: where output goes instead of the process's own streams. */
  readonly write?: OutputQueueOptions["write"];
}

/** Runs the program to its end. Everything has been printed when it returns. */
export async function runProgram(call: ProgramCall): Promise<ExitStatus> {
  return new ProgramRun(call).run();
}

/** The reader of standard output has gone, and the command has nothing else to do: a clean end. */
class OutputClosed extends Error {}

/** A command that was found, and what was said to it. */
interface Invocation {
  readonly command: Command;
  readonly parsed: ParsedArguments<FlagTable>;
}

class ProgramRun {
  readonly #parameters: readonly string[];
  readonly #environment: NodeJS.ProcessEnv;
  readonly #cancellation = new Cancellation();
  readonly #queue: OutputQueue;
  #terminal: Terminal;
  #endsWithOutput = false;
  #isJson = false;

  constructor({ parameters, environment, write }: ProgramCall) {
    this.#parameters = parameters;
    this.#environment = environment;
    this.#queue = new OutputQueue({ onClosed: () => this.#onOutputClosed(), write });
    this.#terminal = new Terminal(this.#queue, noScreen);
  }

  async run(): Promise<ExitStatus> {
    let status: ExitStatus;
    try {
      await this.#dispatch();
      status = exitStatus.success;
    } catch (error) {
      status = this.#report(error);
    }
    if (this.#cancellation.signal.aborted) this.#queue.discardOutput();
    await this.#queue.drained();
    const { failure } = this.#queue;
    if (failure === undefined || status !== exitStatus.success) return status;
    this.#printLast(`unable to write to standard output: ${failure.message}`, exitStatus.failure);
    await this.#queue.drained();
    return exitStatus.failure;
  }

  async #dispatch(): Promise<void> {
    const word = findWord(this.#parameters, globalFlags);
    if (word === undefined) return this.#runWithoutCommand();
    const entry = commandEntries.find(({ name }) => name === word.text);
    if (entry === undefined) throw await unknownCommand(word.text);
    if (!isParent(entry)) return this.#runCommand(entry, new Set([word.index]));
    const child = findWord(this.#parameters, globalFlags, word.index + 1);
    const childEntry = entry.children.find(({ name }) => name === child?.text);
    if (child === undefined || childEntry === undefined) return this.#runParent(entry);
    return this.#runCommand(childEntry, new Set([word.index, child.index]));
  }

  async #runWithoutCommand(): Promise<void> {
    this.#parse(globalFlags);
    const { programHelp } = await import("./help.ts");
    this.#printLines(programHelp(commandEntries));
  }

  async #runParent(entry: ParentEntry): Promise<void> {
    this.#parse(globalFlags);
    const { parentHelp } = await import("./help.ts");
    this.#printLines(parentHelp(entry));
  }

  async #runCommand(entry: CommandEntry, nameIndices: ReadonlySet<number>): Promise<void> {
    const command = await entry.load();
    const parsed = this.#parse({ ...globalFlags, ...command.flags }, nameIndices);
    if (parsed.wantsHelp) {
      const { commandHelp } = await import("./help.ts");
      return this.#printLines(commandHelp(command));
    }
    command.checkOperands?.(parsed.operands.map(({ text }) => text));
    await this.#runChecked({ command, parsed });
  }

  #parse(table: FlagTable, skip: ReadonlySet<number> = new Set()): ParsedArguments<FlagTable> {
    try {
      const onDeprecated = (line: string): void => this.#queue.write(2, `${line}\n`);
      const parsed = parseArguments(this.#parameters, table, { skip, onDeprecated });
      this.#isJson = parsed.values["json"] === true;
      return parsed;
    } catch (error) {
      if (error instanceof ArgumentError) this.#isJson = error.parsed.values["json"] === true;
      throw error;
    }
  }

  async #runChecked({ command, parsed }: Invocation): Promise<void> {
    const options = resolveGlobalOptions(parsed.values as FlagValues<GlobalFlags>, this.#environment);
    await this.#checkFeatures();
    const removeHandlers = this.#cancellation.installHandlers();
    this.#endsWithOutput = command.endsWithOutput === true;
    try {
      const context = await this.#contextFor(command, options);
      await command.run(context, parsed);
      this.#cancellation.signal.throwIfAborted();
    } finally {
      this.#terminal.clearStatus();
      removeHandlers();
    }
  }

  async #checkFeatures(): Promise<void> {
    const text = this.#environment["RESTIC_FEATURES"];
    if (!text) return;
    const { checkFeatureFlags } = await import("./feature-flags.ts");
    for (const warning of checkFeatureFlags(text)) this.#queue.write(2, `${warning}\n`);
  }

  async #contextFor(command: Command, options: GlobalOptions): Promise<CommandContext> {
    const { needsNoPassword } = command;
    const isJson = options.json && command.hasJson === true;
    const password = needsNoPassword ? ({ kind: "ask" } as const) : await this.#resolvePassword(options);
    if (!needsNoPassword) this.#terminal = await this.#openTerminal();
    const { updateIntervalMs } = await import("./progress.ts");
    return {
      options,
      environment: this.#environment,
      cancellation: this.#cancellation,
      password,
      commands: commandEntries,
      argumentCount: this.#parameters.length,
      output: new Output({ queue: this.#queue, terminal: this.#terminal, verbosity: options.verbosity, isJson }),
      updateIntervalMs: updateIntervalMs({
        environment: this.#environment,
        canUpdate: this.#terminal.screen.canUpdate,
        isJson,
        isQuiet: options.verbosity === 0,
      }),
    };
  }

  async #resolvePassword(options: GlobalOptions): Promise<KnownPassword> {
    const { resolvePassword } = await import("./password/sources.ts");
    return resolvePassword(options.password, this.#cancellation.signal);
  }

  async #openTerminal(): Promise<Terminal> {
    const { processScreen } = await import("./process-screen.ts");
    return new Terminal(this.#queue, processScreen(this.#environment));
  }

  #onOutputClosed(): void {
    if (this.#endsWithOutput) this.#cancellation.cancel(new OutputClosed("nobody reads the output"));
  }

  /** Prints why the program ends, and returns its status. */
  #report(error: unknown): ExitStatus {
    const { signal } = this.#cancellation;
    // Whatever an interrupted operation throws, it was the interruption that ended it.
    const cause = signal.aborted ? signal.reason : error;
    if (cause instanceof OutputClosed) return exitStatus.success;
    const status = exitStatusOf(cause);
    const isUsersWish = signal.aborted && hasErrorCode(cause, "cancelled");
    // A command may say in its own words that it was cancelled.
    const message = finalMessageOf(isUsersWish && hasErrorCode(error, "cancelled") ? error : cause);
    this.#printLast(message, status);
    return status;
  }

  #printLast(message: string, status: ExitStatus): void {
    const json = (): string =>
      jsonMessage("exit_error", [
        ["code", String(status)],
        ["message", encodeJsonString(message)],
      ]);
    this.#queue.write(2, `${this.#isJson ? json() : message}\n`);
  }

  #printLines(lines: readonly string[]): void {
    this.#queue.write(1, `${lines.join("\n")}\n`);
  }
}

async function unknownCommand(name: string): Promise<Error> {
  const { unknownCommandMessage } = await import("./help.ts");
  const names = commandEntries.map((entry) => entry.name);
  return plainError(unknownCommandMessage(name, suggestNames(name, names)));
}
