/**
 * The command line, taken apart as restic does it: long flags with `=` or a following value, clusters of short flags, flags
 * and arguments mixed, `--` as the end of flags. Its own small parser, because users and scripts rely on these rules and
 * messages. Source: docs/cli.md, parsing.
 */
import { CofferError } from "../../../shared/errors.ts";
import { quoteText } from "../text/quote.ts";
import type { Flag, FlagTable, FlagValues } from "./flag.ts";
import { InvalidValue } from "./invalid-value.ts";

/** An argument or a flag's value, and where it stands: its raw bytes may have to be looked up. */
export interface ArgumentText {
  readonly text: string;
  /** Index in the list of all arguments. */
  readonly index: number;
  /** Characters of that argument in front of the text, all of them ASCII. */
  readonly prefixLength: number;
}

export interface ParsedArguments<Table extends FlagTable> {
  readonly values: FlagValues<Table>;
  /** The arguments that are neither flags nor their values. */
  readonly operands: readonly ArgumentText[];
  /** The flags that were given, by key, with the text of each occurrence. */
  readonly given: ReadonlyMap<keyof Table, readonly ArgumentText[]>;
  /** True when `-h` or `--help` was given. */
  readonly wantsHelp: boolean;
}

/** What went wrong, as text, and the values of the flags in front of it: they decide how the error is shown. */
export class ArgumentError<Table extends FlagTable> extends CofferError {
  readonly parsed: ParsedArguments<Table>;

  constructor(message: string, parsed: ParsedArguments<Table>) {
    super("usage", message, { data: { isPlain: true } });
    this.parsed = parsed;
  }
}

export interface ParserOptions {
  /** Told about each deprecated flag that is used. */
  readonly onDeprecated?: (line: string) => void;
  /** Indices of arguments that are passed over: the command's own name. */
  readonly skip?: ReadonlySet<number>;
}

const helpFlag: Flag<boolean> = {
  name: "help",
  shorthand: "h",
  help: "",
  initial: false,
  impliedText: "true",
  add: (text) => text !== "false",
};

/** Throws `ArgumentError`. */
export function parseArguments<Table extends FlagTable>(
  texts: readonly string[],
  table: Table,
  options: ParserOptions = {},
): ParsedArguments<Table> {
  return new Parser(texts, table, options).run();
}

class Parser<Table extends FlagTable> {
  readonly #texts: readonly string[];
  readonly #options: ParserOptions;
  readonly #byName: Map<string, readonly [keyof Table, Flag<unknown>]> = new Map();
  readonly #byShorthand: Map<string, readonly [keyof Table, Flag<unknown>]> = new Map();
  readonly #values: Record<keyof Table, unknown>;
  readonly #given: Map<keyof Table, ArgumentText[]> = new Map();
  readonly #operands: ArgumentText[] = [];
  #wantsHelp = false;
  #index = 0;

  constructor(texts: readonly string[], table: Table, options: ParserOptions) {
    this.#texts = texts;
    this.#options = options;
    const entries = Object.entries(table) as [keyof Table, Flag<unknown>][];
    for (const entry of entries) {
      this.#byName.set(entry[1].name, entry);
      if (entry[1].shorthand !== undefined) this.#byShorthand.set(entry[1].shorthand, entry);
    }
    this.#values = Object.fromEntries(entries.map(([key, flag]) => [key, flag.initial])) as Record<
      keyof Table,
      unknown
    >;
  }

  run(): ParsedArguments<Table> {
    while (this.#index < this.#texts.length) {
      const index = this.#index;
      const text = this.#texts[this.#index++] ?? "";
      if (this.#options.skip?.has(index)) continue;
      if (text === "--") this.#takeRest();
      else if (text.startsWith("--")) this.#readLong(text, index);
      else if (text.startsWith("-") && text !== "-") this.#readCluster(text, index);
      else this.#operands.push({ text, index, prefixLength: 0 });
    }
    return this.#result();
  }

  #takeRest(): void {
    for (; this.#index < this.#texts.length; this.#index++) {
      if (this.#options.skip?.has(this.#index)) continue;
      this.#operands.push({ text: this.#texts[this.#index] ?? "", index: this.#index, prefixLength: 0 });
    }
  }

  #readLong(text: string, index: number): void {
    const body = text.slice(2);
    if (body.startsWith("-") || body.startsWith("=")) this.#fail(`bad flag syntax: ${text}`);
    const equals = body.indexOf("=");
    const name = equals < 0 ? body : body.slice(0, equals);
    const entry = this.#byName.get(name) ?? (name === helpFlag.name ? (["", helpFlag] as const) : undefined);
    if (entry === undefined) this.#fail(`unknown flag: --${name}`);
    if (equals >= 0) {
      this.#set(entry, { text: body.slice(equals + 1), index, prefixLength: 2 + equals + 1 });
    } else {
      this.#set(entry, this.#impliedOrNext(entry[1], index, `flag needs an argument: --${name}`));
    }
  }

  /** `-vv`, `-nv`, `-rPATH`, `-r PATH`, `-r=PATH`. */
  #readCluster(text: string, index: number): void {
    for (let position = 1; position < text.length; position++) {
      const cluster = text.slice(position);
      const letter = String.fromCodePoint(cluster.codePointAt(0) ?? 0);
      const entry =
        this.#byShorthand.get(letter) ?? (letter === helpFlag.shorthand ? (["", helpFlag] as const) : undefined);
      if (entry === undefined) this.#fail(`unknown shorthand flag: ${quoteLetter(letter)} in -${cluster}`);
      if (cluster.length > 2 && cluster[1] === "=") {
        this.#set(entry, { text: cluster.slice(2), index, prefixLength: position + 2 });
        return;
      }
      if (entry[1].impliedText === undefined && cluster.length > 1) {
        this.#set(entry, { text: cluster.slice(1), index, prefixLength: position + 1 });
        return;
      }
      const missing = `flag needs an argument: ${quoteLetter(letter)} in -${cluster}`;
      this.#set(entry, this.#impliedOrNext(entry[1], index, missing));
    }
  }

  #impliedOrNext(flag: Flag<unknown>, index: number, missing: string): ArgumentText {
    if (flag.impliedText !== undefined) return { text: flag.impliedText, index, prefixLength: 0 };
    while (this.#options.skip?.has(this.#index)) this.#index++;
    const text = this.#texts[this.#index];
    if (text === undefined) this.#fail(missing);
    return { text, index: this.#index++, prefixLength: 0 };
  }

  #set([key, flag]: readonly [keyof Table, Flag<unknown>], occurrence: ArgumentText): void {
    if (flag === helpFlag) {
      this.#wantsHelp = true;
      return;
    }
    try {
      this.#values[key] = flag.add(occurrence.text, this.#values[key]);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      const names = flag.shorthand === undefined ? `--${flag.name}` : `-${flag.shorthand}, --${flag.name}`;
      this.#fail(`invalid argument ${quoteText(occurrence.text)} for "${names}" flag: ${error.message}`);
    }
    this.#given.set(key, [...(this.#given.get(key) ?? []), occurrence]);
    if (flag.deprecated !== undefined) {
      this.#options.onDeprecated?.(`Flag --${flag.name} has been deprecated, ${flag.deprecated}`);
    }
  }

  #result(): ParsedArguments<Table> {
    return {
      values: this.#values as FlagValues<Table>,
      operands: this.#operands,
      given: this.#given,
      wantsHelp: this.#wantsHelp,
    };
  }

  #fail(message: string): never {
    throw new ArgumentError(message, this.#result());
  }
}

function quoteLetter(letter: string): string {
  return letter === "'" ? `'\\''` : `'${quoteText(letter).slice(1, -1)}'`;
}
