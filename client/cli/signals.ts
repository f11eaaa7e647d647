/**
 * What signals do: SIGINT and SIGTERM cancel the work, which then cleans up after itself; SIGHUP does nothing, because other
 * programs use it to see whether the owner of a lock is alive. Source: docs/cli.md, exit codes.
 */
import { writeSync } from "node:fs";
import { CofferError } from "../../shared/errors.ts";
import { exitStatus } from "./exit-status.ts";

const namesOfSignals = { SIGINT: "interrupt", SIGTERM: "terminated" } as const;

/** A lock is removed within a minute, or not at all. */
const longestCleanUpMs = 2 * 60_000;

/** SIGUSR1 asks for progress; without a handler Node would open a port for debuggers. Windows has neither. */
const ignoredSignals: readonly NodeJS.Signals[] = process.platform === "win32" ? [] : ["SIGHUP", "SIGUSR1"];

export type CancellingSignal = keyof typeof namesOfSignals;

/** Cancels the running command, at most once. Every long operation gets its `signal`. */
export class Cancellation {
  readonly #controller: AbortController = new AbortController();

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The user wants the program to end: says so at once, and cancels. */
  interrupt(signal: CancellingSignal): void {
    if (this.signal.aborted) return;
    // Not through the queue: what waits there may wait for a reader who has stopped reading.
    writeToStandardError(`\rsignal ${namesOfSignals[signal]} received, cleaning up \n`);
    this.cancel(new CofferError("cancelled", "context canceled"));
  }

  cancel(reason: Error): void {
    if (!this.signal.aborted) this.#controller.abort(reason);
  }

  /**
   * Takes over the process's signals, and errors that nobody has caught, until the returned function is called. Such an error
   * is a mistake of the program, which must not leave a lock behind for that.
   */
  installHandlers(): () => void {
    const onSignal = (signal: NodeJS.Signals): void => this.interrupt(signal as CancellingSignal);
    const ignore = (): void => {};
    const onUncaught = (error: unknown): void => this.#cancelAfterMistake(error);
    for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, onSignal);
    for (const name of ignoredSignals) process.on(name, ignore);
    process.on("uncaughtException", onUncaught);
    process.on("unhandledRejection", onUncaught);
    return () => {
      for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, onSignal);
      for (const name of ignoredSignals) process.off(name, ignore);
      process.off("uncaughtException", onUncaught);
      process.off("unhandledRejection", onUncaught);
    };
  }

  /** What is broken may wait for something that never comes: the end comes all the same. */
  #cancelAfterMistake(error: unknown): void {
    this.cancel(error instanceof Error ? error : new Error(String(error)));
    setTimeout(() => process.exit(exitStatus.failure), longestCleanUpMs).unref();
  }
}

function writeToStandardError(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // Nobody reads it; the work is cancelled all the same.
  }
}
