/**
 * Reading YAML so that every complaint has a line and a field. All scalars are text: nobody's name turns into a number or into
 * `null`. Problems are collected, because whoever corrects a file wants to see all of them.
 */
import type { Document, LineCounter, Node } from "yaml";
import { CofferError } from "../../shared/errors.ts";

export interface Problem {
  readonly line: number;
  /** Such as "rules[2].repositories"; empty for the file as a whole. */
  readonly field: string;
  readonly message: string;
}

/** A value of the file, and where it stands. */
export interface YamlValue {
  readonly node: Node | null;
  readonly field: string;
  readonly line: number;
}

type Yaml = typeof import("yaml");

export class YamlReader {
  readonly problems: Problem[] = [];
  readonly #yaml: Yaml;
  readonly #lines: LineCounter;
  readonly #document: Document.Parsed;

  /** The parser is loaded only for who has a policy: it costs 40 ms and 13 MB. */
  static async open(text: string): Promise<YamlReader> {
    return new YamlReader(await import("yaml"), text);
  }

  private constructor(yaml: Yaml, text: string) {
    this.#yaml = yaml;
    this.#lines = new yaml.LineCounter();
    this.#document = yaml.parseDocument(text, { schema: "failsafe", lineCounter: this.#lines, prettyErrors: false });
    for (const { pos, message } of this.#document.errors) {
      this.problems.push({ line: this.#lineAt(pos[0]), field: "", message });
    }
  }

  root(): YamlValue {
    return this.#valueOf(this.#document.contents, "", 1);
  }

  report({ field, line }: Pick<YamlValue, "field" | "line">, message: string): void {
    this.problems.push({ line, field, message });
  }

  /** The entries of a mapping that has only these fields; undefined, and a problem, when it is none. */
  fields<Name extends string>(value: YamlValue, known: readonly Name[]): Partial<Record<Name, YamlValue>> | undefined {
    const entries = this.entries(value);
    if (entries === undefined) return undefined;
    const found: Partial<Record<Name, YamlValue>> = {};
    for (const [name, entry] of entries) {
      if ((known as readonly string[]).includes(name)) found[name as Name] = entry;
      else this.report(entry, `unknown field: there are ${known.join(", ")}`);
    }
    return found;
  }

  /** The entries of any mapping, in the order of the file. */
  entries(value: YamlValue): Map<string, YamlValue> | undefined {
    const { node, field, line } = value;
    if (!this.#yaml.isMap(node)) {
      this.report(value, `expected fields with values, got ${this.#describe(node)}`);
      return undefined;
    }
    const entries = new Map<string, YamlValue>();
    for (const { key, value: content } of node.items) {
      const name = this.#yaml.isScalar(key) ? String(key.value) : undefined;
      const keyLine = this.#lineAt((key as Node | null)?.range?.[0]) || line;
      const path = field === "" ? (name ?? "") : `${field}.${name ?? ""}`;
      if (name === undefined) this.report({ field, line: keyLine }, "expected the name of a field before the colon");
      else entries.set(name, this.#valueOf(content as Node | null, path, keyLine));
    }
    return entries;
  }

  items(value: YamlValue): readonly YamlValue[] {
    const { node, field, line } = value;
    if (this.#yaml.isSeq(node)) {
      return node.items.map((item, i) => this.#valueOf(item as Node | null, `${field}[${i + 1}]`, line));
    }
    this.report(value, `expected a list, got ${this.#describe(node)}`);
    return [];
  }

  /** A list of texts; a single text counts as a list of one. */
  texts(value: YamlValue): readonly { readonly text: string; readonly value: YamlValue }[] {
    const values = this.#yaml.isScalar(value.node) ? [value] : this.items(value);
    if (values.length === 0 && this.#yaml.isSeq(value.node)) {
      this.report(value, "expected at least one entry, got an empty list");
    }
    return values.flatMap((each) => {
      const text = this.text(each);
      return text === undefined ? [] : [{ text, value: each }];
    });
  }

  text(value: YamlValue): string | undefined {
    const { node } = value;
    if (this.#yaml.isScalar(node) && typeof node.value === "string" && node.value !== "") return node.value;
    this.report(value, `expected a text, got ${this.#describe(node)}`);
    return undefined;
  }

  /** What a parser makes of a text. Its `malformed` becomes a problem with a line. */
  parsed<Result>(value: YamlValue, text: string, parse: (text: string) => Result): Result | undefined {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof CofferError)) throw error;
      this.report(value, error.message);
      return undefined;
    }
  }

  #valueOf(node: Node | null, field: string, outerLine: number): YamlValue {
    const resolved = this.#yaml.isAlias(node) ? (node.resolve(this.#document) ?? null) : node;
    const isNothing = this.#yaml.isScalar(node) && node.value === "";
    const line = isNothing ? 0 : this.#lineAt(node?.range?.[0]);
    return { node: resolved, field, line: line || outerLine };
  }

  /** 0 when there is no place. */
  #lineAt(offset: number | undefined): number {
    return offset === undefined ? 0 : this.#lines.linePos(offset).line;
  }

  #describe(node: Node | null): string {
    if (this.#yaml.isMap(node)) return "fields with values";
    if (this.#yaml.isSeq(node)) return "a list";
    const isText = this.#yaml.isScalar(node) && node.value !== "" && node.value !== null;
    return isText ? JSON.stringify(node.value) : "nothing";
  }
}
