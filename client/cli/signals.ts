/**
 * What signals do: SIGINT and SIGTERM cancel the work, which then cleans up after itself; SIGHUP does nothing, because other
 * programs use it to see whether the owner of a lock is alive. Source: docs/CLI.md, exit codes.
 */
import { writeSync } from "node:fs";
import { CofferError } from "../../shared/errors.ts";

const namesOfSignals = { SIGINT: "interrupt", SIGTERM: "terminated" } as const;

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

  /** Takes over the process's signals until the returned function is called. */
  installHandlers(): () => void {
    const onSignal = (signal: NodeJS.Signals): void => this.interrupt(signal as CancellingSignal);
    const ignore = (): void => {};
    for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, onSignal);
    process.on("SIGHUP", ignore);
    return () => {
      for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, onSignal);
      process.off("SIGHUP", ignore);
    };
  }
}

function writeToStandardError(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // Nobody reads it; the work is cancelled all the same.
  }
}
