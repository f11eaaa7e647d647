/**
 * Typed access to the fields of a small JSON document (snapshot, lock, config, key file). As in restic, unknown keys
 * are ignored and `null` counts as absent; a field of the wrong type is an error that names document and field.
 */
import { CofferError } from "../errors.ts";
import { fromBase64, utf8Decode } from "./bytes.ts";
import { type Id, isId } from "./layout.ts";

/** The fields of one JSON object. Every getter throws `malformed` when the value is not what it promises. */
export class JsonFields {
  readonly #what: string;
  readonly #values: Readonly<Record<string, unknown>>;

  private constructor(what: string, values: Readonly<Record<string, unknown>>) {
    this.#what = what;
    this.#values = values;
  }

  /** Parses a whole document, `what` for messages. Throws `malformed` unless it is one JSON object in valid UTF-8. */
  static parse(what: string, document: string | Uint8Array): JsonFields {
    return JsonFields.from(what, parseJson(what, document));
  }

  /** Wraps a value that was parsed already. */
  static from(what: string, value: unknown): JsonFields {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new CofferError("malformed", `${what} expected a JSON object, got ${describeValue(value)}`);
    }
    return new JsonFields(what, value as Record<string, unknown>);
  }

  /** A string that must be there. */
  string(key: string): string {
    return this.optionalString(key) ?? this.#fail(key, "a string");
  }

  optionalString(key: string): string | undefined {
    const value = this.#value(key);
    if (value === undefined || typeof value === "string") return value;
    return this.#fail(key, "a string");
  }

  /** 64 lower-case hex digits. */
  id(key: string): Id {
    return this.optionalId(key) ?? this.#fail(key, "an id of 64 hex digits");
  }

  optionalId(key: string): Id | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    if (typeof value === "string" && isId(value)) return value;
    return this.#fail(key, "an id of 64 hex digits");
  }

  /** A whole number from 0 to `maximum`. */
  integer(key: string, maximum: number = Number.MAX_SAFE_INTEGER): number {
    return this.optionalInteger(key, maximum) ?? this.#fail(key, `a whole number from 0 to ${maximum}`);
  }

  optionalInteger(key: string, maximum: number = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= maximum) return value;
    return this.#fail(key, `a whole number from 0 to ${maximum}`);
  }

  boolean(key: string): boolean {
    const value = this.#value(key);
    return typeof value === "boolean" ? value : this.#fail(key, "true or false");
  }

  /** Absent counts as empty. */
  strings(key: string): readonly string[] {
    const value = this.#value(key) ?? [];
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
    return this.#fail(key, "an array of strings");
  }

  /** Standard base64 with padding. */
  bytes(key: string): Uint8Array {
    const text = this.string(key);
    try {
      return fromBase64(text);
    } catch (cause) {
      throw new CofferError("malformed", `${this.#what}: "${key}" expected base64`, { cause });
    }
  }

  /** The fields of an object inside this one. */
  object(key: string): JsonFields {
    return this.optionalObject(key) ?? this.#fail(key, "an object");
  }

  optionalObject(key: string): JsonFields | undefined {
    const value = this.#value(key);
    return value === undefined ? undefined : JsonFields.from(`${this.#what}: "${key}"`, value);
  }

  #value(key: string): unknown {
    return Object.hasOwn(this.#values, key) ? (this.#values[key] ?? undefined) : undefined;
  }

  #fail(key: string, expected: string): never {
    throw new CofferError(
      "malformed",
      `${this.#what}: "${key}" expected ${expected}, got ${describeValue(this.#value(key))}`,
    );
  }
}

/** JSON of any shape. Throws `malformed` on text that is not JSON and on bytes that are not UTF-8. */
export function parseJson(what: string, document: string | Uint8Array): unknown {
  const text = typeof document === "string" ? document : utf8Decode(document);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CofferError("malformed", `${what} expected JSON: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
}

/** A short form of a value for messages; never more than a few words of what may be hostile data. */
export function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  return String(value);
}
