/**
 * What commands say, by kind: results, normal messages, details; texts or JSON. Which of them are shown depends on
 * `--quiet`, `-v`, `--json`. Source: docs/cli.md, verbosity.
 */
import { encodeJsonString } from "../../shared/format/go-json.ts";
import type { OutputQueue } from "./output-queue.ts";
import type { Terminal } from "./terminal.ts";

/** 0: only results; 1: normal; 2: `-v`; 3: `-vv`. */
export type Verbosity = 0 | 1 | 2 | 3;

export interface OutputOptions {
  readonly queue: OutputQueue;
  readonly terminal: Terminal;
  /** As `-q` and `-v` ask. */
  readonly verbosity: Verbosity;
  /** `--json`, in a command that has JSON. */
  readonly isJson: boolean;
}

export class Output {
  readonly terminal: Terminal;
  readonly isJson: boolean;
  /** What `-q` and `-v` ask for; JSON messages depend on it too. */
  readonly verbosity: Verbosity;
  /** The level of texts: none of the optional ones with JSON. */
  readonly level: Verbosity;
  readonly #queue: OutputQueue;

  constructor({ queue, terminal, verbosity, isJson }: OutputOptions) {
    this.#queue = queue;
    this.terminal = terminal;
    this.verbosity = verbosity;
    this.isJson = isJson;
    this.level = isJson ? 0 : verbosity;
  }

  /** An essential result, shown at every level. */
  result(text: string): void {
    this.terminal.print(text);
  }

  normal(text: string): void {
    if (this.level >= 1) this.terminal.print(text);
  }

  /** Shown only when somebody looks at a terminal. */
  terminalOnly(text: string): void {
    if (this.level >= 1 && this.terminal.screen.isTerminal) this.terminal.print(text);
  }

  verbose(text: string): void {
    if (this.level >= 2) this.terminal.print(text);
  }

  veryVerbose(text: string): void {
    if (this.level >= 3) this.terminal.print(text);
  }

  /** An error or a warning, on standard error at every level. */
  error(text: string): void {
    this.terminal.printError(text);
  }

  /** A line of JSON on standard output. */
  json(text: string): void {
    this.#queue.write(1, `${text}\n`);
  }

  jsonError(text: string): void {
    this.#queue.write(2, `${text}\n`);
  }

  /** A result that need not be UTF-8, as a line. */
  resultBytes(bytes: Uint8Array): void {
    this.terminal.printBytes(bytes);
  }

  /** Bytes as they are, for file contents. */
  bytes(bytes: Uint8Array): void {
    this.#queue.write(1, bytes);
  }

  /** Settles when a producer of much output may go on. */
  ready(): Promise<void> {
    return this.#queue.ready();
  }

  /** True while much waits to be written. */
  get isBusy(): boolean {
    return this.#queue.isBusy;
  }
}

/** A member of a JSON object: its name and its value as JSON text, or undefined when it is left out. */
export type JsonMember = readonly [name: string, json: string | undefined];

/** `{"message_type":"…",…}` with the members that are not left out. */
export function jsonMessage(messageType: string, members: readonly JsonMember[]): string {
  return jsonObject([["message_type", encodeJsonString(messageType)], ...members]);
}

export function jsonObject(members: readonly JsonMember[]): string {
  const present = members.filter((member): member is readonly [string, string] => member[1] !== undefined);
  return `{${present.map(([name, json]) => `"${name}":${json}`).join(",")}}`;
}

/** A number that is left out when it is 0. */
export function unlessZero(value: number): string | undefined {
  return value === 0 ? undefined : String(value);
}
