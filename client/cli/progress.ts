/** When progress is shown, and the counters that most commands show. Source: docs/cli.md, progress. */
import type { Output } from "./output.ts";
import { formatClock, formatPercent } from "./text/numbers.ts";

const terminalIntervalMs = 100;
const highestRate = 60;

export interface UpdateRate {
  readonly environment: NodeJS.ProcessEnv;
  readonly canUpdate: boolean;
  readonly isJson: boolean;
  readonly isQuiet: boolean;
}

/** The pause between updates; undefined when there are none but those that SIGUSR1 asks for. */
export function updateIntervalMs({ environment, canUpdate, isJson, isQuiet }: UpdateRate): number | undefined {
  const rate = Number(environment["RESTIC_PROGRESS_FPS"]);
  if (environment["RESTIC_PROGRESS_FPS"] && Number.isFinite(rate) && rate > 0)
    return 1000 / Math.min(rate, highestRate);
  return isJson || (canUpdate && !isQuiet) ? terminalIntervalMs : undefined;
}

/** Calls `update` at the interval and at once on SIGUSR1, until it is stopped. */
export class UpdateTimer {
  readonly #update: () => void;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(intervalMs: number | undefined, update: () => void) {
    this.#update = update;
    this.#timer = intervalMs === undefined ? undefined : setInterval(update, intervalMs);
    this.#timer?.unref();
    if (process.platform !== "win32") process.on("SIGUSR1", this.#update);
  }

  stop(): void {
    clearInterval(this.#timer);
    if (process.platform !== "win32") process.off("SIGUSR1", this.#update);
  }
}

/** One line such as `[0:03] 42.50%  17 / 40 packs`: on a terminal while it runs, and once more when finished. */
export class Counter {
  readonly #output: Output;
  readonly #noun: string;
  readonly #startMs: number = performance.now();
  readonly #timer: UpdateTimer | undefined;
  #done = 0;
  #total: number;

  constructor(output: Output, noun: string, intervalMs: number | undefined, total = 0) {
    this.#output = output;
    this.#noun = noun;
    this.#total = total;
    if (output.level >= 1) this.#timer = new UpdateTimer(intervalMs, () => this.#show());
  }

  set(done: number, total: number = this.#total): void {
    this.#done = done;
    this.#total = total;
  }

  /** Takes the line away and prints it for good. */
  finish(): void {
    this.#timer?.stop();
    this.#output.terminal.clearStatus();
    this.#output.normal(this.#text());
  }

  /** Takes the line away without a trace. */
  abandon(): void {
    this.#timer?.stop();
    this.#output.terminal.clearStatus();
  }

  #show(): void {
    this.#output.terminal.setStatus([this.#text()]);
  }

  #text(): string {
    return formatCounter(performance.now() - this.#startMs, this.#done, this.#total, this.#noun);
  }
}

/** `[0:03] 42.50%  17 / 40 packs`, or without a total `[0:03]          17 packs`. */
export function formatCounter(elapsedMs: number, done: number, total: number, noun: string): string {
  const clock = `[${formatClock(elapsedMs)}]`;
  if (total === 0) return `${clock}          ${done} ${noun}`;
  return `${clock} ${formatPercent(done, total)}  ${done} / ${total} ${noun}`;
}
